"""A result that is as promised passes; anything else that differs from the source is found and named."""

import json
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tests import media_made
from tests.media_made import Recipe, make
from vidinternal.core.clip import ColorTags
from vidinternal.core.errors import IntegrityError
from vidinternal.media.codecs import EncodeSettings, choose
from vidinternal.media.composite import touched
from vidinternal.media.decode import ClipReader
from vidinternal.media.encode import encode
from vidinternal.media.picture import NativeFrame, picture_format
from vidinternal.media.probe import probe
from vidinternal.media.rehearsal import rehearse
from vidinternal.media.verify import Limit, Verification, verify

LOSSLESS = Limit(lossless=True)
RICH = Recipe(
    "rich.mkv",
    frames=24,
    audio_tracks=1,
    subtitles=1,
    chapters=True,
    attachment=True,
    color=ColorTags(1, 1, 1, False, 1),
    metadata={"title": "a film"},
)


def hole(width: int = 64, height: int = 48) -> np.ndarray:
    mask = np.zeros((height, width), dtype=bool)
    mask[11:22, 21:40] = True
    return mask


def painted(path: Path, slip: tuple[int, int, int, int] | None = None) -> list[NativeFrame]:
    """Frames of a clip with noise under the hole, and one code more at ``slip`` = frame, plane, row, column."""
    info = probe(path)
    fmt = picture_format(info.pix_fmt)
    rng = np.random.default_rng(5)
    frames = []
    for native in ClipReader(info).frames():
        planes = []
        for plane, mask in zip(native.planes, touched(hole(), fmt), strict=True):
            copy = plane.copy()
            copy[mask] = rng.integers(0, 1 << fmt.depth, int(mask.sum()))
            planes.append(copy)
        if slip is not None and slip[0] == native.index:
            planes[slip[1]][slip[2], slip[3]] ^= 1
        frames.append(replace(native, planes=tuple(planes)))
    return frames


def under_the_hole(path: Path) -> Callable[[int], tuple[np.ndarray, ...]]:
    masks = touched(hole(), picture_format(probe(path).pix_fmt))
    return lambda _index: masks


def names(found: Verification) -> set[str]:
    return {i.name for i in found.mismatches}


# --- samples ---------------------------------------------------------------------------------------------------------

FORMATS = ["yuv420p", "yuv422p10le", "gray", "gbrp10le", "bgr0"]


@pytest.mark.parametrize("pix_fmt", FORMATS)
def test_only_what_lies_outside_the_mask_is_held_against_the_result(pix_fmt: str, tmp_path: Path) -> None:
    source = media_made.clip(tmp_path / "clip.mkv", pix_fmt=pix_fmt, frames=4)
    info = probe(source)
    settings = EncodeSettings(codec="ffv1")
    good = encode(info, painted(source), tmp_path / "good.mkv", settings).path
    found = verify(good, info, limit=LOSSLESS, allowed=under_the_hole(source))
    assert found.ok, found.text()
    assert found.outside is not None
    assert (found.outside.changed, found.outside.psnr, found.frames) == (0, 99.0, (4, 4))
    assert "0 samples changed outside the mask" in found.line()
    assert names(verify(good, info, limit=LOSSLESS)) == {"samples outside the mask"}

    last = len(picture_format(pix_fmt).planes) - 1
    bad = encode(info, painted(source, (2, last, 3, 1)), tmp_path / "bad.mkv", settings).path
    broken = verify(bad, info, limit=LOSSLESS, allowed=under_the_hole(source))
    assert names(broken) == {"samples outside the mask"}
    assert broken.outside is not None
    assert (broken.outside.changed, broken.outside.largest, broken.outside.worst_frame) == (1, 1, 2)
    assert [p.changed for p in broken.outside.planes] == [0] * last + [1]
    with pytest.raises(IntegrityError, match="1 of"):
        broken.demand(tmp_path / "bad.mkv")


def test_a_lossy_result_is_held_against_decibels(tmp_path: Path) -> None:
    source = media_made.clip(tmp_path / "clip.mkv", frames=6)
    info = probe(source)
    path = encode(info, ClipReader(info).frames(), tmp_path / "r.mkv", EncodeSettings(crf=24)).path
    found = verify(path, info)
    assert found.outside is not None
    errors = [
        a.planes[0].astype(float) - b.planes[0]
        for a, b in zip(ClipReader(info).frames(), ClipReader(probe(path)).frames(), strict=True)
    ]
    assert found.outside.planes[0].psnr == pytest.approx(10 * np.log10(255**2 / np.mean(np.square(errors))), abs=1e-6)
    assert found.outside.worst_psnr <= found.outside.psnr < 50
    assert names(found) == {"samples outside the mask"}
    assert found.within(Limit(least_psnr=found.outside.psnr - 0.01)).ok
    assert not found.within(LOSSLESS).ok


def test_a_wider_layout_is_compared_in_itself_and_a_narrower_one_is_refused(tmp_path: Path) -> None:
    source = media_made.clip(tmp_path / "clip.mkv", frames=3)
    info = probe(source)
    settings = EncodeSettings(codec="ffv1", pix_fmt="yuv444p10le")
    wide = encode(info, painted(source), tmp_path / "wide.mkv", settings).path
    assert verify(wide, info, limit=LOSSLESS, allowed=under_the_hole(source)).ok
    narrow = verify(source, probe(wide), limit=LOSSLESS)
    assert narrow.outside is None
    assert "samples outside the mask" in names(narrow)
    assert "samples not compared" not in narrow.line()


# --- what stands beside them -----------------------------------------------------------------------------------------

