"""What methods get to see of a window with black bars."""

from __future__ import annotations

import torch
from torch import Tensor

from vidinternal.stages.artifacts import MaskTrack


def masks() -> Tensor:
    where = torch.zeros(2, 1, 24, 32, dtype=torch.bool)
    where[..., 8:14, 10:20] = True
    return where


def test_masked_pixels_on_a_bar_are_known_and_the_others_are_filled() -> None:
    track = MaskTrack(masks(), (4, 20, 4, 28)).with_bars((0, 8, 0, 0), torch.zeros(3))
    assert track.bars == (0, 8, 0, 0) and track.where is not None and track.seen is not None
    assert track.where[..., 8:, :].equal(masks()[..., 12:20, 4:28]) and not track.where[..., :8, :].any()
    assert track.to_fill().sum() == 2 * 4 * 10
    assert track.with_recovered(torch.ones(2, 3, 16, 24))[track.where.expand(-1, 3, -1, -1)].sum() == 0
