"""Interlaced clips are filled field by field: as two instants that never meet, put back line for line."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests import media_made
from tests.report.pages import Page
from tests.stages.turned import fill, job_of, made_of, matrix_of, planes_of, with_matrix
from tests.woven import woven
from vidinternal.core.clip import ClipInfo
from vidinternal.core.errors import MediaError
from vidinternal.media.fields import Scan, scan_of, touched_samples
from vidinternal.media.orientation import Orientation
from vidinternal.media.picture import picture_format
from vidinternal.media.probe import probe
from vidinternal.media.source_facts import source_facts
from vidinternal.report.run_page import write_run_page
from vidinternal.runner.compare import compare
from vidinternal.runner.dry_run import dry_run
from vidinternal.runner.run import run_job
from vidinternal.stages.decode import Config, Decode, FrameSource

HARMONIC = ("inpaint.method=harmonic",)


def interlaced(path: Path, scan: str = "tff", **changes: Any) -> tuple[Path, media_made.Recipe]:
    recipe = replace(media_made.Recipe(path.name, interlaced=scan, frames=5, rate=Fraction(25)), **changes)
    return media_made.make(recipe, path.parent, woven(recipe)), recipe


@pytest.mark.parametrize("method", ["harmonic", "propagation"])
@pytest.mark.parametrize(("scan", "first"), [("tff", 0), ("bff", 1)])
def test_an_interlaced_clip_is_filled_as_the_sequence_of_its_fields_is(
    scan: str, first: int, method: str, tmp_path: Path
) -> None:
    """Frames of two fields come out as a clip of half the lines and twice the rate, put together again."""
    clip, recipe = interlaced(tmp_path / "clip.mkv", scan, pix_fmt="yuv444p")
    sets = (f"inpaint.method={method}",)
    result = fill(clip, "20,12,14,10", sets=sets)
    assert f"{'top' if scan == 'tff' else 'bottom'} field first" in " ".join(result.record["notes"])
    frames = [f.planes for f in woven(recipe)]
    apart = [tuple(p[k::2].copy() for p in planes) for planes in frames for k in (first, 1 - first)]
    single = made_of(tmp_path / "single.mkv", replace(recipe, interlaced="", rate=Fraction(50)), apart)
    wanted = planes_of(fill(single, "20,6,14,5", sets=sets).destination)
    found = planes_of(result.destination)
    assert len(wanted) == 2 * len(found) == 10
    for index, planes in enumerate(found):
        for k, at in enumerate((first, 1 - first)):
            for plane, lines in zip(planes, wanted[2 * index + k], strict=True):
                np.testing.assert_array_equal(plane[at::2], lines)
    assert any((a != b).any() for a, b in zip(found[0], frames[0], strict=True))


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv420p10le", "yuv422p", "yuv411p", "gray", "gbrp10le"])
@pytest.mark.parametrize("scan", ["tff", "bff"])
def test_nothing_outside_the_mask_changes_and_lines_of_one_field_never_enter_the_other(
    pix_fmt: str, scan: Scan, tmp_path: Path
) -> None:
    """Whatever stands in the lines of the later field, the fill of the earlier one is the same."""
    clip, recipe = interlaced(tmp_path / "clip.mkv", scan, pix_fmt=pix_fmt, size=(63, 48), frames=2)
    first = 0 if scan == "tff" else 1
    scribbled = [f.planes for f in woven(recipe)]
    for planes in scribbled:
        for plane in planes:
            plane[1 - first :: 2] = plane[1 - first :: 2][::-1, ::-1]
    other = media_made.make(
        replace(recipe, name="other.mkv"),
        tmp_path,
        [replace(f, planes=p) for f, p in zip(media_made.pictures(recipe), scribbled, strict=True)],
    )
    mask = np.zeros((48, 63), dtype=bool)
    mask[11:24, 20:37] = True
    assert cv2.imwrite(str(tmp_path / "mask.png"), mask.astype(np.uint8) * 255)
    results = [planes_of(fill(c, mask=tmp_path / "mask.png", sets=HARMONIC).destination) for c in (clip, other)]
    allowed = touched_samples(mask, picture_format(probe(clip).pix_fmt), scan)
    for planes, one, two in zip(planes_of(clip), *results, strict=True):
        for old, new, apart, where in zip(planes, one, two, allowed, strict=True):
            assert (old[~where] == new[~where]).all()
            assert (old[where] != new[where]).any()
            np.testing.assert_array_equal(new[first::2], apart[first::2])
    judged = compare(tmp_path / "out" / "clip_clean.mkv", clip, tmp_path / "mask.png")
    assert judged.untouched is None or judged.untouched.changed == 0


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [("a.mp4", "libx264", {"qp": "0"}), ("a.ts", "mpeg2video", {"qscale": "2"}), ("a.mov", "prores_ks", {})],
)
def test_the_result_is_interlaced_as_the_source_is(name: str, codec: str, options: Any, tmp_path: Path) -> None:
    for scan in ("tff", "bff"):
        pix_fmt = "yuv422p10le" if codec == "prores_ks" else "yuv420p"
        changes = {"codec": codec, "options": options, "pix_fmt": pix_fmt}
        clip, _ = interlaced(tmp_path / f"{scan}_{name}", scan, **changes)
        output = "prores" if codec == "prores_ks" else "h264"
        result = fill(clip, "20,12,14,10", sets=(*HARMONIC, f"encode.codec={output}")).destination
        assert scan_of(probe(result)) == scan_of(probe(clip)) == scan
        assert source_facts(probe(result)).interlaced == scan


def test_windows_frames_and_reports_count_frames(tmp_path: Path) -> None:
    clip, _ = interlaced(tmp_path / "clip.mkv", frames=24)
    sets = ("inpaint.method=propagation", "shots.window=10", "shots.overlap=4", "flow.strides=[1]")
    job = job_of(clip, "20,12,14,10@6-20", sets=sets)
    plan = dry_run(job)
    assert plan.frames == 24
    assert (plan.windows[0].first, plan.windows[-1].last) == (6, 19)
    record = fill(clip, "20,12,14,10@6-20", sets=sets).record
    assert record["source"]["frames"] == 24
    assert record["shots"][0]["frames"] == [0, 24]
    assert record["shots"][0]["seam_codes"] is not None
    for index, (before, after) in enumerate(zip(planes_of(clip), planes_of(job.inputs.destination), strict=True)):
        assert any((a != b).any() for a, b in zip(before, after, strict=True)) == (6 <= index < 20)
    write_run_page(job, run_job(job), tmp_path / "page.html")
    page = Page(tmp_path / "page.html")
    assert page.json("facts")["frames"] == list(range(24))
    assert [k for k in range(24) if "k" in page.json(f"frame-{k}")] == list(range(6, 20))


def test_a_turned_interlaced_clip_takes_its_fields_from_stored_lines(tmp_path: Path) -> None:
    plain, _ = interlaced(tmp_path / "plain.mkv", pix_fmt="yuv444p", frames=2)
    turn = Orientation(1)
    clip = with_matrix(plain, tmp_path / "turned.mkv", matrix_of(turn))
    region = np.zeros((64, 48), dtype=bool)
    region[20:34, 26:36] = True
    upright = fill(clip, "26,20,10,14", sets=HARMONIC)
    rows, columns = np.nonzero(turn.stored(region))
    straight = fill(plain, f"{columns.min()},{rows.min()},14,10", sets=HARMONIC)
    for ours, theirs, old in zip(
        planes_of(upright.destination), planes_of(straight.destination), planes_of(plain), strict=True
    ):
        for mine, wanted, before in zip(ours, theirs, old, strict=True):
            np.testing.assert_array_equal(mine != before, wanted != before)
            # the same equations in another order: equal but for the last code
            assert np.abs(mine.astype(int) - wanted.astype(int)).max() <= 1


@pytest.mark.parametrize(
    ("asked", "told", "wanted"), [("auto", "tff", "tff"), ("progressive", "tff", "progressive"), ("bff", "", "bff")]
)
def test_the_setting_overrides_the_marks(asked: Any, told: str, wanted: str, tmp_path: Path) -> None:
    info: ClipInfo = probe(media_made.clip(tmp_path / "a.mkv", frames=2, interlaced=told))
    assert Decode(Config(scan=asked)).scan(info) == wanted


def test_fields_asked_for_must_be_possible(tmp_path: Path) -> None:
    info = probe(media_made.clip(tmp_path / "a.mkv", frames=2, size=(32, 46)))
    with pytest.raises(MediaError, match="multiple of 4"):
        Decode(Config(scan="tff")).scan(info)


def test_a_clip_that_cannot_be_taken_apart_is_refused_before_any_work(tmp_path: Path) -> None:
    clip = media_made.clip(tmp_path / "a.mkv", frames=2, size=(32, 46), interlaced="tff")
    with pytest.raises(MediaError, match="multiple of 4"):
        fill(clip, "8,8,8,8", sets=HARMONIC)
    assert fill(clip, "8,8,8,8", sets=(*HARMONIC, "decode.scan=progressive")).status == "done"


def test_the_source_hands_out_pictures_in_order_of_time(tmp_path: Path) -> None:
    clip, recipe = interlaced(tmp_path / "clip.mkv", "bff", pix_fmt="gbrp10le", frames=3)
    source = FrameSource(probe(clip), "bff")
    rgb = source.rgb(1, 3, (2, 10, 4, 20))
    assert rgb.shape == (4, 3, 8, 16)
    for k in range(4):
        green = media_made.picture(recipe, 2 + k)[0][(k + 1) % 2 :: 2][2:10, 4:20]
        np.testing.assert_allclose(rgb[k, 1].numpy() * 1023, green, atol=1e-2)
