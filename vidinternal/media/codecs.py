"""Which encoder writes a clip, with what options and in which sample layout; never fewer bits, never less chroma."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Literal, Self, get_args

from av.codec import Codec
from av.codec.codec import UnknownCodecError
from pydantic import Field, model_validator

from vidinternal.core.clip import ClipInfo
from vidinternal.core.config import StrictModel
from vidinternal.core.errors import ConfigError, MediaError, UsageError, UserError
from vidinternal.media.containers import check, container_name
from vidinternal.media.encoder_options import encoder_options, without_slices
from vidinternal.media.own_codec import candidates, own_refusal, source_codec, told
from vidinternal.media.picture import PictureFormat, picture_format
from vidinternal.media.probe import frame_pts
from vidinternal.media.soft_subs import SoftTrack
from vidinternal.media.stills.plan import still_plan, writes_stills
from vidinternal.media.stream import reason

CodecName = Literal["h264", "hevc", "av1", "vp9", "prores", "ffv1", "mpeg2video"]

_ENCODERS: Mapping[str, tuple[str, ...]] = {
    "h264": ("libx264", "libx264rgb"),
    "hevc": ("libx265",),
    "av1": ("libsvtav1", "libaom-av1"),
    "vp9": ("libvpx-vp9",),
    "prores": ("prores_ks",),
    "ffv1": ("ffv1",),
    "mpeg2video": ("mpeg2video",),
}
_DEPTHS = ("", "10le", "12le")
# libaom names its layouts only once it is opened.
_UNLISTED = {
    "libaom-av1": tuple(
        f"{layout}{depth}" for depth in _DEPTHS for layout in ("yuv420p", "yuv422p", "yuv444p", "gray", "gbrp")
    )
}
_CRF = {"h264": 14, "hevc": 16, "av1": 18, "vp9": 15}
_CRF_TOP = {"h264": 51, "hevc": 51, "av1": 63, "vp9": 63}
# The others take whole numbers only.
_FINE_CRF = ("h264", "hevc")
_X26X = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo")
_PRESETS = {"h264": _X26X, "hevc": _X26X, "av1": tuple(map(str, range(14))), "vp9": tuple(map(str, range(9)))}
# These two refuse an odd width or height where chroma is subsampled along it.
_WHOLE_CHROMA_ONLY = ("libx264", "libx265")
# Below these x265 refuses, and SVT-AV1 never comes back (4.1, one side under 32 and the other from 128 up).
_LEAST_SIDE = {"libx265": 16, "libsvtav1": 32}
_HOLDS_ALPHA = ("ffv1", "prores_ks")


_Clip = tuple[ClipInfo, tuple[int, int] | None]
"""A source, and the size of its pictures where all of them are made anew."""


class EncodeSettings(StrictModel):
    """How the result is written."""

    codec: Literal["auto", CodecName] = "auto"
    """``auto`` is the source's own where it is one of these and the output can hold it, else h264 or what fits.
    ``ffv1`` is always lossless and goes into .mkv, .mp4 or .avi; ``prores`` goes into .mov or .mkv.
    ``mpeg2video`` is there for sources that are MPEG-2 and whose unchanged pictures are copied."""
    rate: Literal["source", "quality"] = "source"
    """Short trials choose the crf: ``source`` holds the bitrate of the source, ``quality`` 50 dB outside the mask."""
    crf: float | None = Field(default=None, ge=0, le=63)
    """Constant quality, lower is better; None is chosen as ``rate`` says. h264 and hevc take fractions."""
    preset: str | None = None
    """Speed: ``ultrafast`` to ``placebo`` for h264 and hevc, a number for av1 (0-13) and vp9 (0-8), 0 the slowest."""
    lossless: bool = False
    """Keep every sample exactly; h264, hevc, av1, vp9 and, anyway, ffv1."""
    pix_fmt: str | None = None
    """FFmpeg's name of a sample layout that holds all the source holds; None is the source's own or the nearest."""
    quality: int = Field(default=90, ge=0, le=100)
    """Of WebP images and animations whose source is coded with loss too; others keep every sample."""

    smart: bool = True
    """Copy groups of pictures that nothing changed packet for packet, where codec and stream allow it; the report says
    where they do not."""

    @model_validator(mode="after")
    def _one_quality(self) -> Self:
        if self.lossless and self.crf is not None:
            raise ValueError("lossless and crf exclude each other: leave crf out")
        return self

    @property
    def still_quality(self) -> int | None:
        """Quality of lossy images, None where every sample is to be kept."""
        return None if self.lossless else self.quality


@dataclass(frozen=True)
class EncoderPlan:
    """What will be written.

    Attributes:
        codec: The codec's name in :class:`EncodeSettings`.
        encoder: FFmpeg's name of the encoder.
        pix_fmt: The layout the encoder gets.
        options: Its options.
        container: FFmpeg's name of the container.
        crf: Constant quality, None where the codec has none or the file is lossless.
        lossless: Whether every sample is kept exactly.
        matrix: The matrix the result is tagged with; identity for RGB, which a decoder would else take for YUV.
        full_range: The range the result is tagged with, None = untagged.
        left_out: Indices of data streams that FFmpeg cannot write.
        notes: What a person should know.
        soft: A subtitle track that is added, or None.
        size: Width and height of the pictures, where all of them were made anew; None where they are the source's.
    """

    codec: str
    encoder: str
    pix_fmt: str
    options: Mapping[str, str]
    container: str
    crf: float | None
    lossless: bool
    matrix: int = 2
    full_range: bool | None = None
    left_out: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    soft: SoftTrack | None = None
    size: tuple[int, int] | None = None

    def pictures(self, info: ClipInfo) -> ClipInfo:
        """A clip with pictures of the size that is written; itself where they have its own."""
        return info if self.size is None else replace(info, width=self.size[0], height=self.size[1])

    @property
    def range_code(self) -> int:
        """FFmpeg's code of the range: 0 unspecified, 1 limited, 2 full."""
        return {None: 0, False: 1, True: 2}[self.full_range]


