"""What a container can hold: one that would lose a stream, or the shape, turn or times of pictures, is refused."""

from __future__ import annotations

import io
from collections.abc import Collection
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av.error

from vidinternal.core.clip import ClipInfo
from vidinternal.core.errors import MediaError, nearest
from vidinternal.media.mux import MP4, is_cover, open_output
from vidinternal.media.probe import frame_pts
from vidinternal.media.stream import open_video, reason

if TYPE_CHECKING:
    from vidinternal.media.codecs import EncoderPlan

_CONTAINERS = {
    ".mkv": "matroska",
    ".mp4": "mp4",
    ".mov": "mov",
    ".webm": "webm",
    ".ts": "mpegts",
    ".avi": "avi",
    ".m4v": "mp4",
    ".m2ts": "mpegts",
    ".mts": "mpegts",
}
_OFFERED = (".mkv", ".mp4", ".mov", ".webm", ".ts", ".avi")
_MATROSKA = ("matroska", "webm")
# What MPEG-TS has numbers for; anything else it would write as private data that nobody reads.
_MPEGTS_CODECS = {
    *("h264", "hevc", "mpeg2video", "mpeg1video", "mpeg4", "vc1", "vvc"),
    *("aac", "mp2", "mp3", "ac3", "eac3", "dts", "truehd", "opus", "s302m", "pcm_bluray", "aac_latm"),
    *("dvb_subtitle", "dvb_teletext", "hdmv_pgs_subtitle", "arib_caption"),
    *("klv", "timed_id3", "scte_35", "smpte_2038"),
}
_MPEG2_SHAPES = (Fraction(4, 3), Fraction(16, 9), Fraction(221, 100))
_UNNAMED_DATA = (None, "none", "bin_data")


def container_name(destination: Path) -> str:
    """FFmpeg's name of the container that a file's suffix stands for.

    Raises:
        MediaError: The suffix stands for none.
    """
    suffix = destination.suffix.lower()
    if suffix not in _CONTAINERS:
        raise MediaError(
            str(destination),
            expected=f"a file name that ends in {', '.join(_OFFERED)}; .gif, .apng or .webp; images as out/%05d.png",
            got=repr(suffix) if suffix else "no suffix",
            hint=nearest(suffix, _CONTAINERS) if suffix else str(destination.with_suffix(".mkv")),
        )
    return _CONTAINERS[suffix]


def check(info: ClipInfo, plan: EncoderPlan, destination: Path) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Make sure that a container takes the encoded video and every stream that is copied, by writing its header.

    Returns:
        Indices of data streams that FFmpeg cannot write at all and that are left out, and a note for each.

    Raises:
        MediaError: It does not; the message names the stream and the containers that do.
    """
    left_out, named = _unwritable(info, plan)
    refused = _refusal(info, replace(plan, left_out=left_out))
    if refused is None:
        return left_out, tuple(f"data stream {i} is left out: {destination.suffix} has no place for it" for i in named)
    none = "another encode.codec; h264 goes into .mkv, .mp4, .mov and .ts"
    fit = [s for s in _OFFERED if _refusal(info, replace(plan, container=_CONTAINERS[s], left_out=left_out)) is None]
    raise MediaError(
        str(destination),
        expected=f"a container that holds {plan.codec} and all of {info.path.name}",
        got=f"{destination.suffix}: {refused}",
        hint=f"an output that ends in {' or '.join(fit)}" if fit else none,
    )


def _unwritable(info: ClipInfo, plan: EncoderPlan) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Streams of data without a codec's name that the container refuses; and those of them that are then lost.

    MP4 and MOV keep the titles of chapters and the time code in such streams; both are written anew from the tags.
    """
    with open_video(info.path, info.video_index) as (source, _):
        unnamed = {s.index: s for s in source.streams if s.type == "data" and s.name in _UNNAMED_DATA}
        chapters = bool(source.chapters())
        anew = {i for i, s in unnamed.items() if (chapters and s.name == "bin_data") or "timecode" in s.metadata}
        # MOV takes the header of a copied time code beside the one it writes itself, and then none of its packets.
        told = plan.container in MP4 and "timecode" in {*source.metadata, *source.streams[info.video_index].metadata}
        twice = {i for i, s in unnamed.items() if told and "timecode" in s.metadata}
    refused = tuple(i for i in unnamed if i in twice or _header_error(info, plan, only=(i,)) is not None)
    return refused, tuple(i for i in refused if i not in anew)


