"""In what precision a network is trained."""

import pytest
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


@pytest.mark.parametrize(("amx", "avx512"), [(True, True), (True, False), (False, True), (False, False)])
def test_either_instruction_set_is_fast(*, amx: bool, avx512: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512)
    assert fast_bfloat16(CPU) == (amx or avx512)


def test_a_torch_that_cannot_tell_computes_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"):
        monkeypatch.delattr(torch.cpu, name)
    assert not fast_bfloat16(CPU)
    assert _type_of_a_product("auto") == torch.float32
