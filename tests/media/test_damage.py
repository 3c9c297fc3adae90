"""A damaged clip under each policy: refused, kept, or with holes in the place of what is damaged."""

import json
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from tests import media_made as made
from tests.faults.test_bad_input import cut, run, spoiled
from vidinternal.cli.main import app
from vidinternal.core.clip import Damage, ReadPolicy
from vidinternal.core.errors import MediaError, UsageError
from vidinternal.media.decode import ClipReader
from vidinternal.media.probe import probe

REPAIR, KEEP = ReadPolicy(damage="repair"), ReadPolicy(damage="keep")
CODECS: dict[str, dict[str, Any]] = {
    "h264.mp4": {"codec": "libx264", "options": {"crf": "14", "bf": "0", "g": "12"}},
    "b_frames.mp4": {"codec": "libx264", "options": {"crf": "14", "bf": "2", "g": "12"}},
    "hevc.mp4": {"codec": "libx265"},
    "ffv1.mkv": {"codec": "ffv1", "options": {"level": "3", "slicecrc": "1", "g": "1"}},
    "mpeg4.avi": {"codec": "mpeg4", "options": {"g": "12"}},
    "mpeg2.mkv": {"codec": "mpeg2video", "options": {"g": "12"}},
}


def torn(folder: Path, name: str = "h264.mp4", places: tuple[int, ...] = (7, 16)) -> tuple[Path, list[np.ndarray]]:
    """A damaged clip of 24 frames, and its luma before it was."""
    path = made.clip(folder / name, frames=24, size=(128, 96), **CODECS[name])
    whole = luma(ClipReader(probe(path)))
    return spoiled(path, *places), whole


def luma(reader: ClipReader) -> list[np.ndarray]:
    return [f.planes[0].astype(float) for f in reader.frames()]


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / max(1e-9, np.mean((one - other) ** 2))))


@pytest.mark.parametrize("name", CODECS)
def test_count_and_times_stay_and_what_does_not_lean_on_damage_is_whole(tmp_path: Path, name: str) -> None:
    path = made.clip(tmp_path / name, frames=24, size=(128, 96), **CODECS[name])
    times, whole = ClipReader(probe(path)).pts, luma(ClipReader(probe(path)))
    # HEVC's arithmetic coding decodes small spoiled packets to something else without a complaint: spoil a large one
    spoiled(path, *((8,) if name == "hevc.mp4" else (7, 16)))
    with pytest.raises(MediaError, match="damaged at") as caught:
        luma(ClipReader(probe(path)))
    assert "decode.damage=repair" in caught.value.hint
    for policy in (REPAIR, KEEP):
        reader = ClipReader(probe(path, policy))
        got, damage = luma(reader), reader.damage
        assert reader.pts == times
        assert damage.frames
        touched = {*damage.frames, *damage.leaning}
        assert all((got[i] == whole[i]).all() for i in set(range(24)) - touched)
        assert all((a.planes[0] == got[a.index]).all() for a in reader.frames(13, 20))


def test_repair_shows_the_picture_before_and_keep_what_the_decoder_made(tmp_path: Path) -> None:
    path, _ = torn(tmp_path)
    repair, keep = (ClipReader(probe(path, p)) for p in (REPAIR, KEEP))
    assert repair.damage == keep.damage
    assert repair.damage.frames == (7, 16)
    assert repair.damage.leaning == (8, 9, 10, 11, 17, 18, 19, 20, 21, 22, 23)
    shown, kept = luma(repair), luma(keep)
    assert (shown[7] == shown[6]).all()
    assert (kept[7] != kept[6]).any()


def test_a_sound_clip_reads_the_same_under_every_policy(tmp_path: Path) -> None:
    path = made.clip(tmp_path / "a.mp4", frames=12, codec="libx264")
    whole = luma(ClipReader(probe(path)))
    for policy in (REPAIR, KEEP):
        reader = ClipReader(probe(path, policy))
        assert reader.damage == Damage()
        assert all((a == b).all() for a, b in zip(whole, luma(reader), strict=True))


def test_a_damaged_first_frame_is_stood_in_for_by_the_next_sound_one(tmp_path: Path) -> None:
    path, whole = torn(tmp_path, "ffv1.mkv", (0,))
    reader = ClipReader(probe(path, REPAIR))
    assert reader.damage.frames == (0,)
    assert (luma(reader)[0] == whole[1]).all()


