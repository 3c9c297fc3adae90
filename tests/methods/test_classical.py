"""Telea, Navier-Stokes, harmonic, temporal median and flow median."""

from typing import Any

import pytest
import torch

from tests.ops.scene import box, constant_flow, psnr, sliding, texture
from vidinternal.core.contracts import FitContext, FitResult, FlowField, InpaintTask
from vidinternal.methods import card, inpaint_method
from vidinternal.ops.harmonic import harmonic_fill
from vidinternal.ops.spatial_fill import spatial_fill

SINGLE = ("telea", "navier_stokes", "harmonic")
ALL = (*SINGLE, "temporal_median", "flow_median")


def fill(name: str, task: InpaintTask, **settings: Any) -> FitResult:
    context = FitContext(seed=0, device=torch.device("cpu"))
    return inpaint_method(name).fill(task, card(name, "inpaint").config(**settings), context)


def passing(step: int = 0, count: int = 7) -> tuple[torch.Tensor, torch.Tensor]:
    """A scene that slides or stands still, behind a hole that passes."""
    masks = torch.zeros((count, 1, 40, 60), dtype=torch.bool)
    for t in range(count):
        masks[t, :, 12:24, 4 + 7 * t : 13 + 7 * t] = True
    return sliding(count, 40, 60, (step, 0)), masks


@pytest.mark.parametrize("name", ALL)
def test_known_pixels_stay_and_hidden_ones_are_never_read(name: str) -> None:
    truth, masks = passing(1)
    one = fill(name, InpaintTask(truth, masks))
    two = fill(name, InpaintTask(truth.masked_fill(masks, 0.9), masks))
    assert torch.equal(one.frames, two.frames)
    assert torch.equal(one.frames[~masks.expand_as(truth)], truth[~masks.expand_as(truth)])
    assert one.stopped == "done"
    assert one.iterations == 0


@pytest.mark.parametrize("name", ALL)
def test_without_a_hole_nothing_changes(name: str) -> None:
    frames = sliding(3, 24, 32)
    assert torch.equal(fill(name, InpaintTask(frames, torch.zeros((3, 1, 24, 32), dtype=torch.bool))).frames, frames)


@pytest.mark.parametrize("name", ALL)
def test_progress_ends_at_one(name: str) -> None:
    truth, masks = passing()
    told: list[float] = []
    context = FitContext(seed=0, device=torch.device("cpu"), progress=lambda share, _: told.append(share))
    inpaint_method(name).fill(InpaintTask(truth, masks), card(name, "inpaint").config(), context)
    assert told == sorted(told)
    assert told[-1] == 1.0


@pytest.mark.parametrize("name", ["telea", "navier_stokes"])
def test_the_radius_is_used(name: str) -> None:
    truth, masks = passing()
    task = InpaintTask(truth, masks)
    assert torch.equal(fill(name, task, radius=7.0).frames, spatial_fill(truth, masks, name, 7.0))  # pyright: ignore[reportArgumentType]
    assert not torch.equal(fill(name, task).frames, fill(name, task, radius=7.0).frames)


def test_harmonic_is_the_harmonic_fill() -> None:
    truth, masks = passing()
    assert torch.equal(fill("harmonic", InpaintTask(truth, masks)).frames, harmonic_fill(truth, masks))


def test_a_still_background_comes_back_exactly() -> None:
    truth, masks = passing()
    result = fill("temporal_median", InpaintTask(truth, masks))
    assert torch.equal(result.frames, truth)
    assert "0.0% of the hole" in result.notes[0]


def test_a_passer_by_who_is_not_masked_loses_the_vote() -> None:
    truth, masks = passing()
    frames = truth.clone()
    frames[3, :, 14:20, 8:12] = 1.0  # in one frame only; the hole of frame 0 hides this place
    result = fill("temporal_median", InpaintTask(frames, masks))
    assert torch.equal(result.frames[0], truth[0])


@pytest.mark.parametrize("kind", ["telea", "harmonic", "navier_stokes"])
def test_places_that_no_frame_shows_are_filled_as_chosen(kind: str) -> None:
    frames, masks = sliding(4, 24, 32, (0, 0)), box(4, 24, 32, slice(5, 12), slice(6, 15))
    for name in ("temporal_median", "flow_median"):
        result = fill(name, InpaintTask(frames, masks), leftovers=kind)
        assert torch.equal(result.frames, spatial_fill(frames, masks, kind))  # pyright: ignore[reportArgumentType]
        assert f"100.0% of the hole is shown by no {'path' if 'flow' in name else 'frame'}" in result.notes[0]
        assert kind in result.notes[0]


def exact(step: int, masks: torch.Tensor) -> dict[int, FlowField]:
    height, width = masks.shape[-2:]
    return {s: FlowField(constant_flow(len(masks), height, width, -step * s, 0), ~masks, s) for s in (1, -1)}


def test_the_median_along_the_motion_shows_what_moves() -> None:
    truth, masks = passing(2)
    along = fill("flow_median", InpaintTask(truth, masks, exact(2, masks)))
    assert torch.allclose(along.frames, truth, atol=1e-4)
    still = fill("temporal_median", InpaintTask(truth, masks))
    assert psnr(still.frames, truth, masks) < 25


def test_flow_is_estimated_where_none_is_given() -> None:
    truth, masks = passing(2)
    result = fill("flow_median", InpaintTask(truth, masks), ring=5)
    assert psnr(result.frames, truth, masks) > psnr(harmonic_fill(truth, masks), truth, masks) + 3


def test_one_frame_gone_wrong_loses_the_vote_along_the_motion() -> None:
    truth, masks = passing(2)
    frames = truth.clone()
    frames[4] = texture(40, 60, seed=9)
    result = fill("flow_median", InpaintTask(frames, masks, exact(2, masks)))
    first = masks.clone()
    first[1:] = False
    assert psnr(result.frames, truth, first) > 30


def test_only_so_many_neighbours_are_asked() -> None:
    frames, masks = sliding(5, 24, 40, (0, 0)), box(5, 24, 40, slice(8, 14), slice(8, 14))
    masks[4] = False
    notes = [fill("flow_median", InpaintTask(frames, masks, exact(0, masks)), neighbours=k).notes[0] for k in (1, 4)]
    assert notes[0].startswith("75.0%")
    assert notes[1].startswith("0.0%")


def test_both_directions_of_time_vote() -> None:
    frames = torch.tensor([0.2, 0.5, 0.6]).view(3, 1, 1, 1).expand(3, 3, 20, 20)
    masks = box(3, 20, 20, slice(8, 12), slice(8, 12))
    masks[[0, 2]] = False
    result = fill("flow_median", InpaintTask(frames, masks, exact(0, masks)), neighbours=1)
    assert (result.frames[1, :, 8:12, 8:12] == 0.2).all()  # the lower middle of both, not what came last
    late = InpaintTask(frames.flip(0), masks, exact(0, masks))
    assert (fill("flow_median", late, neighbours=1).frames[1, :, 8:12, 8:12] == 0.2).all()
