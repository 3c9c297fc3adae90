"""What ``--mask`` and ``--region`` mean beside a search for burnt-in text: one adds, the other narrows."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from tests.methods.subtitles.made import SIZE, done, find, laid, letters, moving
from tests.runner.test_beside import EVENT, events, job, luma
from vidinternal.core.errors import MaskError
from vidinternal.core.finding import EXTENTS, SpanRequest
from vidinternal.core.timecode import Region, parse_region
from vidinternal.methods import mask_method
from vidinternal.methods.subtitles.config import Config
from vidinternal.runner.job import Job
from vidinternal.runner.run import run_job

CORNER = (slice(2, 12), slice(2, 14))


def lossless(asked: Job, *sets: str) -> Job:
    return replace(asked, sets=(*asked.sets, "encode.codec=ffv1", *sets))


def corner(folder: Path) -> Path:
    mask = np.zeros((64, 96), np.uint8)
    mask[CORNER] = 255
    cv2.imwrite(str(folder / "mask.png"), mask)
    return folder / "mask.png"


def changed(folder: Path, result: Path) -> np.ndarray:
    """``T H W`` bool: luma samples that differ from the film's."""
    return luma(folder / "film.mkv") != luma(result)


def test_a_mask_is_filled_beside_the_text_that_was_found(tmp_path: Path) -> None:
    asked = lossless(job(tmp_path, mask=corner(tmp_path), events=events(tmp_path, EVENT)))
    different = changed(tmp_path, run_job(asked).destination)
    assert different[(slice(None), *CORNER)].any(axis=(1, 2)).all(), "the mask holds in every frame"
    text = different.copy()
    text[(slice(None), *CORNER)] = False
    assert text[4:8].any(axis=(1, 2)).all()
    assert not text[:4].any() and not text[8:].any(), "text only while it is shown"


def test_a_mask_is_filled_where_no_text_was_found_and_that_is_said(tmp_path: Path) -> None:
    result = run_job(lossless(job(tmp_path, mask=corner(tmp_path), events=events(tmp_path))))
    different = changed(tmp_path, result.destination)
    assert different[(slice(None), *CORNER)].any(axis=(1, 2)).all()
    different[(slice(None), *CORNER)] = False
    assert not different.any()
    assert any("only what the mask covers is removed" in n for n in result.record["notes"])
    assert not any("nothing to remove" in n for n in result.record["notes"])


def test_a_region_is_no_mask_and_beside_an_events_file_it_is_told_to_mean_nothing(tmp_path: Path) -> None:
    regions = (parse_region("2,2,12,10"),)
    result = run_job(lossless(job(tmp_path, regions=regions, events=events(tmp_path, EVENT))))
    different = changed(tmp_path, result.destination)
    assert not different[(slice(None), *CORNER)].any()
    assert different[4:8].any(axis=(1, 2)).all()
    assert any(n.startswith("--region: nothing to narrow") for n in result.record["notes"])


def test_a_region_outside_the_picture_is_refused_for_a_search_too(tmp_path: Path) -> None:
    asked = job(tmp_path, regions=(parse_region("2,2,200,10"),), events=events(tmp_path, EVENT))
    with pytest.raises(MaskError, match="a rectangle inside the 96x64 picture"):
        run_job(asked)


@pytest.mark.parametrize("rows", [60, 120])
def test_a_region_narrows_the_search_and_draws_nothing(rows: int) -> None:
    pictures = moving(24)
    laid(pictures, letters("Where is it?", (60, 160)), 6, 18)
    clip = done(pictures)
    low = Region(0, SIZE[0] - rows, SIZE[1], rows)
    found, told = find(clip, regions=(low,))
    assert len(told) == 1
    none = torch.zeros(len(clip), 1, *clip.size, dtype=torch.bool)
    drawn = none.clone()
    drawn[:, :, low.y :, :] = True
    request = SpanRequest(range(len(clip)), clip, none, none)
    method, config = mask_method("subtitles"), Config(detector="temporal")
    masks = method.masks(found, request, config).masks
    assert masks.any() and not masks.all()
    assert torch.equal(method.masks(found, replace(request, drawn=drawn), config).masks, masks)
    assert torch.equal(method.masks(found, replace(request, given=drawn), config).masks, masks | drawn)


def test_what_is_known_of_the_masks_before_they_are_drawn_bounds_a_given_one_too(tmp_path: Path) -> None:
    pictures = moving(16)
    clip = done(pictures)
    asked = {"events": events(tmp_path), "mask": True}
    found, told = find(clip, **asked)
    assert not told
    assert found.arrays[EXTENTS].tolist() == [[0, SIZE[0], 0, SIZE[1]]] * 16
    nothing, _ = find(clip, events=asked["events"])
    assert nothing.arrays[EXTENTS].tolist() == [[SIZE[0], 0, SIZE[1], 0]] * 16
