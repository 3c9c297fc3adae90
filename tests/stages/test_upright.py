"""Masks, regions and learning go by the picture as it is shown; what is written stays as it is stored."""

import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests import media_made
from tests.report.pages import Page
from tests.stages.turned import fill, job_of, made_of, matrix_of, planes_of, with_matrix
from vidinternal.core.errors import MaskError
from vidinternal.media.composite import touched
from vidinternal.media.decode import ClipReader
from vidinternal.media.orientation import Orientation, orientation
from vidinternal.media.picture import picture_format
from vidinternal.media.probe import probe
from vidinternal.media.source_facts import source_facts
from vidinternal.report.before_after import frame_picture
from vidinternal.report.run_page import write_run_page
from vidinternal.runner.compare import compare
from vidinternal.runner.dry_run import dry_run
from vidinternal.runner.run import run_job

EIGHT = [Orientation(turns, mirrored) for turns, mirrored in itertools.product(range(4), (False, True))]
PLAIN = media_made.Recipe("plain.mkv", size=(56, 40), frames=6, pix_fmt="yuv444p")
REGION = "8,6,13,10"


@pytest.mark.parametrize(
    ("turn", "method"), [*((t, "harmonic") for t in EIGHT), *((EIGHT[k], "propagation") for k in (3, 6))], ids=str
)
def test_a_turned_clip_is_filled_as_the_upright_one_is(turn: Orientation, method: str, tmp_path: Path) -> None:
    """What a method does to a clip that is stored turned is, turned back, what it does to one stored upright."""
    stored = [p.planes for p in media_made.pictures(PLAIN)]
    upright = [tuple(np.ascontiguousarray(turn.upright(p)) for p in planes) for planes in stored]
    first = made_of(tmp_path / "plain.mkv", PLAIN, stored)
    clip = with_matrix(first, tmp_path / "turned.mkv", matrix_of(turn))
    assert orientation(probe(clip)) == turn
    sets = (f"inpaint.method={method}",)
    result = fill(clip, REGION, sets=sets)
    straight = fill(made_of(tmp_path / "straight.mkv", PLAIN, upright), REGION, sets=sets)
    changed = 0
    for ours, theirs, before in zip(
        planes_of(result.destination), planes_of(straight.destination), upright, strict=True
    ):
        for mine, wanted, old in zip(ours, theirs, before, strict=True):
            np.testing.assert_array_equal(turn.upright(mine), wanted)
            changed += int((wanted != old).sum())
    assert changed > 0
    assert source_facts(probe(result.destination)).display_matrix == source_facts(probe(clip)).display_matrix


@pytest.mark.parametrize("turn", EIGHT, ids=str)
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p10le"])
def test_a_mask_drawn_on_the_shown_picture_changes_nothing_else(
    turn: Orientation, pix_fmt: str, tmp_path: Path
) -> None:
    plain = media_made.clip(tmp_path / "plain.mkv", size=(53, 39), frames=3, pix_fmt=pix_fmt)
    clip = with_matrix(plain, tmp_path / "turned.mkv", matrix_of(turn))
    mask = np.zeros(turn.size(53, 39)[::-1], dtype=bool)
    mask[5:14, 9:30] = True
    assert cv2.imwrite(str(tmp_path / "mask.png"), mask.astype(np.uint8) * 255)
    result = fill(clip, mask=tmp_path / "mask.png", sets=("inpaint.method=harmonic",))
    allowed = touched(turn.stored(mask), picture_format(pix_fmt))
    for before, after in zip(planes_of(clip), planes_of(result.destination), strict=True):
        for old, new, where in zip(before, after, allowed, strict=True):
            assert (old[~where] == new[~where]).all()
            assert (old[where] != new[where]).any()
    judged = compare(result.destination, clip, tmp_path / "mask.png")
    assert judged.untouched is not None
    assert judged.untouched.changed == 0
    assert judged.hole is not None
    assert judged.hole.pixels == 3 * 9 * 21


def test_what_methods_see_does_not_hang_on_what_is_under_the_mask(tmp_path: Path) -> None:
    """Chroma that is subsampled along one side only reaches the other way in a picture turned by a quarter.

    A sample of chroma that is half covered stays half known; brightness must not tell what was under the mask.
    """
    turn = Orientation(1)
    results = []
    for name, seed in (("a", 0), ("b", 77)):
        recipe = media_made.Recipe("x.mkv", size=(64, 32), frames=2, pix_fmt="yuv422p")
        planes = [p.planes for p in media_made.pictures(recipe)]
        scribble = np.random.default_rng(seed).integers(16, 236, (32, 64), dtype=np.uint8)
        hole = np.zeros(turn.size(64, 32)[::-1], dtype=bool)
        hole[20:31, 8:17] = True
        where = touched(turn.stored(hole), picture_format("yuv422p"))
        for picture in planes:
            for plane, under in zip(picture, where, strict=True):
                plane[under] = scribble[: plane.shape[0], : plane.shape[1]][under]
        clip = with_matrix(
            made_of(tmp_path / f"{name}_.mkv", recipe, planes), tmp_path / f"{name}.mkv", matrix_of(turn)
        )
        results.append(planes_of(fill(clip, "8,20,9,11", sets=("inpaint.method=harmonic",)).destination))
    luma = [np.stack([p[0] for p in planes]) for planes in results]
    np.testing.assert_array_equal(luma[0], luma[1])


def test_a_region_outside_the_shown_picture_is_refused_with_its_size(tmp_path: Path) -> None:
    clip = media_made.clip(tmp_path / "a.mp4", size=(96, 64), frames=2, rotation=90, **media_made._X264)
    with pytest.raises(MaskError, match=r"(?s)inside the 64x96 picture, turned by 90 degrees.*x=70"):
        fill(clip, "60,4,10,12")


def test_reports_show_the_picture_upright(tmp_path: Path) -> None:
    plain = media_made.clip(tmp_path / "plain.mkv", size=(96, 48), frames=4)
    clip = with_matrix(plain, tmp_path / "turned.mkv", matrix_of(Orientation(1)))
    assert frame_picture(ClipReader(probe(clip)), 0).shape == (96, 48, 3)
    job = job_of(clip, REGION, sets=("inpaint.method=propagation",))
    assert dry_run(job).windows[0].share == pytest.approx(13 * 10 / (96 * 48))
    fill(clip, REGION, sets=("inpaint.method=propagation",))
    write_run_page(job, run_job(job), tmp_path / "page.html")
    assert Page(tmp_path / "page.html").json("facts")["size"] == [48, 96]


@pytest.mark.parametrize(("degrees", "told"), [(7.0, True), (0.05, False)])
def test_a_tilt_is_told_and_kept(degrees: float, told: bool, tmp_path: Path) -> None:
    c, s = (round(float(f(np.radians(degrees))) * (1 << 16)) for f in (np.cos, np.sin))
    plain = media_made.clip(tmp_path / "plain.mp4", frames=2, **media_made._X264)
    matrix = (c, s, 0, -s, c, 0, 0, 0, 1 << 30)
    clip = with_matrix(plain, tmp_path / "tilted.mp4", matrix)
    result = fill(clip, REGION, sets=("inpaint.method=harmonic", "encode.codec=h264", "encode.lossless=true"))
    notes = " ".join(result.record["notes"])
    assert ("tilt the picture by +7.0 degrees" in notes) == told
