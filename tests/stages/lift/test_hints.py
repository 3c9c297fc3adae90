"""What a person pointed at, as hints: where inside, where outside, where nobody said."""

from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import pytest
from torch import Tensor

from tests import media_made
from vidinternal.core.errors import MaskError
from vidinternal.core.timecode import parse_region
from vidinternal.media.probe import probe
from vidinternal.stages.base import JobInputs
from vidinternal.stages.lift.hints import JobHints


def film(folder: Path, frames: int) -> Path:
    return media_made.clip(folder / "clip.mkv", size=(32, 24), frames=frames, pix_fmt="yuv444p")


def hinted(tmp_path: Path, task: str, **given: Any) -> JobHints:
    clip = film(tmp_path, 4)
    return JobHints(JobInputs(clip, tmp_path / "out.mkv", **given), probe(clip), task)


def picture(path: Path, drawn: np.ndarray) -> Path:
    cv2.imwrite(str(path), drawn)
    return path


def test_holes_are_hints_of_one_and_zero(tmp_path: Path) -> None:
    mask = np.zeros((24, 32), np.uint8)
    mask[3:6, 4:9] = 255
    hints = hinted(
        tmp_path, "restore", mask=picture(tmp_path / "m.png", mask), regions=(parse_region("20,10,5,4@2-3"),)
    )
    hints.check()
    told = cast(Tensor, hints.frames(0, 4))
    assert told.shape == (4, 1, 24, 32)
    assert [float(t.sum()) for t in told] == [15, 15, 35, 15]
    assert hinted(tmp_path, "restore").frames(0, 4) is None


def test_objects_speak_of_their_frame_and_regions_of_their_first(tmp_path: Path) -> None:
    hints = hinted(
        tmp_path,
        "segment",
        objects=("box=8,6,12,10@1", "point=12,10@1"),
        regions=(parse_region("2,2,20,18@2-4"),),
    )
    hints.check()
    assert hints.frames(0, 1) is None
    told = cast(Tensor, hints.frames(1, 4))
    assert told[0, 0, 0, 0] == 0 and told[0, 0, 10, 12] == 1 and bool(told[0, 0, 7, 18].isnan())
    assert told[1, 0, 0, 0] == 0 and bool(told[1, 0, 10, 10].isnan())
    assert bool(told[2].isnan().all())


def test_a_still_mask_speaks_of_the_first_frame_to_segment(tmp_path: Path) -> None:
    mask = np.zeros((24, 32), np.uint8)
    mask[3:6, 4:9] = 255
    hints = hinted(tmp_path, "segment", mask=picture(tmp_path / "m.png", mask))
    told = cast(Tensor, hints.frames(0, 2))
    assert float(told[0].sum()) == 15 and not bool(told[0].isnan().any())
    assert bool(told[1].isnan().all())


@pytest.mark.parametrize(
    ("task", "given"),
    [
        ("segment", {"objects": ("box=20,6,20,10",)}),
        ("segment", {"objects": ("point=12,10@9",)}),
        ("segment", {"objects": ("point=12,10", "not=12,10")}),
        ("restore", {"regions": (parse_region("20,10,50,4"),)}),
        ("restore", {"mask": "black.png"}),
        ("restore", {"mask": "small.png"}),
        ("restore", {"mask": "nothing.png"}),
    ],
)
def test_hints_that_cannot_be_are_refused_before_any_work(task: str, given: dict[str, Any], tmp_path: Path) -> None:
    picture(tmp_path / "black.png", np.zeros((24, 32), np.uint8))
    picture(tmp_path / "small.png", np.full((10, 10), 255, np.uint8))
    own = {k: tmp_path / v if k == "mask" else v for k, v in given.items()}
    with pytest.raises(MaskError):
        hinted(tmp_path, task, **own).check()
