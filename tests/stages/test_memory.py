"""What fits into the memory allowed, decided from numbers alone."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vidinternal.core.clip import ClipInfo
from vidinternal.core.errors import ResourceError
from vidinternal.core.timecode import parse_region
from vidinternal.stages.artifacts import MaskTrack
from vidinternal.stages.base import JobInputs
from vidinternal.stages.memory import LEAST_FRAMES, SCALES, Extents, MemoryPlan, window_length

GIB = 1 << 30


def plan(limit: float = 4, size: tuple[int, int] = (1920, 1080), **more: Any) -> MemoryPlan:
    given_: dict[str, Any] = {"bytes_per_pixel": 360, "margin": 64, **more}
    return MemoryPlan(int(limit * GIB), size[0] * size[1], **given_)


def info(width: int = 1920, height: int = 1080) -> ClipInfo:
    return ClipInfo(Path("clip.mkv"), width, height, "yuv420p", Fraction(1, 25), Fraction(25), None, None)


def extents(boxes: list[tuple[int, int, int, int]], size: tuple[int, int] = (1920, 1080)) -> Extents:
    return Extents(np.array(boxes), size[1], size[0])


@given(st.floats(1.5, 64), st.integers(1, 200), st.integers(64, 2160), st.integers(64, 3840))
def test_more_of_anything_needs_more_and_a_smaller_scale_less(limit: float, n: int, height: int, width: int) -> None:
    allowed = plan(limit, (3840, 2160), strides=3)
    needed = allowed.needed(n, height, width)
    assert needed < allowed.needed(n + 1, height, width) and needed < allowed.needed(n, height + 8, width)
    steps = [allowed.needed(n, height, width, s) for s in SCALES]
    assert steps == sorted(steps, reverse=True)


@given(st.floats(4, 40), st.integers(50, 1000), st.integers(50, 1800))
def test_the_length_is_the_most_that_fits_and_grows_with_the_allowance(limit: float, height: int, width: int) -> None:
    boxes = extents([(0, height, 0, width)] * 200)
    length = window_length(plan(limit), boxes, 80, 8)
    assert 8 + LEAST_FRAMES <= length <= 80
    area = min(1080, -(-(height + 64) // 8) * 8), min(1920, -(-(width + 64) // 8) * 8)
    assert length == 80 or not plan(limit).fits(length + 1, *area)
    assert length == 13 or plan(limit).fits(length, *area)
    assert window_length(plan(limit + 1), boxes, 80, 8) >= length


def test_a_small_hole_leaves_long_windows_and_no_hole_the_longest() -> None:
    whole = window_length(plan(9), Extents.unknown(100, info()), 80, 8)
    small = window_length(plan(9), extents([(900, 1000, 300, 900)] * 100), 80, 8)
    assert whole < small == 80
    assert window_length(plan(9), extents([(1080, 0, 1920, 0)] * 100), 80, 8) == 80


def test_a_hole_that_wanders_counts_with_all_the_places_it_has_in_a_window() -> None:
    still = extents([(500, 600, 100, 200)] * 160)
    moving = extents([(500, 600, 10 * k, 10 * k + 100) for k in range(160)])
    assert window_length(plan(3.5), moving, 80, 8) < window_length(plan(3.5), still, 80, 8)


def test_too_large_areas_are_shrunk_and_what_cannot_be_is_refused_with_what_would_do() -> None:
    large = info(3840, 2160)
    whole = Extents.unknown(100, large)
    tight = plan(12, (3840, 2160))
    assert window_length(tight, whole, 80, 8) == 13
    track = MaskTrack(torch.ones(13, 1, 4, 4, dtype=torch.bool), (0, 2160, 0, 3840))
    scale = tight.scale(track)
    assert scale < 1
    assert tight.fits(13, 2160, 3840, scale)
    assert plan(200, (3840, 2160)).scale(track) == 1.0
    with pytest.raises(ResourceError, match=r"--memory (\d+)M") as caught:
        window_length(plan(2, (3840, 2160)), whole, 80, 8)
    enough = int(caught.value.hint.split("--memory ")[1].split("M")[0]) / 1024
    assert window_length(plan(enough, (3840, 2160)), whole, 80, 8) == 13


def test_the_allowance_does_not_matter_where_everything_fits() -> None:
    assert not plan(80).matters(80, info())
    assert plan(4).matters(80, info())


def test_extents_are_those_of_the_regions_and_masks(tmp_path: Path) -> None:
    clip = info(64, 48)
    regions = (parse_region("10,4,8,6@2-5"), parse_region("30,20,4,4@4-9"))
    found = Extents.of(JobInputs(Path("a"), Path("b"), None, regions), clip, range(12)).boxes
    assert found[0, 1] == found[11, 1] == 0
    assert tuple(found[2]) == (4, 10, 10, 18)
    assert tuple(found[4]) == (4, 24, 10, 34)
    mask = np.zeros((48, 64), dtype=np.uint8)
    mask[40:44, 2:9] = 255
    cv2.imwrite(str(tmp_path / "m.png"), mask)
    both = Extents.of(JobInputs(Path("a"), Path("b"), tmp_path / "m.png", regions), clip, range(12)).boxes
    assert tuple(both[0]) == (40, 44, 2, 9)
    assert tuple(both[4]) == (4, 44, 2, 34)
    nothing_given = Extents.of(JobInputs(Path("a"), Path("b")), clip, range(3)).boxes
    assert [tuple(b) for b in nothing_given] == [(0, 48, 0, 64)] * 3
