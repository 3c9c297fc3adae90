"""A half-transparent overlay under a mask that a person gave."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.media_made import Recipe, make, pictures
from vidinternal.core.clip import Window
from vidinternal.core.timecode import parse_region
from vidinternal.media.picture import NativeFrame
from vidinternal.media.probe import probe
from vidinternal.runner.spec import load_pipeline
from vidinternal.stages.artifacts import MaskTrack
from vidinternal.stages.base import JobInputs, StageContext
from vidinternal.stages.decode import FrameSource

RECIPE = Recipe("clip.mkv", size=(128, 96), frames=12)
ROWS, COLS = slice(56, 72), slice(16, 112)


def track(folder: Path, cover: float, *settings: str) -> tuple[MaskTrack, FrameSource]:
    """The masks of a region over a grey box that hides ``cover`` of a moving picture."""
    natives = []
    for native in pictures(RECIPE):
        planes = [p.copy() for p in native.planes]
        for plane, grey, shift in zip(planes, (40, 128, 128), (0, 1, 1), strict=True):
            place = tuple(slice(s.start >> shift, s.stop >> shift) for s in (ROWS, COLS))
            plane[place] = np.round((1 - cover) * plane[place] + cover * grey)
        natives.append(NativeFrame(tuple(planes), native.pts, native.duration, native.index))
    info = probe(make(RECIPE, folder, natives))
    stage = load_pipeline("inpaint", ("masks.context=48", *settings)).stage("masks")
    assert stage is not None
    job = JobInputs(info.path, folder / "out.mkv", regions=(parse_region("16,56,96,16"),))
    window, frames = Window(0, 0, 0, RECIPE.frames, 0), FrameSource(info)
    context = StageContext(job=job, info=info, device=torch.device("cpu"), window=window)
    return stage.run({"frames": frames, "found": None}, context)["masks"], frames


def truth(folder: Path, box: tuple[int, int, int, int]) -> torch.Tensor:
    return FrameSource(probe(make(RECIPE, folder))).rgb(0, RECIPE.frames, box)


def test_asked_for_it_comes_off_and_the_rest_is_filled(tmp_path: Path) -> None:
    made, frames = track(tmp_path, 0.5, "masks.unblend=auto")
    assert made.recovered is not None and made.where is not None and made.box is not None
    clean = tmp_path / "clean"
    clean.mkdir()
    true = truth(clean, made.box)
    inside = made.where.expand_as(true)
    error = float((made.recovered - true)[inside].square().mean().sqrt())
    shown = float((frames.rgb(0, RECIPE.frames, made.box) - true)[inside].square().mean().sqrt())
    assert error < 0.4 * shown
    y0, y1, x0, x1 = made.box
    assert int(made.where.sum()) > 0.6 * int(made.masks[..., y0:y1, x0:x1].sum())


@pytest.mark.parametrize("unblend", ["found", "off"])
def test_unless_asked_for_what_is_under_a_given_mask_stays_unseen(unblend: str, tmp_path: Path) -> None:
    made, _ = track(tmp_path, 0.5, f"masks.unblend={unblend}")
    assert made.recovered is None


@pytest.mark.parametrize("cover", [0.0, 1.0])
def test_plain_picture_and_solid_things_are_filled_all_the_same(cover: float, tmp_path: Path) -> None:
    made, _ = track(tmp_path, cover, "masks.unblend=auto")
    assert made.recovered is None or made.where is None or not made.where.any()