def _refusal(info: ClipInfo, plan: EncoderPlan) -> str | None:
    """Why a container cannot take the clip; None when it can."""
    broken = _rule_broken(info, plan)
    if broken or (error := _header_error(info, plan)) is None:
        return broken
    if (alone := _header_error(info, plan, only=())) is not None:
        made = plan.pictures(info)
        return f"it does not take {plan.codec} in {plan.pix_fmt} at {made.width}x{made.height} ({alone})"
    for stream in info.streams:
        if stream.index == info.video_index:
            continue
        if (error := _header_error(info, plan, only=(stream.index,))) is not None:
            return f"it does not take stream {stream.index}, {stream.kind} {stream.codec} {stream.note}".rstrip()
    return error


def _rule_broken(info: ClipInfo, plan: EncoderPlan) -> str | None:
    """What a container would take without complaint and lose."""
    name, codec = plan.container, plan.codec
    if (info.rotation or info.mirrored) and name not in (*MP4, *_MATROSKA):
        turned = f"turned by {info.rotation} degrees" if info.rotation else "mirrored"
        return f"it cannot say that the picture is to be {turned}"
    made = plan.pictures(info)
    shape = info.sar * Fraction(made.width, made.height)
    in_the_stream = codec in ("h264", "hevc") or (codec == "mpeg2video" and shape in _MPEG2_SHAPES)
    if info.sar != 1 and not in_the_stream and name not in MP4:
        return f"with {codec} it cannot say that the pixels are {info.sar.numerator}:{info.sar.denominator}"
    if name != "matroska" and any(s.kind == "attachment" for s in info.streams):
        return "it does not take attachments"
    if name not in ("matroska", "mp4") and _has_cover(info):
        return "it does not take cover pictures"
    if name == "avi":
        return _avi_rule(info, codec)
    return _mpegts_rule(info, plan) if name == "mpegts" else _negative_start(info)


def _has_cover(info: ClipInfo) -> bool:
    with open_video(info.path, info.video_index) as (source, _):
        return any(is_cover(s) for s in source.streams.video)


def _avi_rule(info: ClipInfo, codec: str) -> str | None:
    if codec != "ffv1":
        return f"it keeps no presentation times, which {codec} needs"
    times = frame_pts(info)
    step = 1 / info.rate / info.time_base
    if any(pts != round(i * step) for i, pts in enumerate(times)):
        return "it keeps no times, only a constant rate from 0"
    return None


def _mpegts_rule(info: ClipInfo, plan: EncoderPlan) -> str | None:
    if plan.codec not in _MPEGTS_CODECS:
        return f"it has no place for {plan.codec}"
    copied = [s for s in info.streams if s.index != info.video_index and s.index not in plan.left_out]
    wrong = next((s for s in copied if s.codec not in _MPEGTS_CODECS), None)
    return f"it has no place for stream {wrong.index}, {wrong.kind} {wrong.codec}" if wrong else None


def _negative_start(info: ClipInfo) -> str | None:
    with open_video(info.path, info.video_index) as (_, stream):
        start = stream.start_time
    return f"it cannot hold times before 0, and the video begins at {start} ticks" if start and start < 0 else None


def _header_error(info: ClipInfo, plan: EncoderPlan, only: Collection[int] | None = None) -> str | None:
    """Write the header into memory, with all streams or with ``only`` these beside the video; the error if any."""
    with open_video(info.path, info.video_index) as (source, _):
        try:
            opened = open_output(io.BytesIO(), source, info, plan, only=only)
        except (av.error.FFmpegError, ValueError) as error:
            return reason(error)
        opened.container.close()
    return None
