"""Black bars: found to the row under text and ringing, not where there are none, and mirrored away."""

from __future__ import annotations

import pytest
import torch

from vidinternal.core.errors import UsageError
from vidinternal.ops.bars import NO_BARS, Bars, find_bars, inside, without_bars


def film(bars: Bars, height: int = 60, width: int = 80) -> torch.Tensor:
    made = torch.rand(4, 3, height, width, generator=torch.Generator().manual_seed(0)) * 0.6 + 0.3
    rows, columns = inside(bars, height, width)
    barred = torch.zeros_like(made)
    barred[..., rows, columns] = made[..., rows, columns]
    return barred


def nothing(frames: torch.Tensor) -> torch.Tensor:
    return torch.zeros(len(frames), 1, *frames.shape[-2:], dtype=torch.bool)


@pytest.mark.parametrize("bars", [(9, 13, 0, 0), (0, 0, 5, 11), (0, 12, 0, 0), (4, 4, 6, 6)])
def test_bars_are_found_to_the_row(bars: Bars) -> None:
    found, colour = find_bars(film(bars), nothing(film(bars)))
    assert found == bars
    assert torch.equal(colour, torch.zeros(3))


def test_text_across_the_edge_does_not_hide_it() -> None:
    frames = film((0, 20, 0, 0))
    masks = nothing(frames)
    masks[..., 35:45, 20:60] = True
    frames[..., 35:45, 20:60] = 1.0
    assert find_bars(frames, masks)[0] == (0, 20, 0, 0)


def test_ringing_beside_the_picture_belongs_to_the_bar_and_a_bright_row_does_not() -> None:
    frames = film((0, 20, 0, 0))
    frames[..., 40:44, :] = 10 / 255
    assert find_bars(frames, nothing(frames))[0] == (0, 20, 0, 0)
    frames[..., 40:44, :] = 40 / 255
    assert find_bars(frames, nothing(frames))[0] == (0, 16, 0, 0)


def test_a_picture_without_bars_and_a_black_one_have_none() -> None:
    frames = film(NO_BARS)
    assert find_bars(frames, nothing(frames))[0] == NO_BARS
    assert find_bars(torch.zeros_like(frames), nothing(frames))[0] == NO_BARS
    assert find_bars(frames, ~nothing(frames))[0] == NO_BARS


def test_a_bar_that_comes_and_goes_is_none() -> None:
    frames = film((0, 20, 0, 0))
    frames[2] = film(NO_BARS)[2]
    assert find_bars(frames, nothing(frames))[0] == NO_BARS


def test_the_picture_goes_on_as_in_a_mirror() -> None:
    values = torch.arange(8.0).view(1, 1, 8, 1).expand(1, 1, 8, 6)
    mirrored = without_bars(values, (2, 3, 0, 0))
    assert mirrored[0, 0, :, 0].tolist() == [3, 2, 2, 3, 4, 4, 3, 2]
    assert torch.equal(without_bars(values, NO_BARS), values)
    assert without_bars(values > 3, (2, 3, 1, 2)).dtype == torch.bool


def test_bars_over_everything_are_refused() -> None:
    with pytest.raises(UsageError):
        without_bars(torch.zeros(1, 1, 8, 6), (4, 4, 0, 0))