def available_encoders() -> dict[str, tuple[str, ...]]:
    """Codec name -> those of its encoders that this build of FFmpeg has, the preferred one first."""
    return {codec: tuple(name for name in names if _encoder(name)) for codec, names in _ENCODERS.items()}


def choose(
    settings: EncodeSettings, info: ClipInfo, destination: Path, size: tuple[int, int] | None = None
) -> EncoderPlan:
    """Decide how a clip is written and make sure, before any work, that the container takes all of it.

    Args:
        settings: What the user wants.
        info: The source.
        destination: The file to be; its suffix chooses the container.
        size: Width and height of the pictures, where all of them are made anew.

    Raises:
        ConfigError: A setting does not belong to the codec.
        MediaError: No layout of the codec holds the source, or the container cannot hold the codec or one of the
            streams that are copied; the message names what can.
    """
    if settings.codec != "auto":
        _check_settings(settings)
    if writes_stills(info, destination):
        return _of_stills(settings, info, destination, size)
    container = container_name(destination)
    if settings.codec != "auto":
        return _of_codec(settings, settings.codec, container, (info, size), destination)
    copies = settings.smart and size is None
    own, refusal = source_codec(info), own_refusal(info, available_encoders(), smart=copies)
    tuned = settings.crf is not None or settings.preset is not None
    first: UserError | None = None
    for codec in candidates(own, refusal, tuned=tuned):
        named = settings.model_copy(update={"codec": codec})
        try:
            _check_settings(named)
            plan = _of_codec(named, codec, container, (info, size), destination)
        except (ConfigError, MediaError) as error:
            first = first or error
            continue
        note = told(codec, own, refusal, first)
        return replace(plan, notes=(*((note,) if note else ()), *plan.notes))
    raise first or MediaError(str(info.path), expected="a codec to write it with", got="none")


def _of_codec(settings: EncodeSettings, codec: str, container: str, clip: _Clip, destination: Path) -> EncoderPlan:
    source, size = clip
    info = source if size is None else replace(source, width=size[0], height=size[1])
    encoder, target, notes = _layout(settings, info)
    crf = None if settings.lossless else settings.crf if settings.crf is not None else _CRF.get(codec)
    plan = EncoderPlan(
        codec=codec,
        encoder=encoder,
        pix_fmt=target.name,
        options=encoder_options(encoder, target, crf, settings.preset, lossless=settings.lossless)
        | without_slices(encoder, target, info),
        container=container,
        crf=crf if crf is None or crf % 1 else int(crf),
        lossless=settings.lossless or codec == "ffv1",
        matrix=0 if target.family == "rgb" else info.color.matrix,
        full_range=_range(info, codec),
        size=size,
    )
    left_out, more = check(source, plan, destination)
    return replace(plan, left_out=left_out, notes=notes + more)


