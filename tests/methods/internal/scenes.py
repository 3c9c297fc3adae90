"""A sliding texture with a standing hole, and its candidates."""

import torch
from torch import Tensor

from tests.ops.scene import box, sliding
from vidinternal.methods.internal.candidates import Candidates
from vidinternal.ops.flow_copy import never
from vidinternal.ops.resample import destroy
from vidinternal.ops.settings import PropagateSettings

SETTINGS = PropagateSettings(ring=6, rounds=2)


def scene(step: tuple[int, int] = (3, 0)) -> tuple[Tensor, Tensor]:
    """Truth ``T 3 H W`` and masks ``T 1 H W``."""
    truth = sliding(8, 48, 64, step)
    return truth, box(8, 48, 64, slice(18, 28), slice(24, 36))


def candidates(truth: Tensor, masks: Tensor) -> Candidates:
    """Made without the truth."""
    return Candidates.of(destroy(truth, masks), masks, SETTINGS, never)


def other_truth(truth: Tensor, masks: Tensor) -> Tensor:
    """The same outside ``masks``, something else inside."""
    return torch.where(masks, 1 - truth, truth)
