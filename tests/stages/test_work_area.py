"""Beside a mask the luma is known, and no chroma of what is under the mask is seen."""

from __future__ import annotations

import torch
from torch import Tensor

from vidinternal.stages.artifacts import MaskTrack
from vidinternal.stages.work_area import blind, luma_of_edge

WEIGHTS = 0.2126, 0.0722


def masks() -> Tensor:
    where = torch.zeros(2, 1, 24, 32, dtype=torch.bool)
    where[..., 8:14, 10:20] = True
    return where


def rgb(luma: Tensor, red: float, blue: float) -> Tensor:
    """``T 3 h w`` with a brightness and even colour differences."""
    kr, kb = WEIGHTS
    green = (luma - kr * (luma + red) - kb * (luma + blue)) / (1 - kr - kb)
    return torch.cat((luma + red, green, luma + blue), dim=1)


def test_luma_stays_and_chroma_comes_from_near() -> None:
    luma = 0.3 + 0.3 * torch.rand(2, 1, 24, 32, generator=torch.Generator().manual_seed(0))
    clean, wide = rgb(luma, 0.05, -0.08), blind(masks(), "yuv420p")
    tinted = torch.where(wide, rgb(luma, 0.3, 0.2), clean)
    made = luma_of_edge(tinted, luma, masks(), wide, WEIGHTS)
    edge = (wide & ~masks()).expand_as(made)
    assert edge.any() and torch.allclose(made[edge], clean[edge], atol=1e-5)
    same = ~(wide & ~masks()).expand_as(made)
    assert torch.equal(made[same], tinted[same])


def test_nothing_hangs_on_what_was_there() -> None:
    luma, wide = torch.full((2, 1, 24, 32), 0.5), blind(masks(), "yuv420p")
    clean = rgb(luma, 0.0, 0.0)
    made = [
        luma_of_edge(torch.where(wide, torch.full_like(clean, v), clean), luma, masks(), wide, WEIGHTS) for v in (0, 1)
    ]
    shown = ~masks().expand_as(clean)
    assert torch.equal(made[0][shown], made[1][shown])


def test_where_no_chroma_is_known_there_is_none() -> None:
    luma = torch.full((2, 1, 24, 32), 0.4)
    everywhere = torch.ones(2, 1, 24, 32, dtype=torch.bool)
    made = luma_of_edge(rgb(luma, 0.1, 0.1), luma, masks(), everywhere, WEIGHTS)
    assert torch.allclose(made[~masks().expand_as(made)], torch.tensor(0.4), atol=1e-6)


def test_masked_pixels_on_a_bar_are_known_and_the_others_are_filled() -> None:
    track = MaskTrack(masks(), (4, 20, 4, 28)).with_bars((0, 8, 0, 0), torch.zeros(3))
    assert track.bars == (0, 8, 0, 0) and track.where is not None and track.seen is not None
    assert track.where[..., 8:, :].equal(masks()[..., 12:20, 4:28]) and not track.where[..., :8, :].any()
    assert track.to_fill().sum() == 2 * 4 * 10
    assert track.with_recovered(torch.ones(2, 3, 16, 24))[track.where.expand(-1, 3, -1, -1)].sum() == 0
