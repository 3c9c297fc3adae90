"""Bad input through the command line: one refusal in the house form, the right exit code, nothing written."""

import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from av.stream import Disposition
from typer.testing import CliRunner

from tests import media_made as made
from tests.fuzz.awkward import faults, refusal
from vidinternal.cli.main import app
from vidinternal.core.errors import UserError

_X264 = {"codec": "libx264", "options": {"g": "6", "bf": "0", "preset": "ultrafast"}}
_CHEAP = ("--set", "inpaint.method=telea", "--set", "inpaint.copies=0", "--set", "encode.codec=ffv1")
_REGION = ("--region", "2,2,6,4")


class Told:
    """What a run told: its exit code and both streams."""

    def __init__(self, code: int, out: str, error: str) -> None:
        self.code, self.out, self.error = code, out, error


def run(source: Path | str, result: Path, *more: str | Path) -> Told:
    """``vidinternal run inpaint`` in this process, its errors printed as ``main`` prints them."""
    arguments = ["run", "inpaint", str(source), "-o", str(result), *_CHEAP, *map(str, more)]
    done = CliRunner().invoke(app, arguments)
    if isinstance(done.exception, UserError):
        return Told(done.exception.exit_code, done.output, f"error: {done.exception.message}\n")
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return Told(done.exit_code, done.stdout, done.stderr)


def refused(told: Told, result: Path, words: str, code: int = 1) -> None:
    """One error in the house form, with these words, and nothing at the destination."""
    assert told.code == code, told.error
    assert faults(told.error, told.code, result) == ""
    assert words in refusal(told.error), told.error


def cut(path: Path, share: float) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def spoiled(path: Path, *places: int) -> Path:
    """Break the packets of these numbers in the middle."""
    with av.open(str(path)) as container:
        stored = [bytes(p) for p in container.demux(video=0) if p.size]
    data = bytearray(path.read_bytes())
    for number in places:
        at = data.index(stored[number]) + len(stored[number]) // 2
        data[at : at + 12] = bytes(b ^ 0x5A for b in data[at : at + 12])
    path.write_bytes(data)
    return path


def patched(path: Path, old: bytes, new: bytes, shift: int = 0) -> Path:
    data = bytearray(path.read_bytes())
    at = data.index(old) + shift
    data[at : at + len(new)] = new
    path.write_bytes(data)
    return path


def faststart(path: Path, **recipe: object) -> Path:
    """An MP4 with its index in front."""
    plain = made.clip(path.with_name("plain.mp4"), **recipe)
    with (
        av.open(str(plain)) as old,
        av.open(str(path), "w", container_options={"movflags": "faststart"}) as new,
    ):
        stream = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(video=0):
            if packet.size:
                packet.stream = stream
                new.mux(packet)
    plain.unlink()
    return path


def encrypted(path: Path) -> Path:
    """A clip under common encryption, as streaming services deliver it."""
    plain = made.clip(path.with_name("plain.mp4"), frames=4, **_X264)
    options = {"encryption_scheme": "cenc-aes-ctr", "encryption_key": "7" * 32, "encryption_kid": "a" * 32}
    with av.open(str(plain)) as old, av.open(str(path), "w", options=options) as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(video=0):
            if packet.size:
                packet.stream = stream
                new.mux(packet)
    return path


def sound_only(path: Path, *, cover: bool) -> Path:
    """A tone, with a cover picture or without any picture."""
    with av.open(str(path), "w") as container:
        picture = None
        if cover:
            picture = container.add_stream("mjpeg", rate=1, width=16, height=16, pix_fmt="yuvj420p")
            picture.disposition = Disposition.attached_pic
        tone = container.add_stream("aac", rate=48000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate, frame.pts = 48000, 0
        if picture is not None:
            still = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), "rgb24").reformat(format="yuvj420p")
            for packet in [*picture.encode(still), *picture.encode(None)]:
                container.mux(packet)
        for packet in [*tone.encode(frame), *tone.encode(None)]:
            container.mux(packet)
    return path


