"""Awkward test media, made on the spot with PyAV instead of being committed.

``clip`` writes one file from a description; ``python -m tests.media_made OUTDIR`` writes the awkward ``RECIPES``.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import av.filter
import numpy as np

from vidinternal.core.clip import ClipInfo, ColorTags
from vidinternal.media.decode import ClipReader
from vidinternal.media.encoder_options import repeatable_x264
from vidinternal.media.picture import NativeFrame, picture_format, plane_shape, sample_dtype, to_av

SILENT = {"libx265": {"x265-params": "log-level=none"}}
_CHROMA = {"u": 101, "v": 202, "g": 303, "b": 404, "a": 505}
UNTAGGED = ColorTags()
_ATTACHMENT = ("letters.txt", "text/plain", b"a file inside the file\n")


@dataclass(frozen=True)
class Recipe:
    """What a file shall be like.

    Attributes:
        name: File name with suffix; the suffix chooses the container.
        size: Width and height.
        frames: Number of pictures.
        rate: Nominal frame rate.
        pix_fmt: Sample layout.
        codec: Encoder name.
        pts: Ticks of every picture in ``time_base``; one tick a picture of ``rate`` when None.
        time_base: Seconds per tick; ``1 / rate`` when None.
        color: Colour tags.
        sar: Sample aspect ratio.
        rotation: Clockwise degrees a player must turn the picture.
        audio_tracks: Number of tone tracks.
        subtitles: Number of subtitle tracks.
        chapters: Whether to write two chapters.
        metadata: Tags of the file.
        attachment: Whether to attach a small text file (Matroska only).
        cuts: Frames at which another scene begins.
        seed: Another texture.
        speed: Pixels the texture moves right a frame; half as many down.
        smooth: Blobs without grain and little colour, so that motion changes little and a cut stands out.
        options: Encoder options.
        interlaced: ``tff`` or ``bff`` to flag the pictures as such.
    """

    name: str
    size: tuple[int, int] = (64, 48)
    frames: int = 12
    rate: Fraction = Fraction(24)
    pix_fmt: str = "yuv420p"
    codec: str = "ffv1"
    pts: Sequence[int] | None = None
    time_base: Fraction | None = None
    color: ColorTags = UNTAGGED
    sar: Fraction = Fraction(1)
    rotation: int = 0
    audio_tracks: int = 0
    subtitles: int = 0
    chapters: bool = False
    metadata: Mapping[str, str] = field(default_factory=dict)
    attachment: bool = False
    cuts: Sequence[int] = ()
    seed: int = 0
    speed: int = 2
    smooth: bool = False
    options: Mapping[str, str] = field(default_factory=dict)
    interlaced: str = ""

    @property
    def lossless(self) -> bool:
        return self.codec == "ffv1" or self.options.get("qp") == "0"

    @property
    def ticks(self) -> Fraction:
        return self.time_base or 1 / self.rate

    @property
    def times(self) -> tuple[int, ...]:
        step = 1 / self.rate / self.ticks
        return tuple(self.pts) if self.pts is not None else tuple(round(i * step) for i in range(self.frames))


@cache
def texture(seed: int, smooth: bool = False) -> np.ndarray:
    """A 256 x 256 float64 periodic texture in [0, 1]: coarse blobs with fine grain, so that motion can be told."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(256), np.fft.fftfreq(256)))
    spectrum = np.fft.fft2(rng.standard_normal((256, 256))) / (0.02 + frequency) ** (2 if smooth else 1)
    field_ = np.real(np.fft.ifft2(spectrum))
    return (field_ - field_.min()) / (field_.max() - field_.min())


