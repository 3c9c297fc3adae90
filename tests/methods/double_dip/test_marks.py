"""A mark shared by several pictures: found, measured, taken off."""

import pytest
import torch

from tests.methods.double_dip.pictures import mark, marked, plain
from vidinternal.core.budget import Budget
from vidinternal.core.contracts import FitContext
from vidinternal.core.stop import Interrupted
from vidinternal.methods.double_dip.marks import Mark, around, measured, steady_region, unlike
from vidinternal.ops.measures import psnr

CONTEXT = FitContext(seed=0, device=torch.device("cpu"))
PICTURES = torch.cat([plain(k, cells=4 + k) for k in range(8)])
SEEN = marked(PICTURES, mark())


def test_what_all_pictures_have_in_common_is_found_and_nothing_else() -> None:
    region = steady_region(SEEN)
    assert region is not None
    assert bool(region[mark() > 0].all())
    assert float(region.float().mean()) < 0.35
    assert steady_region(PICTURES) is None, "nothing in common"
    still = SEEN[:1].expand(5, -1, -1, -1)
    found = steady_region(still)
    assert found is None or not unlike(still, found), "what stands still is no mark"


def test_a_mark_is_measured_and_comes_off() -> None:
    region = steady_region(SEEN)
    assert region is not None
    found, steps = measured(SEEN, region, CONTEXT, 60)
    assert steps == 180
    where = (mark() > 0).expand(len(SEEN), -1, -1, -1)
    assert psnr(found.off(SEEN, 0.05), PICTURES, where) > psnr(SEEN, PICTURES, where) + 8
    assert not bool(found.mask[~region].any()), "nothing is changed outside the region"
    dark = marked(PICTURES, mark(opacity=0.6), colour=0.05)
    other, _ = measured(dark, region, CONTEXT, 60)
    assert psnr(other.off(dark, 0.05), PICTURES, where) > psnr(dark, PICTURES, where) + 8


def test_measuring_ends_in_time_and_hears_who_asks_to_stop() -> None:
    region = mark() > 0
    _, steps = measured(SEEN, region, FitContext(0, torch.device("cpu"), Budget(0.0)), 10_000)
    assert steps == 3, "one step of each fit"

    class Stopped:
        def load(self, piece: str, fits: str) -> None:
            del piece, fits

        def save(self, piece: str, fits: str, state: object) -> None:
            del piece, fits, state

        def offer(self, piece: str, fits: str, state: object) -> None:
            del piece, fits, state
            raise Interrupted("asked to stop")

    with pytest.raises(Interrupted):
        measured(SEEN, region, FitContext(0, torch.device("cpu"), checkpoint=Stopped()), 10)


def test_marks_come_off_exactly_where_they_are_known() -> None:
    exact = Mark(mark(), torch.full((1, 3, 48, 72), 0.95))
    off = exact.off(SEEN, 0.05)
    assert float((off - PICTURES).abs().max()) <= 2.5 / 255 + 1e-6
    assert torch.equal(off[(mark() == 0).expand_as(off)], SEEN[(mark() == 0).expand_as(off)])
    nowhere = torch.zeros(len(SEEN), 1, 48, 72, dtype=torch.bool)
    assert torch.equal(exact.off(SEEN, 0.05, nowhere), SEEN)
    assert torch.equal(exact.off(SEEN, 0.99), SEEN), "too faint to be touched"


def test_frames_that_show_less_of_the_mark_or_none_are_given_back_by_as_much() -> None:
    exact = Mark(mark(), torch.full((1, 3, 48, 72), 0.95))
    faded = torch.cat((SEEN[:2], marked(PICTURES[2:3], 0.5 * mark()), PICTURES[3:4]))
    assert exact.shown(faded).tolist() == [1.0, 1.0, 0.5, 0.0]
    off = exact.off(faded, 0.05)
    assert torch.equal(off[3], PICTURES[3]), "no mark, no change"
    assert float((off - PICTURES[:4]).abs().max()) <= 2.5 / 255 + 1e-6
    nothing = Mark(torch.zeros(1, 1, 48, 72), torch.zeros(1, 3, 48, 72))
    assert torch.equal(nothing.off(SEEN, 0.05), SEEN)


def test_large_pictures_are_searched_small() -> None:
    large = torch.nn.functional.interpolate(SEEN, scale_factor=16, mode="nearest")
    region = steady_region(large)
    assert region is not None and region.shape[-2:] == large.shape[-2:]
    drawn = torch.nn.functional.interpolate(mark(), scale_factor=16, mode="nearest") > 0
    assert float(region[drawn].float().mean()) > 0.95


def test_what_lets_nothing_through_is_filled_from_around() -> None:
    even = torch.full((2, 3, 48, 72), 0.4)
    opaque = Mark((mark(opacity=1.0) > 0).float(), torch.full((1, 3, 48, 72), 0.95))
    covered = torch.where(mark() > 0, torch.tensor(0.95), even)
    assert torch.allclose(opaque.off(covered, 0.05), even, atol=1e-4)


def test_clipped_pixels_are_filled_not_solved_for() -> None:
    even = torch.full((2, 3, 48, 72), 0.4)
    seen = marked(even, mark())
    seen[..., 20:28, 22:26] = 1.0  # burnt out under the mark
    off = Mark(mark(), torch.full((1, 3, 48, 72), 0.95)).off(seen, 0.05)
    assert torch.allclose(off[..., 23:25, 23:25], even[..., :2, :2], atol=0.02)


def test_dark_marks_are_as_strong_as_bright_ones() -> None:
    bright, dark = (Mark(mark(), torch.full((1, 3, 48, 72), c)).strength() for c in (0.95, 0.05))
    assert torch.allclose(bright, dark)


def test_a_region_grows_by_its_margin_and_stays_inside() -> None:
    region = torch.zeros(100, 200, dtype=torch.bool)
    region[40:60, 100:180] = True
    assert around(region, 0.5) == (slice(24, 76), slice(60, 200))
    region[0, 0] = True
    assert around(region, 0.0, 0) == (slice(0, 60), slice(0, 180))
    assert not unlike(SEEN, torch.zeros(8, 1, 48, 72, dtype=torch.bool))
    assert unlike(SEEN, mark().expand(8, -1, -1, -1) > 0)
