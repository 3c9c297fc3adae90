"""Small sound files of many containers and codecs, to be broken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from tests import media_made

_X264 = {"codec": "libx264", "options": {"crf": "30", "g": "4", "preset": "ultrafast"}}
_MPEG2 = {"codec": "mpeg2video", "rate": Fraction(25)}
_VP8 = {"codec": "libvpx", "options": {"deadline": "realtime"}}

MEDIA: Mapping[str, Mapping[str, Any]] = {
    "sound.mp4": {**_X264, "audio_tracks": 1},
    "plain.mov": _X264,
    "phone.3gp": _X264,
    "turned.mp4": {**_X264, "rotation": 90},
    "many.mkv": {**_X264, "audio_tracks": 1, "subtitles": 1, "chapters": True, "attachment": True},
    "ffv1.mkv": {"codec": "ffv1", "options": {"level": "3", "slicecrc": "1"}},
    "ten_bit.mkv": {"codec": "ffv1", "pix_fmt": "yuv422p10le"},
    "hevc.mkv": {"codec": "libx265", "size": (64, 64)},
    "vp9.webm": {"codec": "libvpx-vp9", "options": {"deadline": "realtime"}},
    "vp8.webm": _VP8,
    "av1.mkv": {"codec": "libsvtav1", "options": {"preset": "10", "svtav1-params": "lp=1"}, "size": (64, 64)},
    "mpeg4.avi": {"codec": "mpeg4"},
    "mjpeg.avi": {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
    "h264.ts": {**_X264, "time_base": Fraction(1, 90000)},
    "mpeg2.ts": {**_MPEG2, "time_base": Fraction(1, 25)},
    "mpeg2.mpg": {**_MPEG2, "time_base": Fraction(1, 25)},
    "mpeg2.mxf": {**_MPEG2, "time_base": Fraction(1, 25)},
    "prores.mov": {"codec": "prores_ks", "pix_fmt": "yuv422p10le"},
    "rle.mov": {"codec": "qtrle", "pix_fmt": "rgb24"},
    "moving.apng": {"codec": "apng", "pix_fmt": "rgb24"},
    "raw.h264": _X264,
    "raw.hevc": {"codec": "libx265", "size": (64, 64)},
    "raw.ivf": _VP8,
    "old.flv": {"codec": "flv"},
    "vp8.ogg": _VP8,
    "wmv2.wmv": {"codec": "wmv2"},
    "ffv1.nut": {"codec": "ffv1"},
}
"""Recipes by file name, as :func:`tests.media_made.clip` takes them; GIF and Y4M are written beside them."""


@dataclass(frozen=True)
class Seed:
    """A sound file.

    Attributes:
        name: Its name; the suffix matters to some readers.
        data: Its bytes.
    """

    name: str
    data: bytes


def media(folder: Path) -> tuple[Seed, ...]:
    """Write every sound clip into a folder and return them all."""
    paths = [media_made.clip(folder / name, **{"size": (48, 32), "frames": 6, **kw}) for name, kw in MEDIA.items()]
    paths += [_gif(folder / "moving.gif"), _y4m(folder / "raw.y4m"), _still(folder / "still.png")]
    return tuple(Seed(p.name, p.read_bytes()) for p in paths)


def masks(folder: Path) -> tuple[Seed, ...]:
    """Write every sound mask into a folder and return them all."""
    paths = [_still(folder / f"mask{suffix}") for suffix in (".png", ".jpg", ".bmp", ".tif", ".webp")]
    paths.append(media_made.clip(folder / "mask.mkv", size=(48, 32), frames=4, pix_fmt="gray"))
    paths.append(media_made.clip(folder / "mask.mp4", size=(48, 32), frames=4, **_X264))
    deep = np.zeros((32, 48), np.uint16)
    deep[8:20, 10:30] = 65535
    for name in ("deep.png", "deep.tif"):
        cv2.imwrite(str(folder / name), deep)
        paths.append(folder / name)
    return tuple(Seed(p.name, p.read_bytes()) for p in paths)


def _drawing(shift: int = 0) -> np.ndarray:
    picture = np.zeros((32, 48, 3), np.uint8)
    picture[8:20, 10 + shift : 30 + shift] = 255
    return picture


def _gif(path: Path) -> Path:
    first, *rest = [Image.fromarray(_drawing(k)) for k in range(5)]
    first.save(path, save_all=True, append_images=rest, duration=40)
    return path


def _y4m(path: Path) -> Path:
    head = b"YUV4MPEG2 W48 H32 F25:1 Ip A1:1 C420jpeg\n"
    path.write_bytes(head + b"".join(b"FRAME\n" + bytes([40 * k]) * (48 * 32 * 3 // 2) for k in range(4)))
    return path


def _still(path: Path) -> Path:
    cv2.imwrite(str(path), _drawing())
    return path