def _of_stills(
    settings: EncodeSettings, info: ClipInfo, destination: Path, size: tuple[int, int] | None
) -> EncoderPlan:
    """What is written where the destination is of images or an animation."""
    plan = still_plan(info, destination, settings.still_quality, frame_pts(info), size)
    kind = f"{plan.kind} animation" if plan.animated else f"{plan.kind} images"
    return EncoderPlan(plan.kind, kind, plan.pix_fmt, {}, plan.kind, None, plan.lossless, notes=plan.notes, size=size)


@dataclass(frozen=True)
class CrfScale:
    """The constant qualities an encoder takes.

    Attributes:
        best: Lowest that is not lossless.
        worst: Highest.
        step: Distance between two.
        usual: A fair first guess, or what is taken where nothing is chosen by trial.
    """

    best: float
    worst: float
    step: float
    usual: float

    def nearest(self, crf: float) -> float:
        """The quality on the scale that is nearest to one that may lie between or beyond."""
        return min(self.worst, max(self.best, round(crf / self.step) * self.step))


def crf_scale(codec: str) -> CrfScale | None:
    """The scale of a codec's name in :class:`EncodeSettings`; None where there is no such setting."""
    if codec not in _CRF_TOP:
        return None
    return CrfScale(1, _CRF_TOP[codec], 0.25 if codec in _FINE_CRF else 1, _CRF[codec])


def with_crf(plan: EncoderPlan, crf: float) -> EncoderPlan:
    """The same plan at another quality.

    Raises:
        UsageError: The plan is lossless or its codec has no such setting.
    """
    if plan.crf is None:
        raise UsageError(f"crf {crf:g}", expected="a plan that has a constant quality", got=plan.encoder)
    whole = crf if crf % 1 else int(crf)
    return replace(plan, crf=whole, options={**plan.options, "crf": f"{crf:g}"})


def _range(info: ClipInfo, codec: str) -> bool | None:
    """The range tag. Untagged grey is full range, but only FFV1 gives it back as grey without a range."""
    untagged_grey = info.color.full_range is None and picture_format(info.pix_fmt).family == "gray"
    return True if untagged_grey and codec != "ffv1" else info.color.full_range


def _check_settings(settings: EncodeSettings) -> None:
    codec, top = settings.codec, _CRF_TOP.get(settings.codec)
    if settings.crf is not None and (top is None or settings.crf > top):
        expected = f"at most {top}" if top else f"no crf: {codec} has no such setting"
        raise ConfigError("encode.crf", expected=f"{expected} for {codec}", got=f"{settings.crf:g}")
    if settings.crf is not None and settings.crf % 1 and codec not in _FINE_CRF:
        raise ConfigError("encode.crf", expected=f"a whole number for {codec}", got=f"{settings.crf:g}")
    if settings.preset is not None and codec in ("prores", "ffv1", "mpeg2video"):
        raise ConfigError("encode.preset", expected=f"no preset: {codec} has none", got=repr(settings.preset))
    _check_preset(settings)
    if settings.lossless and codec in ("prores", "mpeg2video"):
        raise ConfigError(
            "encode.lossless", expected="a codec that can be lossless", got=codec, hint="--set encode.codec=ffv1"
        )


def _check_preset(settings: EncodeSettings) -> None:
    """Refuse a speed that the encoder would refuse with nothing but an error number."""
    known = _PRESETS.get(settings.codec)
    if settings.preset is not None and known is not None and settings.preset not in known:
        raise ConfigError(
            "encode.preset",
            expected=f"for {settings.codec} one of {', '.join(known)}",
            got=repr(settings.preset),
            hint=f"--set encode.preset={known[5]}",
        )


def refused(plan: EncoderPlan, error: Exception) -> MediaError:
    """The error of an encoder that does not open."""
    return MediaError(
        f"{plan.encoder} refuses its settings",
        expected=f"settings that it takes, for {plan.pix_fmt}",
        got=reason(error),
        hint="leave encode.preset and encode.crf out, or another encode.codec",
    )


