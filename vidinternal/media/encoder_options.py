"""The options an encoder gets, so that the same pictures make the same bytes whatever machine they are coded on."""

from __future__ import annotations

import cv2

from vidinternal.core.clip import ClipInfo
from vidinternal.media.picture import PictureFormat

_AVX_512F = 13  # OpenCV's number of it, which has no name in Python
# What these encoders make depends on how much is coded at once, which else follows the number of cores; FFmpeg's own
# of MPEG-2 cuts pictures into a slice for each thread.
_X264_THREADS, _X265_FRAMES = "6", "2"


def encoder_options(
    encoder: str, target: PictureFormat, crf: float | None, preset: str | None, *, lossless: bool
) -> dict[str, str]:
    """Options of an encoder.

    Args:
        encoder: FFmpeg's name of it.
        target: The layout it gets.
        crf: Constant quality, None where there is none.
        preset: Speed; None for the usual one.
        lossless: Whether to keep every sample, where the encoder has a switch for that.
    """
    quality = {} if crf is None else {"crf": f"{crf:g}"}
    full_chroma = any(p.role == "u" and p.x_shift == 0 for p in target.planes)
    x265 = f"log-level=error:frame-threads={_X265_FRAMES}"
    speed, options, without_loss = {
        # crf 0 is lossless at 8 bit only; qp 0 is at every depth
        "libx264": ({"preset": "medium"}, repeatable_x264(), {"qp": "0"}),
        "libx264rgb": ({"preset": "medium"}, repeatable_x264(), {"qp": "0"}),
        "libx265": ({"preset": "medium"}, {"x265-params": x265}, {"x265-params": f"{x265}:lossless=1"}),
        "libsvtav1": ({"preset": "6"}, {}, {"svtav1-params": "lossless=1"}),
        "libaom-av1": ({"cpu-used": "4"}, {"row-mt": "1"}, {"aom-params": "lossless=1"}),
        "libvpx-vp9": ({"cpu-used": "2"}, {"deadline": "good", "row-mt": "1", "b": "0"}, {"lossless": "1"}),
        "prores_ks": ({}, {"profile": "4444" if full_chroma else "hq", "vendor": "apl0"}, {}),
        "ffv1": ({}, {"level": "3", "g": "1", "slicecrc": "1"}, {}),
        # 236 is twice FFmpeg's unit of lambda: quantiser 2, the best that is of use
        "mpeg2video": ({}, {"flags": "+qscale", "global_quality": "236", "bf": "2", "g": "15", "threads": "1"}, {}),
    }[encoder]
    if preset is not None:
        speed = dict.fromkeys(speed, preset)
    return speed | options | (without_loss if lossless else quality)


def repeatable_x264() -> dict[str, str]:
    """Options without which x264 makes other bytes of the same pictures now and then.

    Its AVX-512 code for macroblock trees takes in memory that nobody wrote where a row of a picture with B frames is
    no whole number of its vectors. AVX2, which every processor with AVX-512 has, makes what all older ones make.
    """
    wide = {"x264-params": "asm=AVX2"} if cv2.checkHardwareSupport(_AVX_512F) else {}
    return {"threads": _X264_THREADS, **wide}


def without_slices(encoder: str, target: PictureFormat, info: ClipInfo) -> dict[str, str]:
    """Options for FFV1 without slices, where FFmpeg's lose columns of quartered chroma or do not fit into the picture.

    Version 1 has no slices, but no checksums and no marks of fields either.
    """
    x, y = (max(getattr(p, axis) for p in target.planes) for axis in ("x_shift", "y_shift"))
    astray = (x == 2 and info.width % 16 != 0) or (y == 2 and info.height % 16 != 0)
    if encoder != "ffv1" or not (astray or min(info.width, info.height) < 16):
        return {}
    return {"level": "1", "slicecrc": "0"}
