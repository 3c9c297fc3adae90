"""In what precision a network is trained."""

import torch

from vidinternal.learn.precision import arithmetic, fast_bfloat16

CPU = torch.device("cpu")


def _type_of_a_product(precision: str) -> torch.dtype:
    with arithmetic(CPU, precision):  # pyright: ignore[reportArgumentType]
        return (torch.ones(2, 2) @ torch.ones(2, 2)).dtype


def test_what_is_asked_for_is_what_is_multiplied() -> None:
    assert _type_of_a_product("float32") == torch.float32
    assert _type_of_a_product("bfloat16") == torch.bfloat16


def test_auto_is_bfloat16_where_that_is_fast() -> None:
    assert (_type_of_a_product("auto") == torch.bfloat16) == fast_bfloat16(CPU)