def test_a_file_that_breaks_off_is_told_and_read_on(tmp_path: Path) -> None:
    path = made.awkward("truncated", tmp_path)
    with pytest.raises(MediaError, match="damaged"):
        luma(ClipReader(probe(path)))
    reader = ClipReader(probe(path, KEEP))
    assert reader.damage.ends_early
    assert 0 < len(luma(reader)) < 24


def test_a_change_of_size_is_no_damage(tmp_path: Path) -> None:
    common: dict[str, Any] = {"codec": "libx264", "frames": 6, "time_base": made.Fraction(1, 90000)}
    first = made.clip(tmp_path / "1.ts", **common, pts=range(0, 21600, 3600))
    second = made.clip(tmp_path / "2.ts", **common, pts=range(21600, 43200, 3600), size=(96, 80))
    path = tmp_path / "a.ts"
    path.write_bytes(first.read_bytes() + second.read_bytes())
    with pytest.raises(MediaError, match="the picture changes at frame 6"):
        luma(ClipReader(probe(path, REPAIR)))


def test_nothing_sound_is_nothing_to_repair(tmp_path: Path) -> None:
    path, _ = torn(tmp_path, "ffv1.mkv", tuple(range(24)))
    with pytest.raises(MediaError, match="no undamaged picture"):
        luma(ClipReader(probe(path, REPAIR)))


@pytest.mark.parametrize("method", ["telea", "propagation"])
def test_repair_fills_damaged_frames_from_their_neighbours_and_counts_them(tmp_path: Path, method: str) -> None:
    path, whole = torn(tmp_path, places=(6,))
    result = tmp_path / "out.mkv"
    told = run(path, result, "--set", "decode.damage=repair", "--set", f"inpaint.method={method}", "--json")
    assert told.code == 0, told.error
    (row,) = json.loads(told.out)
    assert any("1 damaged frame filled as holes (6)" in note for note in row["notes"])
    record = json.loads(Path(row["record"]).read_text(encoding="utf-8"))
    assert (record["damage"]["policy"], record["damage"]["frames"], record["damage"]["filled"]) == ("repair", [6], [6])
    with av.open(str(result)) as container:
        got = [f.to_ndarray()[:96].astype(float) for f in container.decode(video=0)]
    assert len(got) == 24
    assert psnr(got[6], whole[6]) > psnr(whole[5], whole[6]) + 1
    assert all((got[i] == whole[i]).all() for i in (0, 5, 12))


@pytest.mark.parametrize("policy", ["repair", "keep"])
def test_a_cut_off_clip_keeps_the_sound_that_is_there_and_is_reported_and_judged(tmp_path: Path, policy: str) -> None:
    path = made.clip(tmp_path / "a.mkv", frames=24, size=(128, 96), audio_tracks=1, **CODECS["h264.mp4"])
    whole = len(made.packets(path)[1])
    cut(spoiled(path, 7), 0.8)
    result, report, mask = tmp_path / "out.mkv", tmp_path / "page.html", tmp_path / "mask.png"
    told = run(path, result, "--region", "2,2,6,4", "--set", f"decode.damage={policy}", "--report", report)
    assert told.code == 0, told.error
    assert "data:image/" in report.read_text(encoding="utf-8")
    assert 0 < len(made.packets(result)[1]) < whole
    picture = np.zeros((96, 128), np.uint8)
    picture[2:6, 2:8] = 255
    cv2.imwrite(str(mask), picture)
    for judge in (["compare", str(result), str(path)], ["verify", str(result), str(path)]):
        refused = CliRunner().invoke(app, [*judge, "--mask", str(mask)])
        assert isinstance(refused.exception, MediaError)
        judged = CliRunner().invoke(app, [*judge, "--mask", str(mask), "--damage", policy, "--json"])
        assert judged.exit_code == 0, judged.output
        found = json.loads(judged.stdout)
        found = found["untouched"] if judge[0] == "compare" else found["outside"]
        assert found["changed"] == 0
        assert found["samples"] > 0
    odd = CliRunner().invoke(app, ["verify", str(result), str(path), "--damage", "ignore"])
    assert isinstance(odd.exception, UsageError)
