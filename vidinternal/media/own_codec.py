"""Which codec writes a clip where none is asked for: the source's own, else the usual one, else any that fits."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import lru_cache

from vidinternal.core.clip import ClipInfo
from vidinternal.core.errors import ConfigError, UserError
from vidinternal.media.smart.gops import UnsafeError, scan
from vidinternal.media.source_facts import source_facts

USUAL = "h264"
_OTHERS = ("hevc", "vp9", "av1", "ffv1", "prores")


def source_codec(info: ClipInfo) -> str:
    """FFmpeg's name of the codec of the video; empty for images, which are files of their own."""
    return next((s.codec for s in info.streams if s.index == info.video_index), "")


def expected_codec(info: ClipInfo, known: Collection[str]) -> str:
    """The codec that is likely taken, without a look at the file: the source's own where ``known`` has it."""
    own = source_codec(info)
    return own if own in known and own != "mpeg2video" else USUAL


def own_refusal(info: ClipInfo, known: Mapping[str, tuple[str, ...]], *, smart: bool) -> str:
    """Why the source's codec is no choice at all; empty where it is one.

    MPEG-2 is, where pictures of it can be copied: all else it writes is large.

    Args:
        info: The source.
        known: Codecs and the encoders that this FFmpeg has of them.
        smart: Whether unchanged pictures are to be copied.
    """
    own = source_codec(info)
    if not known.get(own):
        return f"this FFmpeg has no encoder for {own}" if own in known else f"{own} is not written here"
    if own != "mpeg2video":
        return ""
    if not smart:
        return "nothing of it would be copied"
    stat = info.path.stat()
    return _mpeg2_refusal(info, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=16)
def _mpeg2_refusal(info: ClipInfo, size: int, changed: int) -> str:
    del size, changed  # they are here to be part of the cache's key
    try:
        if source_facts(info).interlaced:
            return "no group of interlaced pictures can be copied"
        unsafe = scan(info, "mpeg2video").unsafe
    except UnsafeError as error:
        unsafe = str(error)
    return f"none of its groups can be copied ({unsafe})" if unsafe else ""


def candidates(own: str, refusal: str, *, tuned: bool) -> tuple[str, ...]:
    """Codecs to try in order.

    Args:
        own: The source's codec.
        refusal: What :func:`own_refusal` says.
        tuned: Whether settings were given that each codec understands in its own way: then only the first two are
            tried, and a setting that neither takes is an error.
    """
    first = (USUAL,) if refusal else (own, USUAL)
    return tuple(dict.fromkeys(first if tuned else (*first, *_OTHERS)))


def told(codec: str, own: str, refusal: str, error: UserError | None) -> str:
    """A line that says why the codec is another; empty where it is the source's own."""
    if codec == own:
        return ""
    because = refusal
    if error is not None and not refusal:
        because = f"{error.where}={error.got}" if isinstance(error, ConfigError) else error.got or error.where
    return f"the video is written as {codec}, from {own or 'images'}" + (f": {because}" if because else "")