def picture(recipe: Recipe, index: int) -> tuple[np.ndarray, ...]:
    """The planes of picture ``index``: a texture that moves right and down; each cut brings another.

    Values keep to the limited range, so that no tag can make them illegal.
    """
    fmt = picture_format(recipe.pix_fmt)
    scene = recipe.seed + 1000 * sum(cut <= index for cut in recipe.cuts)
    shift = recipe.speed * index
    planes = []
    for layout in fmt.planes:
        rows, columns = plane_shape(layout, *recipe.size)
        canvas = np.roll(texture(scene + _CHROMA.get(layout.role, 0), recipe.smooth), (shift // 2, shift), (0, 1))
        y = (np.arange(rows) << layout.y_shift) % 256
        x = (np.arange(columns) << layout.x_shift) % 256
        low, high = (
            code << (fmt.depth - 8) for code in ((96, 160) if recipe.smooth and layout.role in "uv" else (16, 235))
        )
        planes.append(np.round(low + (high - low) * canvas[np.ix_(y, x)]).astype(sample_dtype(fmt)))
    return tuple(planes)


def pictures(recipe: Recipe) -> list[NativeFrame]:
    """All pictures of the file, as they should decode when the codec is lossless."""
    times = recipe.times
    durations = [b - a for a, b in itertools.pairwise(times)]
    durations.append(durations[-1] if durations else 1)
    return [
        NativeFrame(picture(recipe, i), pts, duration, i)
        for i, (pts, duration) in enumerate(zip(times, durations, strict=True))
    ]


def clip(path: Path, **changes: Any) -> Path:
    """Write one file and return its path.

    Args:
        path: Where; the suffix chooses the container.
        changes: Fields of :class:`Recipe`.
    """
    return make(replace(Recipe(path.name), **changes), path.parent)


def rewrite(info: ClipInfo, destination: Path, change: Callable[[np.ndarray, int, int], np.ndarray]) -> Path:
    """Write a clip's pictures again, losslessly and at their times, every plane passed through ``change``.

    Args:
        info: The clip.
        destination: The file to be; Matroska.
        change: Gets a plane and its ``x_shift`` and ``y_shift``.
    """
    fmt = picture_format(info.pix_fmt)
    natives = [
        replace(f, planes=tuple(change(p, at.x_shift, at.y_shift) for p, at in zip(f.planes, fmt.planes, strict=True)))
        for f in ClipReader(info).frames()
    ]
    recipe = Recipe(
        destination.name,
        size=(info.width, info.height),
        frames=len(natives),
        rate=info.rate,
        pix_fmt=info.pix_fmt,
        pts=[f.pts for f in natives],
        time_base=info.time_base,
        color=info.color,
    )
    return make(recipe, destination.parent, natives)


def make(recipe: Recipe, folder: Path, natives: Sequence[NativeFrame] | None = None) -> Path:
    """Write the file of a recipe into a folder, with the given pictures or its own, and return its path."""
    path = folder / recipe.name
    ticks = recipe.ticks
    options = {"avoid_negative_ts": "disabled"}
    if path.suffix in {".mp4", ".mov"}:
        options |= {"video_track_timescale": str(ticks.denominator), "movie_timescale": str(ticks.denominator)}
        options |= {"movflags": "use_metadata_tags"}
    if path.suffix == ".ts":
        options |= {"mpegts_copyts": "1"}
    with av.open(str(path), "w", container_options=options) as container:
        container.metadata.update(recipe.metadata)
        video = _add_video(container, recipe)
        tones = [_add_tone(container, path.suffix, i) for i in range(recipe.audio_tracks)]
        texts = [_add_text(container, path.suffix, i) for i in range(recipe.subtitles)]
        if recipe.attachment:
            container.add_attachment(*_ATTACHMENT)
        if recipe.chapters:
            container.set_chapters(_chapters(recipe))
        container.start_encoding()
        seconds = float((recipe.times[-1] - recipe.times[0]) * ticks + 1 / recipe.rate)
        copied = [p for i, tone in enumerate(tones) for p in _tone_packets(tone, seconds, 220 * (i + 1))]
        copied += [p for i, text in enumerate(texts) for p in _text_packets(text, seconds, i)]
        copied.sort(key=lambda p: (p.dts or 0) * p.time_base)
        for packet in itertools.chain(_video_packets(video, recipe, natives or pictures(recipe)), copied):
            container.mux(packet)
    return path


def packets(path: Path) -> dict[int, list[tuple[Fraction, bytes]]]:
    """What a file stores: stream index -> presentation time in seconds and bytes of every packet, in stored order."""
    found: dict[int, list[tuple[Fraction, bytes]]] = {}
    with av.open(str(path)) as container:
        for packet in container.demux():
            if packet.size and packet.pts is not None:
                time = packet.pts * Fraction(packet.time_base.numerator, packet.time_base.denominator)
                found.setdefault(packet.stream_index, []).append((time, bytes(packet)))
    return found


def _add_video(container: Any, recipe: Recipe) -> Any:
    width, height = recipe.size
    options = (repeatable_x264() if recipe.codec == "libx264" else SILENT.get(recipe.codec, {})) | dict(recipe.options)
    if recipe.interlaced:
        options["flags"] = "+ildct+ilme"
    if recipe.color.chroma_location:
        options["chroma_sample_location"] = str(recipe.color.chroma_location)
    video = container.add_stream(recipe.codec, rate=recipe.rate, options=options, width=width, height=height)
    video.time_base = recipe.ticks
    context = video.codec_context
    context.time_base, context.pix_fmt = recipe.ticks, recipe.pix_fmt
    context.color_primaries, context.color_trc = recipe.color.primaries, recipe.color.transfer
    context.colorspace, context.color_range = recipe.color.matrix, _range_code(recipe.color)
    if recipe.sar != 1:
        context.sample_aspect_ratio = recipe.sar
    if recipe.rotation:
        video.set_display_rotation(-recipe.rotation)
    if recipe.interlaced:
        context.field_order = {"tff": 2, "bff": 3}[recipe.interlaced]
    return video


def _range_code(color: ColorTags) -> int:
    return {None: 0, False: 1, True: 2}[color.full_range]


def _video_packets(video: Any, recipe: Recipe, natives: Sequence[NativeFrame]) -> list[Any]:
    fmt = picture_format(recipe.pix_fmt)
    packets: list[Any] = []
    for native in natives:
        frame = to_av(native, fmt, *recipe.size)
        frame.time_base = recipe.ticks
        frame.color_range = _range_code(recipe.color)
        if recipe.interlaced:
            frame = _flag_fields(frame, recipe)
        packets += video.encode(frame)
    return packets + video.encode(None)


def _flag_fields(frame: Any, recipe: Recipe) -> Any:
    graph = av.filter.Graph()
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=recipe.ticks)
    graph.link_nodes(source, graph.add("setfield", recipe.interlaced), graph.add("buffersink")).configure()
    graph.push(frame)
    return graph.pull()


def _add_tone(container: Any, suffix: str, index: int) -> Any:
    codec = {".mp4": "aac", ".mov": "aac", ".ts": "aac", ".webm": "libopus"}.get(suffix, "pcm_s16le")
    tone = container.add_stream(codec, rate=48000, layout="mono")
    tone.metadata.update({"language": ("eng", "fra", "deu")[index]})
    if index:
        tone.disposition = 0
    return tone


def _tone_packets(tone: Any, seconds: float, hertz: int) -> list[Any]:
    samples = np.sin(2 * np.pi * hertz * np.arange(max(2048, int(48000 * seconds))) / 48000)
    frame = av.AudioFrame.from_ndarray((samples * 8000).astype(np.int16)[None], "s16", "mono")
    frame.sample_rate, frame.pts, frame.time_base = 48000, 0, Fraction(1, 48000)
    context = tone.codec_context
    resampler = av.AudioResampler(context.format.name, "mono", 48000, frame_size=context.frame_size or 1024)
    packets = [p for f in [*resampler.resample(frame), *resampler.resample(None)] for p in tone.encode(f)]
    return packets + tone.encode(None)


def _add_text(container: Any, suffix: str, index: int) -> Any:
    codec = {".mp4": "mov_text", ".mov": "mov_text", ".webm": "webvtt"}.get(suffix, "subrip")
    text = container.add_mux_stream(codec, time_base=Fraction(1, 1000))
    text.metadata.update({"language": ("eng", "fra", "deu")[index]})
    return text


def _text_packets(text: Any, seconds: float, index: int) -> list[Any]:
    packets = []
    for k in range(2):
        line = f"line {k} of track {index}".encode()
        boxed = len(line).to_bytes(2, "big") + line if text.container.format.name in {"mp4", "mov"} else line
        packet = av.Packet(boxed)
        packet.stream, packet.time_base = text, Fraction(1, 1000)
        packet.pts = packet.dts = int(500 * seconds * k)
        packet.duration = max(1, int(400 * seconds))
        packet.is_keyframe = True
        packets.append(packet)
    return packets


def _chapters(recipe: Recipe) -> list[Any]:
    half = int(500 * len(recipe.times) / recipe.rate)
    return [
        {"id": i + 1, "start": a, "end": b, "time_base": Fraction(1, 1000), "metadata": {"title": f"part {i + 1}"}}
        for i, (a, b) in enumerate(((0, half), (half, 2 * half)))
    ]


def _truncated(folder: Path) -> Path:
    """A file that ends in the middle of its pictures."""
    path = make(Recipe("truncated.mkv", frames=24), folder)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 6 // 10])
    return path


def _headless(folder: Path) -> Path:
    """An MP4 that lost its index, as a camera whose battery died writes it."""
    path = make(Recipe("headless.mp4", codec="libx264", frames=24), folder)
    data = path.read_bytes()
    path.write_bytes(data[: data.rindex(b"moov") - 4])
    return path


def _empty(folder: Path) -> Path:
    (folder / "empty.mp4").touch()
    return folder / "empty.mp4"


def _not_media(folder: Path) -> Path:
    (folder / "not_media.mp4").write_text("This is a text file that someone renamed.\n" * 20)
    return folder / "not_media.mp4"


_X264 = {"codec": "libx264", "options": {"qp": "0", "preset": "ultrafast"}}
_FULL_HD = ColorTags(1, 1, 1, False, 1)
_HDR = ColorTags(9, 16, 9, False, 3)


def _recipes() -> dict[str, Recipe | Callable[[Path], Path]]:
    b_frames = {"codec": "libx264", "options": {"crf": "8", "bf": "3", "b-adapt": "0", "g": "12", "preset": "fast"}}
    known = (
        Recipe("vfr.mkv", pts=(0, 40, 90, 130, 250, 251, 300, 340, 380, 700, 740, 790), time_base=Fraction(1, 1000)),
        Recipe("vfr_fine.mp4", pts=(0, 3003, 7000, 7001, 20011, 24000), time_base=Fraction(1, 90000), **_X264),
        Recipe("start_late.mp4", pts=range(1001, 13013, 1001), time_base=Fraction(1, 24000), **_X264),
        Recipe("negative_start.ts", pts=range(-7500, 37500, 3750), time_base=Fraction(1, 90000), **_X264),
        Recipe("b_frames.mp4", frames=30, time_base=Fraction(1, 12288), color=_FULL_HD, **b_frames),
        Recipe("ten_bit.mkv", pix_fmt="yuv420p10le", color=_HDR),
        Recipe("yuv422.mkv", pix_fmt="yuv422p"),
        Recipe("yuv444.mkv", pix_fmt="yuv444p"),
        Recipe("full_range.mkv", color=ColorTags(1, 1, 1, True)),
        Recipe("gray.mkv", pix_fmt="gray"),
        Recipe("rgb.mkv", pix_fmt="bgr0"),
        Recipe("odd_size.mkv", size=(63, 47)),
        Recipe("one_frame.mkv", frames=1),
        Recipe("two_frames.mkv", frames=2),
        Recipe("no_audio.mp4", **_X264),
        Recipe("two_audio.mp4", frames=24, audio_tracks=2, **_X264),
        Recipe("cut.mkv", size=(96, 64), frames=60, cuts=(31,), speed=1, smooth=True),
        Recipe("tall.mkv", size=(16, 256)),
        Recipe("thin.mkv", size=(256, 2)),
        Recipe("interlaced.mkv", interlaced="tff"),
        Recipe("rotated.mp4", rotation=90, **_X264),
        Recipe("wide_pixels.mp4", sar=Fraction(16, 15), **_X264),
        Recipe(
            "many_streams.mkv",
            frames=24,
            audio_tracks=2,
            subtitles=2,
            chapters=True,
            attachment=True,
            metadata={"title": "many streams", "comment": "two tones, two texts"},
        ),
    )
    made: dict[str, Recipe | Callable[[Path], Path]] = {Path(r.name).stem: r for r in known}
    return made | {"truncated": _truncated, "headless": _headless, "empty": _empty, "not_media": _not_media}


RECIPES = _recipes()
"""Every awkward file by name."""


def awkward(name: str, folder: Path) -> Path:
    """Write the awkward file of that name into a folder and return its path."""
    recipe = RECIPES[name]
    return make(recipe, folder) if isinstance(recipe, Recipe) else recipe(folder)


def main(outdir: str) -> None:
    """Write every awkward file."""
    folder = Path(outdir)
    folder.mkdir(parents=True, exist_ok=True)
    for name in RECIPES:
        sys.stdout.write(f"{awkward(name, folder)}\n")


if __name__ == "__main__":
    main(sys.argv[1])
