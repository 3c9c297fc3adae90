"""Whether the bitrate of a source is a measure of its quality."""

from __future__ import annotations

from vidinternal.core.clip import ClipInfo
from vidinternal.media.stills.clip import is_stills
from vidinternal.media.stream import open_video

_RATE_SAYS_NOTHING = {
    "lossless": (
        "ffv1",
        "huffyuv",
        "ffvhuff",
        "utvideo",
        "png",
        "qtrle",
        "gif",
        "magicyuv",
        "lagarith",
        "flv1_lossless",
    ),
    "uncompressed": ("rawvideo", "v210", "v308", "v408", "v410", "r210", "bmp"),
    "intra-only": ("prores", "dnxhd", "mjpeg", "cfhd", "dvvideo", "jpeg2000", "mjpegb"),
}


def says_nothing(info: ClipInfo) -> str:
    """``ffv1, lossless`` and the like, or empty where the bitrate is a measure of quality."""
    if is_stills(info.path):
        return f"{info.streams[0].codec}, images"
    with open_video(info.path, info.video_index) as (_, stream):
        codec = stream.codec_context.codec.canonical_name
    kind = next((k for k, names in _RATE_SAYS_NOTHING.items() if codec in names or codec.startswith("pcm")), "")
    return f"{codec}, {kind}" if kind else ""
