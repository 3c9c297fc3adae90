"""Any span of a clip is the same slice of the whole, whatever the codec does between key pictures."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from av.error import PermissionError as NotPermitted

from tests import media_made as made
from vidinternal.core.clip import ClipInfo
from vidinternal.core.errors import MediaError, UsageError
from vidinternal.media import decode as module
from vidinternal.media.decode import ClipReader
from vidinternal.media.picture import NativeFrame, from_av, picture_format, to_av
from vidinternal.media.probe import TimeTable, probe

_TICKS = Fraction(1, 90000)
_X264 = "bframes=2:b-adapt=0:scenecut=0:keyint=8:min-keyint=8"
CODECS = {
    "ffv1.mkv": {"codec": "ffv1"},
    "closed.mp4": {"codec": "libx264", "options": {"x264-params": _X264, "preset": "fast"}},
    "open.mkv": {"codec": "libx264", "options": {"x264-params": f"{_X264}:open-gop=1", "preset": "fast"}},
    "open.ts": {
        "codec": "libx264",
        "options": {"x264-params": f"{_X264}:open-gop=1", "preset": "fast"},
        "time_base": _TICKS,
    },
    "refresh.ts": {
        "codec": "libx264",
        "options": {"x264-params": "intra-refresh=1:keyint=8:bframes=0", "preset": "fast"},
        "time_base": _TICKS,
    },
    "open265.mp4": {
        "codec": "libx265",
        "options": {"x265-params": "log-level=none:keyint=8:bframes=2:open-gop=1", "preset": "ultrafast"},
    },
    "open.mpg": {"codec": "mpeg2video", "options": {"bf": "2", "g": "8"}},
    "packed.avi": {"codec": "mpeg4", "options": {"bf": "2", "g": "8"}},
    "a.webm": {"codec": "libvpx-vp9", "options": {"g": "8", "deadline": "realtime"}},
    "alpha.webm": {"codec": "libvpx-vp9", "pix_fmt": "yuva420p", "options": {"g": "8", "deadline": "realtime"}},
    "raw.h264": {"codec": "libx264", "options": {"x264-params": _X264}},
    "a.gif": {"codec": "gif", "pix_fmt": "gray", "time_base": Fraction(1, 100), "pts": range(0, 80, 4)},
    "a.apng": {"codec": "apng", "pix_fmt": "rgb24"},
    "cut.mp4": {
        "codec": "libx264",
        "options": {"x264-params": _X264},
        "pts": range(-5, 15),
        "time_base": Fraction(1, 24),
    },
}


def content(frame: NativeFrame) -> tuple:
    return frame.index, frame.pts, frame.duration, tuple(p.tobytes() for p in frame.planes)


@pytest.mark.parametrize("name", CODECS)
def test_a_span_is_a_slice_of_the_whole(tmp_path, name):
    info = probe(made.clip(tmp_path / name, frames=20, **CODECS[name]))
    reader = ClipReader(info)
    whole = [content(f) for f in reader.frames()]
    assert [(index, pts) for index, pts, *_ in whole] == list(enumerate(reader.pts))
    assert len(whole) == len(reader) >= 15
    for start in range(len(reader)):
        end = min(start + 3, len(reader))
        assert [content(f) for f in reader.frames(start, end)] == whole[start:end]


def test_samples_are_those_that_were_written(tmp_path):
    recipe = made.Recipe("a.mkv", size=(63, 47), pix_fmt="yuv420p10le", frames=6)
    reader = ClipReader(probe(made.make(recipe, tmp_path)))
    for wanted, frame in zip(made.pictures(recipe), reader.frames(), strict=True):
        assert all((a == b).all() for a, b in zip(wanted.planes, frame.planes, strict=True))


def test_a_far_span_does_not_decode_what_lies_before(tmp_path, monkeypatch):
    info = probe(made.clip(tmp_path / "a.mp4", frames=64, **CODECS["closed.mp4"]))
    seen = []
    check = module.check_picture
    monkeypatch.setattr(module, "check_picture", lambda *args: (seen.append(args[2]), check(*args)))
    assert [f.index for f in ClipReader(info).frames(50, 52)] == [50, 51]
    assert min(seen) >= 40


@pytest.mark.parametrize(
    "name", ["ffv1.mkv", "closed.mp4", "open.mkv", "open.ts", "open265.mp4", "packed.avi", "a.webm"]
)
def test_seeks_lead_to_the_pictures(tmp_path, monkeypatch, name):
    reader = ClipReader(probe(made.clip(tmp_path / name, frames=32, **CODECS[name])))
    runs = []
    run = ClipReader._run
    monkeypatch.setattr(ClipReader, "_run", lambda self, *span: (runs.append(span), run(self, *span))[1])
    for start in (18, 25, 31):
        assert len(list(reader.frames(start, 32))) == 32 - start
    assert None not in [key for _, _, key in runs]


def test_a_failing_seek_reads_from_the_start(tmp_path, monkeypatch):
    info = probe(made.clip(tmp_path / "a.mp4", frames=24, **CODECS["closed.mp4"]))
    whole = [content(f) for f in ClipReader(info).frames()]
    tried = []

    class Unseekable:
        def __init__(self, container):
            self.container = container

        def seek(self, *_args, **_kwargs):
            tried.append(True)
            raise NotPermitted(1, "no seeking here")

    after_seek: Any = module._after_seek
    monkeypatch.setattr(module, "_after_seek", lambda container, *rest: after_seek(Unseekable(container), *rest))
    assert [content(f) for f in ClipReader(info).frames(18, 22)] == whole[18:22]
    assert len(tried) == len(ClipReader(info)._keys_before(18)) > 0


def test_spans_can_be_read_side_by_side_and_again(tmp_path):
    with ClipReader(probe(made.clip(tmp_path / "a.mkv", frames=8))) as reader:
        one, other = reader.frames(0, 8), reader.frames(2, 8)
        pairs = [(a.index, b.index) for a, b in zip(one, other, strict=False)]
        assert pairs == [(i, i + 2) for i in range(6)]
        assert [f.index for f in reader.frames(3, 3)] == []


def test_closing_ends_open_spans(tmp_path):
    with ClipReader(probe(made.clip(tmp_path / "a.mkv", frames=8))) as reader:
        span = reader.frames()
        next(span)
    assert list(span) == []


@pytest.mark.parametrize(("start", "end"), [(-1, 3), (3, 2), (0, 9), (9, None)])
def test_a_span_outside_the_clip_is_refused(tmp_path, start, end):
    reader = ClipReader(probe(made.clip(tmp_path / "a.mkv", frames=8)))
    with pytest.raises(UsageError, match="inside 0 to 8"):
        reader.frames(start, end)


def spoil(path: Path, index: int) -> None:
    """Overwrite the middle of packet ``index``."""
    with av.open(str(path)) as container:
        packet = [p for p in container.demux(video=0) if p.size][index]
        data = path.read_bytes()
        at = data.index(bytes(packet)) + packet.size // 2
    path.write_bytes(data[:at] + bytes(b ^ 0x5A for b in data[at : at + 8]) + data[at + 8 :])


def test_a_damaged_picture_is_named(tmp_path):
    path = made.clip(tmp_path / "a.mkv", codec="ffv1", options={"level": "3", "slicecrc": "1", "g": "1"}, frames=20)
    info = probe(path)
    spoil(path, 13)
    reader = ClipReader(info)
    with pytest.raises(MediaError, match=r"a\.mkv: damaged at frame 13, 0\.54") as caught:
        list(reader.frames())
    assert caught.value.exit_code == 1
    assert [f.index for f in reader.frames(0, 13)] == list(range(13))
    with pytest.raises(MediaError, match="damaged at frame 13"):
        list(reader.frames(12, 16))
    assert [f.index for f in reader.frames(14, 16)] == [14, 15]


def test_a_damaged_picture_of_a_lossy_codec_is_named(tmp_path):
    path = made.clip(tmp_path / "a.avi", codec="mjpeg", pix_fmt="yuvj420p", frames=6, size=(160, 128))
    with av.open(str(path)) as container:
        packet = [p for p in container.demux(video=0) if p.size][4]
        data = path.read_bytes()
        at = data.index(bytes(packet))
    path.write_bytes(data[: at + 2] + bytes(200) + data[at + 202 :])
    with pytest.raises(MediaError, match=r"damaged at frame 4"):
        list(ClipReader(probe(path)).frames())


def test_a_concealed_picture_is_damage(tmp_path):
    """H.264 decoders patch a broken picture up from its neighbours and go on."""
    path = made.clip(tmp_path / "a.mp4", codec="libx264", frames=8, size=(320, 256), options={"bf": "0", "slices": "4"})
    with av.open(str(path)) as container:
        packet = [p for p in container.demux(video=0) if p.size][6]
        data, at = path.read_bytes(), packet.pos or 0
    assert data[at : at + packet.size] == bytes(packet)
    half = at + packet.size // 2
    path.write_bytes(data[:half] + b"\x5a" * 60 + data[half + 60 :])
    with pytest.raises(MediaError, match=r"damaged at frame 6[\s\S]*damaged picture"):
        list(ClipReader(probe(path)).frames())


def test_an_error_after_a_seek_alone_is_no_damage(tmp_path, monkeypatch):
    reader = ClipReader(probe(made.clip(tmp_path / "a.mp4", frames=24, **CODECS["closed.mp4"])))
    whole = [content(f) for f in reader.frames()]
    pictures, calls = module.pictures, []

    def broken(*args):
        calls.append(True)
        if len(calls) <= len(reader._keys_before(18)):
            raise MediaError("lost the way")
        yield from pictures(*args)

    monkeypatch.setattr(module, "pictures", broken)
    assert [content(f) for f in reader.frames(18, 20)] == whole[18:20]
    assert len(calls) > 1


def join(first: Path, second: Path, target: Path) -> Path:
    """Put one MPEG-TS behind another, as recordings do where the broadcast changes."""
    target.write_bytes(first.read_bytes() + second.read_bytes())
    return target


@pytest.mark.parametrize("change", [{"size": (96, 80)}, {"pix_fmt": "yuv422p"}])
def test_a_change_of_size_or_layout_is_named(tmp_path, change):
    common = {"codec": "libx264", "frames": 6, "time_base": _TICKS, "options": {"x264-params": "bframes=0"}}
    first = made.clip(tmp_path / "a.ts", **common, pts=range(0, 6 * 3600, 3600))
    second = made.clip(tmp_path / "b.ts", **{**common, **change}, pts=range(6 * 3600, 12 * 3600, 3600))
    info = probe(join(first, second, tmp_path / "c.ts"))
    with pytest.raises(MediaError, match=r"c\.ts: the picture changes at frame 6"):
        list(ClipReader(info).frames())


def test_times_stamped_in_the_wrong_order_keep_the_pictures_in_order(tmp_path):
    path = made.clip(tmp_path / "a.mkv", codec="libx264", frames=16, options={"x264-params": _X264})
    reader = ClipReader(probe(path))
    whole = [content(f)[3] for f in reader.frames()]
    pts = reader.pts
    stamps = list(pts)
    stamps[5], stamps[6] = stamps[6], stamps[5]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "pictures", restamped(module.pictures, dict(zip(pts, stamps, strict=True))))
        for start in (0, 4, 6, 10):
            frames = list(reader.frames(start, 16))
            assert [f.pts for f in frames] == list(pts[start:])
            assert [content(f)[3] for f in frames] == whole[start:]


def restamped(pictures, stamps):
    """The decoding loop with other times; pictures whose time maps to None are lost."""

    def run(*args):
        for frame in pictures(*args):
            frame.pts = stamps[frame.pts]
            if frame.pts is not None:
                yield frame

    return run


@pytest.mark.parametrize(("lost", "words"), [(3, "disagree at frame"), (38, "ends early")])
def test_a_lost_picture_does_not_shift_the_rest(tmp_path, monkeypatch, lost, words):
    info = probe(made.clip(tmp_path / "a.mkv", frames=40))
    reader = ClipReader(info)
    stamps = {p: None if i == lost else p for i, p in enumerate(reader.pts)}
    monkeypatch.setattr(module, "pictures", restamped(module.pictures, stamps))
    with pytest.raises(MediaError, match=words):
        list(reader.frames())


@pytest.mark.parametrize("start", [0, 18, 20])
def test_a_span_with_a_lost_picture_is_refused_to_its_end(tmp_path, monkeypatch, start):
    info = probe(made.clip(tmp_path / "a.mp4", frames=40, **CODECS["closed.mp4"]))
    reader = ClipReader(info)
    stamps = {p: None if i == 20 else p for i, p in enumerate(reader.pts)}
    monkeypatch.setattr(module, "pictures", restamped(module.pictures, stamps))
    assert [f.index for f in reader.frames(start, 20)] == list(range(start, 20))
    with pytest.raises(MediaError, match="disagree at frame"):
        list(reader.frames(start, 22))
    assert [f.index for f in reader.frames(30, 32)] == [30, 31]


def test_a_seek_that_lands_late_reads_from_the_start(tmp_path, monkeypatch):
    """At a key whose leading pictures a decoder hands out all the same, wrongly decoded."""
    info = probe(made.clip(tmp_path / "a.mp4", frames=32, **CODECS["closed.mp4"]))
    reader = ClipReader(info)
    whole = [content(f) for f in reader.frames()]
    late = next(k for k in module.time_table(info).keys if k > reader.pts[18])
    pictures, after_seek = module.pictures, module._after_seek
    seeks, landed = [], []

    class Late:
        def __init__(self, container):
            self.container = container

        def seek(self, _time, **how):
            seeks.append(True)
            landed.append(late)
            self.container.seek(late, **how)

    def leading(*args):
        source = pictures(*args)
        if seeks:
            seeks.clear()
            first = next(source)
            yield to_av(replace(from_av(first, 0), pts=reader.pts[18]), picture_format(info.pix_fmt), 64, 48)
            yield first
        yield from source

    after: Any = after_seek
    monkeypatch.setattr(module, "_after_seek", lambda container, *rest: after(Late(container), *rest))
    monkeypatch.setattr(module, "pictures", leading)
    runs = []
    run = ClipReader._run
    monkeypatch.setattr(ClipReader, "_run", lambda self, *span: (runs.append(span[2]), run(self, *span))[1])
    assert [content(f) for f in reader.frames(18, 20)] == whole[18:20]
    assert len(landed) == len(runs) - 1 > 0
    assert runs[-1] is None


def test_pictures_beyond_the_times_are_told(tmp_path, monkeypatch):
    info = probe(made.clip(tmp_path / "a.mkv", frames=8))
    reader = ClipReader(info)
    shorter = TimeTable(reader.pts[:6] + reader.pts[7:], ())
    monkeypatch.setattr(reader, "_table", shorter)
    monkeypatch.setattr(module._Stamps, "patience", 1)
    with pytest.raises(MediaError, match="disagree at frame"):
        list(reader.frames())


def test_another_file_in_the_same_place_is_noticed(tmp_path):
    info: ClipInfo = probe(made.clip(tmp_path / "a.mkv", frames=4))
    with pytest.raises(MediaError, match="the picture changes at frame 0"):
        list(ClipReader(replace(info, width=32)).frames())