def png(path: Path, width: int, height: int) -> Path:
    """A PNG file that declares a size and holds next to nothing."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1 << 20))) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + parts)
    return path


def two_sizes(path: Path, **change: object) -> Path:
    """Two recordings one behind the other in an MPEG-TS."""
    common = {"codec": "libx264", "frames": 6, "time_base": made.Fraction(1, 90000), "options": {"bf": "0"}}
    first = made.clip(path.with_name("1.ts"), **common, pts=range(0, 6 * 3600, 3600))
    second = made.clip(path.with_name("2.ts"), **{**common, **change}, pts=range(6 * 3600, 12 * 3600, 3600))
    path.write_bytes(first.read_bytes() + second.read_bytes())
    return path


def no_frames(path: Path) -> Path:
    """A video stream without a single packet."""
    with av.open(str(path), "w") as container:
        container.add_stream("libx264", rate=24, width=64, height=48, pix_fmt="yuv420p")
        container.start_encoding()
    return path


BAD: dict[str, tuple[Callable[[Path], Path], str]] = {
    "empty": (lambda d: made.awkward("empty", d), "is empty"),
    "text": (lambda d: made.awkward("not_media", d), "cannot be opened"),
    "zeros": (lambda d: _written(d / "zeros.mp4", bytes(4096)), "cannot be opened"),
    "no index": (lambda d: made.awkward("headless", d), "cannot be opened"),
    "cut, index in front": (lambda d: cut(faststart(d / "a.mp4", frames=24, **_X264), 0.6), "damaged"),
    "cut": (lambda d: made.awkward("truncated", d), "damaged"),
    "flipped in mdat": (lambda d: spoiled(made.clip(d / "a.mp4", frames=12, size=(128, 96), **_X264), 4), "damaged"),
    "flipped in moov": (
        lambda d: patched(made.clip(d / "a.mp4", frames=4, **_X264), b"stsd", b"\xff" * 16, 4),
        "",
    ),
    "sound": (lambda d: sound_only(d / "a.m4a", cover=False), "no video stream"),
    "cover": (lambda d: sound_only(d / "a.mp4", cover=True), "its only picture is a cover"),
    "unknown codec": (lambda d: patched(made.clip(d / "a.mp4", frames=4, **_X264), b"avc1\0", b"xyzq"), "no decoder"),
    "protected": (lambda d: encrypted(d / "a.mp4"), "protected (DRM)"),
    "store": (lambda d: patched(made.clip(d / "a.mp4", frames=4, **_X264), b"avc1\0", b"drmi"), "protected (DRM)"),
    "no frames": (lambda d: no_frames(d / "a.mp4"), ""),
    "size changes": (lambda d: two_sizes(d / "a.ts", size=(96, 80)), "the picture changes at frame 6"),
    "layout changes": (lambda d: two_sizes(d / "a.ts", pix_fmt="yuv422p"), "the picture changes at frame 6"),
    "bomb": (lambda d: png(d / "bomb.png", 60000, 60000), ""),
}


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("name", BAD)
def test_a_bad_clip_is_refused_in_one_way(name: str, tmp_path: Path) -> None:
    make, words = BAD[name]
    source, result = make(tmp_path), tmp_path / "out" / "result.mkv"
    refused(run(source, result, *_REGION), result, words)


def test_a_missing_clip_is_usage(tmp_path: Path) -> None:
    result = tmp_path / "result.mkv"
    refused(run(tmp_path / "none.mkv", result, *_REGION), result, "no match", 2)


def test_a_picture_beyond_the_limit_names_limit_and_setting(tmp_path: Path) -> None:
    source, result = made.clip(tmp_path / "a.mkv", frames=2), tmp_path / "result.mkv"
    told = run(source, result, *_REGION, "--set", "decode.max_pixels=3000")
    refused(told, result, "too large")
    assert "at most 3000 pixels (decode.max_pixels)" in told.error
    assert "64x48" in told.error
    assert run(source, result, *_REGION, "--set", "decode.max_pixels=3072").code == 0


@pytest.mark.parametrize(("suffix", "codec"), [("mp4", "libx264"), ("avi", "mpeg4"), ("mkv", "ffv1")])
def test_the_wrong_suffix_is_no_fault(tmp_path: Path, suffix: str, codec: str) -> None:
    clip = made.clip(tmp_path / f"a.{suffix}", frames=3, codec=codec).rename(tmp_path / "a.webm")
    assert run(clip, tmp_path / "result.mkv", *_REGION).code == 0


def test_one_frame_is_a_clip(tmp_path: Path) -> None:
    assert run(made.awkward("one_frame", tmp_path), tmp_path / "result.mkv", *_REGION).code == 0


NAMES = ("ä 日本 ü.mkv", 'it\'s "quoted".mkv', "two\nlines.mkv", "100%03d %s.mkv", "-o.mkv", "[a]*?.mkv")


@pytest.mark.parametrize("name", NAMES)
def test_odd_names_work_and_are_told_in_one_line(name: str, tmp_path: Path) -> None:
    source = made.clip(tmp_path / "plain.mkv", frames=2).rename(tmp_path / name)
    result = tmp_path / f"out {name}"
    assert run(source, result, *_REGION).code == 0
    assert result.is_file()
    source.write_bytes(b"")
    result.unlink()
    told = run(source, result, *_REGION)
    refused(told, result, "is empty")
    lines = told.error.splitlines()
    assert [line for line in lines if line.endswith(": is empty")]


def test_a_name_that_is_no_text_is_told(tmp_path: Path) -> None:
    source = os.fsencode(tmp_path) + b"/\xff\xfe.mkv"
    made.clip(tmp_path / "plain.mkv", frames=2).rename(os.fsdecode(source))
    command = [sys.executable, "-m", "vidinternal.cli.main", "run", "inpaint", source, "-o", tmp_path / "r.mkv"]
    done = subprocess.run([*command, *_REGION, *_CHEAP], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    Path(os.fsdecode(source)).write_bytes(b"")
    (tmp_path / "r.mkv").unlink()
    done = subprocess.run([*command, *_REGION, *_CHEAP], capture_output=True, check=False)
    assert done.returncode == 1
    assert b"is empty" in done.stderr
    assert b"Traceback" not in done.stderr


def test_pipes_and_devices_are_refused_at_once(tmp_path: Path) -> None:
    pipe, result = tmp_path / "pipe.mkv", tmp_path / "result.mkv"
    os.mkfifo(pipe)
    for source in (str(pipe), "-", "/dev/zero"):
        refused(run(source, result, *_REGION), result, "read more than once", 2)
    clip = made.clip(tmp_path / "a.mkv", frames=2)
    refused(run(clip, result, "--mask", pipe), result, "a pipe or device", 2)


def test_loops_of_links_lead_nowhere(tmp_path: Path) -> None:
    loop, result = tmp_path / "loop.mkv", tmp_path / "result.mkv"
    loop.symlink_to(loop)
    refused(run(loop, result, *_REGION), result, "Too many levels of symbolic links", 2)
    refused(run("x" * 5000, result, *_REGION), result, "File name too long", 2)
    clip = made.clip(tmp_path / "a.mkv", frames=2)
    refused(run(clip, result, "--mask", loop), result, "nothing at that path", 2)


@pytest.mark.parametrize("link", ["same", "symbolic", "hard"])
def test_the_source_is_never_overwritten(link: str, tmp_path: Path) -> None:
    source = made.clip(tmp_path / "a.mkv", frames=2)
    before, result = source.read_bytes(), tmp_path / "b.mkv"
    if link == "symbolic":
        result.symlink_to(source)
    elif link == "hard":
        result.hardlink_to(source)
    else:
        result = tmp_path / "." / "a.mkv"
    told = run(source, result, *_REGION)
    assert told.code == 2
    assert "the source" in told.error
    assert source.read_bytes() == before


def test_a_missing_folder_is_made(tmp_path: Path) -> None:
    result = tmp_path / "not" / "there" / "yet" / "r.mkv"
    assert run(made.clip(tmp_path / "a.mkv", frames=2), result, *_REGION).code == 0
    assert result.is_file()


def test_a_file_in_the_place_of_the_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    result = tmp_path / "taken" / "r.mkv"
    refused(run(made.clip(tmp_path / "a.mkv", frames=2), result, *_REGION), result, "taken")


def mask(path: Path, value: int, size: tuple[int, int] = (64, 48)) -> Path:
    cv2.imwrite(str(path), np.full(size[::-1], value, np.uint8))
    return path


def test_an_empty_mask_changes_nothing_and_is_said(tmp_path: Path) -> None:
    clip = made.clip(tmp_path / "a.mkv", frames=3)
    told = run(clip, tmp_path / "r.mkv", "--mask", mask(tmp_path / "m.png", 0))
    assert told.code == 0
    assert "nothing is masked in any frame" in told.out
    with av.open(str(clip)) as old, av.open(str(tmp_path / "r.mkv")) as new:
        pairs = list(zip(old.decode(video=0), new.decode(video=0), strict=True))
    assert len(pairs) == 3
    assert all((a.to_ndarray() == b.to_ndarray()).all() for a, b in pairs)


def test_a_mask_over_everything_leaves_nothing_to_learn_from(tmp_path: Path) -> None:
    clip, result = made.clip(tmp_path / "a.mkv", frames=3), tmp_path / "r.mkv"
    refused(run(clip, result, "--mask", mask(tmp_path / "m.png", 255)), result, "nothing is known in frames 0-2", 2)
    refused(run(clip, result, "--region", "0,0,64,48"), result, "nothing is known in frames 0-2", 2)
    assert run(clip, result, "--region", "0,0,64,48@1-2").code == 0


def test_bad_masks_are_refused(tmp_path: Path) -> None:
    clip, result = made.clip(tmp_path / "a.mkv", frames=3), tmp_path / "r.mkv"
    whole = mask(tmp_path / "m.png", 0)
    bomb, torn = png(tmp_path / "bomb.png", 60000, 60000), _written(tmp_path / "torn.png", whole.read_bytes()[:-20])
    refused(run(clip, result, "--mask", bomb), result, "too large", 2)
    refused(run(clip, result, "--mask", torn), result, "cut off", 2)
    # OpenCV reads for ever where a chunk claims to be longer than the file
    endless = bytearray(whole.read_bytes())
    endless[33:37] = struct.pack(">I", 0xA5000000)
    refused(run(clip, result, "--mask", _written(tmp_path / "endless.png", bytes(endless))), result, "cut off", 2)
    refused(run(clip, result, "--mask", _written(tmp_path / "t.mkv", b"text")), result, "cannot be read", 2)
    refused(run(clip, result, "--mask", tmp_path / "none.png"), result, "nothing at that path", 2)


@pytest.mark.parametrize(
    "setting",
    [
        "masks.dilate=[[[",
        "masks.dilate=" + "[" * 5000,
        "flow.strides=.nan",
        "inpaint.method=[1]",
        "masks.dilate=&a [*a]",
    ],
)
def test_settings_that_are_no_yaml_are_refused(tmp_path: Path, setting: str) -> None:
    result = tmp_path / "r.mkv"
    told = run(made.clip(tmp_path / "a.mkv", frames=2), result, *_REGION, "--set", setting)
    assert told.code == 2
    assert "Traceback" not in told.error
    assert told.error.startswith("error: ")
    assert not result.exists()
