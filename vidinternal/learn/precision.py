"""In which arithmetic a network is worth computing."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch

# private to torch, and not in every version that works here: where one is missing it is taken for "no"
_CPU_CHECKS = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
Precision = Literal["auto", "float32", "bfloat16"]


def fast_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 is multiplied in hardware: AMX or AVX-512 BF16 on a CPU, any CUDA device that says so."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return any(getattr(torch.cpu, name, bool)() for name in _CPU_CHECKS)


def arithmetic(device: torch.device, precision: Precision) -> AbstractContextManager[object]:
    """The context to run a network in; ``auto`` is bfloat16 where it is fast."""
    if precision == "bfloat16" or (precision == "auto" and fast_bfloat16(device)):
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext()