def _layout(settings: EncodeSettings, info: ClipInfo) -> tuple[str, PictureFormat, tuple[str, ...]]:
    """The encoder, the cheapest layout that loses nothing, and a note where it is not the source's own."""
    source = picture_format(info.pix_fmt)
    fitting = [(e, f) for e, f in _layouts(settings.codec) if holds(f, source) and _fits_size(e, f, info)]
    if settings.pix_fmt is not None:
        fitting = [(e, f) for e, f in fitting if f.name == settings.pix_fmt]
    if not fitting:
        raise _no_layout(settings, info, source)
    encoder, target = min(fitting, key=lambda pair: _cost(pair[1], source))
    same = (target.depth, _samples(target)) == (source.depth, _samples(source)) and target.family == source.family
    if same:
        return encoder, target, ()
    because = "" if settings.pix_fmt else f", the nearest that {settings.codec} can write without loss"
    return encoder, target, (f"samples are written as {target.name}, from {source.name}{because}",)


def _no_layout(settings: EncodeSettings, info: ClipInfo, source: PictureFormat) -> MediaError:
    others = [
        name
        for name in get_args(CodecName)
        if any(holds(f, source) and _fits_size(e, f, info) for e, f in _layouts(name))
        and not (settings.lossless and name == "prores")
    ]
    if settings.pix_fmt is not None and settings.codec in others:
        names = sorted({f.name for e, f in _layouts(settings.codec) if holds(f, source) and _fits_size(e, f, info)})
        return MediaError(
            f"encode.pix_fmt={settings.pix_fmt}",
            expected=f"a layout of {settings.codec} that holds all of {source.name}: {', '.join(names)}",
            got=repr(settings.pix_fmt),
        )
    got = (
        f"{settings.codec} has none" if _layouts(settings.codec) else f"this FFmpeg has no encoder for {settings.codec}"
    )
    hint = f"--set encode.codec={others[0]}" + (f" (or {', '.join(others[1:])})" if others[1:] else "")
    return MediaError(
        f"{info.path}: encode.codec={settings.codec}",
        expected=f"a layout that holds {source.name} at {info.width}x{info.height} without loss",
        got=got,
        hint=hint if others else "ffmpeg -i INPUT -pix_fmt yuv444p16le -c:v ffv1 -c:a copy converted.mkv",
    )


def _encoder(name: str) -> Codec | None:
    try:
        return Codec(name, "w")
    except UnknownCodecError:
        return None


def _layouts(codec: str) -> list[tuple[str, PictureFormat]]:
    """The layouts that the build's encoders of a codec take; those whose range or alpha is not plain are left out."""
    return [(name, fmt) for name in _ENCODERS[codec] for fmt in _encoder_layouts(name)]


def _encoder_layouts(name: str) -> Iterator[PictureFormat]:
    encoder = _encoder(name)
    if encoder is None:
        return
    listed = tuple(f.name for f in encoder.video_formats or ()) or _UNLISTED.get(name, ())
    for pix_fmt in listed:
        if pix_fmt.startswith(("yuvj", "nv")):
            continue  # the range is a tag of its own, and the planar twin stands beside
        try:
            fmt = picture_format(pix_fmt)
        except MediaError:
            continue  # floats and the like, which no source that was opened can have
        if name in _HOLDS_ALPHA or "a" not in _roles(fmt):
            yield fmt


def _roles(fmt: PictureFormat) -> set[str]:
    return {plane.role for plane in fmt.planes}


def holds(target: PictureFormat, source: PictureFormat) -> bool:
    """Whether every sample of a layout can be found again in another: same family (or grey in YUV), bits and chroma."""
    same_kind = target.family == source.family or (source.family, target.family) == ("gray", "yuv")
    if not same_kind or target.depth < source.depth or not _roles(source) <= _roles(target):
        return False
    places = {p.role: p for p in target.planes}
    return all(places[p.role].x_shift <= p.x_shift and places[p.role].y_shift <= p.y_shift for p in source.planes)


def _fits_size(encoder: str, fmt: PictureFormat, info: ClipInfo) -> bool:
    if min(info.width, info.height) < _LEAST_SIDE.get(encoder, 1):
        return False
    if encoder not in _WHOLE_CHROMA_ONLY:
        return True
    x, y = (max(getattr(p, axis) for p in fmt.planes) for axis in ("x_shift", "y_shift"))
    return info.width % (1 << x) == 0 and info.height % (1 << y) == 0


def _samples(fmt: PictureFormat) -> Fraction:
    """Samples per pixel."""
    return sum((Fraction(1, 1 << (p.x_shift + p.y_shift)) for p in fmt.planes), Fraction(0))


def _cost(target: PictureFormat, source: PictureFormat) -> tuple[int, Fraction, bool]:
    return target.depth, _samples(target), target.name != source.name