SABOTAGE: dict[str, tuple[dict[str, Any], set[str]]] = {
    "a frame is missing": ({"frames": 23}, {"frames", "times"}),
    "a time is shifted": ({"pts": [*range(10), 11, *range(12, 25)]}, {"times"}),
    "a chapter is missing": ({"chapters": False}, {"chapters"}),
    "another colour": ({"color": ColorTags(1, 1, 6, False, 1)}, {"colour tag matrix"}),
    "another range": ({"color": ColorTags(1, 1, 1, True, 1)}, {"colour tag full_range"}),
    "another title": ({"metadata": {"title": "a movie"}}, {"tag title"}),
    "a tag too many": ({"metadata": {"title": "a film", "artist": "me"}}, {"tag artist"}),
    "a subtitle is missing": ({"subtitles": 0}, {"subtitle 0: codec", "subtitle 0: stream"}),
    "the attachment is missing": ({"attachment": False}, {"attachment 0: codec", "attachment 0: stream"}),
    "turned": ({"rotation": 90}, {"turn of the picture", "mirroring of the picture"}),
    "flagged as fields": ({"interlaced": "tff"}, {"flag of two fields"}),
}


@pytest.mark.parametrize("what", SABOTAGE)
def test_every_difference_is_found_and_named(what: str, tmp_path: Path) -> None:
    change, wanted = SABOTAGE[what]
    source = probe(make(RICH, tmp_path))
    broken = make(replace(RICH, name="broken.mkv", **change), tmp_path)
    found = verify(broken, source, limit=LOSSLESS)
    differing = names(found) & wanted
    assert differing == wanted, found.text()
    assert all(f"{name}:" in found.line() for name in wanted)


def test_an_equal_file_passes_every_item(tmp_path: Path) -> None:
    source = probe(make(RICH, tmp_path))
    found = verify(make(replace(RICH, name="again.mkv"), tmp_path), source, limit=LOSSLESS)
    assert found.ok, found.text()
    assert all(i.ok for i in found.items)
    assert found.line() == (
        "24 frames, every time equal, 1 audio track packet for packet, 1 subtitle track packet for packet, "
        "0 samples changed outside the mask"
    )
    assert json.loads(json.dumps(found.as_dict()))["ok"] is True
    assert "MISMATCH" not in found.text()


def remux(source: Path, path: Path, change: Callable[[int, Any], Any]) -> Path:
    """A copy whose audio packets have gone through ``change(number, packet)``; None drops one."""
    with av.open(str(source)) as old, av.open(str(path), "w") as new:
        twins: list[Any] = [new.add_stream_from_template(s, opaque=True) for s in old.streams]
        for twin, stream in zip(twins, old.streams, strict=True):
            twin.metadata.update(stream.metadata)
        number = 0
        for packet in old.demux():
            if packet.dts is None:
                continue
            if packet.stream.type == "audio":
                changed = change(number, packet)
                number += 1
                if changed is None:
                    continue
            packet.stream = twins[packet.stream_index]
            new.mux(packet)
    return path


def test_a_lost_or_moved_packet_of_sound_is_found(tmp_path: Path) -> None:
    source = media_made.clip(tmp_path / "clip.mp4", codec="libx264", frames=24, audio_tracks=1)
    info = probe(source)
    kept = remux(source, tmp_path / "kept.mp4", lambda _number, packet: packet)
    assert not {n for n in names(verify(kept, info)) if n.startswith("audio")}
    lost = remux(source, tmp_path / "lost.mp4", lambda number, packet: None if number == 7 else packet)
    assert "audio 0: packets" in names(verify(lost, info))

    def later(number: int, packet: Any) -> Any:
        if number == 7:
            packet.pts += 5
            packet.dts += 5
        return packet

    moved = remux(source, tmp_path / "moved.mp4", later)
    assert {"audio 0: times", "audio 0: decoding times"} <= names(verify(moved, info))


def test_matroska_may_round_and_the_item_says_so(tmp_path: Path) -> None:
    source = media_made.awkward("start_late", tmp_path)
    info = probe(source)
    path = encode(info, ClipReader(info).frames(), tmp_path / "r.mkv", EncodeSettings(codec="ffv1")).path
    found = verify(path, info, limit=LOSSLESS)
    assert found.ok, found.text()
    (times,) = (i for i in found.items if i.name == "times")
    assert "1/1000 s" in times.note
    assert "rounding" in found.line()


# --- what a container has no place for -------------------------------------------------------------------------------


def test_what_cannot_be_kept_is_told_before_and_forgiven_after(tmp_path: Path) -> None:
    source = media_made.clip(
        tmp_path / "clip.mkv",
        frames=12,
        chapters=True,
        metadata={"title": "a film"},
        rate=Fraction(25),
    )
    info = probe(source)
    destination = tmp_path / "r.ts"
    settings = EncodeSettings(lossless=True)
    losses = rehearse(info, choose(settings, info, destination), ".ts")
    assert any("chapters" in n for n in losses.notes)
    assert any("tag title" in n for n in losses.notes)
    encode(info, ClipReader(info).frames(), destination, settings)
    strict = verify(destination, info, limit=LOSSLESS)
    assert {"chapters", "tag title"} <= names(strict)
    found = verify(destination, info, limit=LOSSLESS, forgiven=losses.names)
    assert found.ok, found.text()
    assert "note" in found.text()


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".mov", ".ts"])
def test_samples_times_and_packets_are_never_forgiven(suffix: str, tmp_path: Path) -> None:
    source = media_made.clip(tmp_path / "clip.mp4", codec="libx264", frames=12, audio_tracks=1)
    info = probe(source)
    losses = rehearse(info, choose(EncodeSettings(), info, tmp_path / f"r{suffix}"), suffix)
    assert not {n for n in losses.names if n in ("frames", "times", "samples outside the mask") or "packets" in n}
    assert list(tmp_path.iterdir()) == [source]
