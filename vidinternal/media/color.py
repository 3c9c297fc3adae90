"""Native samples to RGB and back, by the clip's own tags (ITU-T H.273); float32, nothing rounded.

A matrix is given by the luma weights ``Kr, Kb``: ``Y = Kr R + Kg G + Kb B``, ``Cb = (B - Y) / 2(1 - Kb)``,
``Cr = (R - Y) / 2(1 - Kr)`` (H.273, 8.3). Transfer functions are left alone: RGB here is as non-linear as the file's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np

from vidinternal.core.clip import ClipInfo, ColorTags
from vidinternal.core.errors import MediaError
from vidinternal.media.picture import NativeFrame, PictureFormat, PlaneLayout, picture_format

_UNSPECIFIED, _IDENTITY = 2, 0
_BT709, _BT601 = (0.2126, 0.0722), (0.299, 0.114)
# BT.2020 with constant luminance (10) takes the weights of 9: the pair of conversions stays exact, and only what lies
# under a mask ever goes through both.
_WEIGHTS = {
    1: _BT709,
    4: (0.30, 0.11),
    5: _BT601,
    6: _BT601,
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
    10: (0.2627, 0.0593),
}
# Where a chroma sample lies over its block of luma samples, (across, down): 0 at the first, 0.5 centred, 1 at the last.
_SITINGS = {1: (0.0, 0.5), 2: (0.5, 0.5), 3: (0.0, 0.0), 4: (0.5, 0.0), 5: (0.0, 1.0), 6: (0.5, 1.0)}
# Our own codes for a field of an interlaced picture. Chroma line j lies over luma line 2j + v of the picture; fields
# take lines in turn, so that it lies v/2 down its block of the top field's lines, or (1 + v)/2 of the bottom field's.
_FIELD_CODES = (16, 32)
_SITINGS |= {
    base + code: (x, (bottom + v) / 2)
    for bottom, base in enumerate(_FIELD_CODES)
    for code, (x, v) in tuple(_SITINGS.items())
}


@dataclass(frozen=True)
class ColorModel:
    """How the samples of a clip stand for colours.

    Attributes:
        fmt: Layout of the samples.
        weights: ``Kr, Kb``; None where the planes are G, B, R themselves.
        full: Full range; else limited (16 to 235 and 16 to 240 at 8 bit).
        siting: Place of a chroma sample across and down its block, 0 to 1.
    """

    fmt: PictureFormat
    weights: tuple[float, float] | None
    full: bool
    siting: tuple[float, float]

    @property
    def peak(self) -> int:
        """Largest code."""
        return (1 << self.fmt.depth) - 1

    def scale(self, role: str) -> tuple[float, float]:
        """Code of zero and codes per unit, for the plane ``role``; alpha is always full range."""
        chroma = role in "uv" and self.weights is not None
        step = 1 << (self.fmt.depth - 8)
        zero = 128 * step if chroma else 0 if self.full or role == "a" else 16 * step
        span = self.peak if self.full or role == "a" else (224 if chroma else 219) * step
        return float(zero), float(span)


def field_color(info: ClipInfo, *, bottom: bool) -> ColorTags:
    """Tags of one field of an interlaced clip: the clip's, its chroma where the field has it, its matrix told.

    An untagged matrix follows from the height of the whole picture, which a field no longer shows.
    """
    location = info.color.chroma_location if info.color.chroma_location in _SITINGS else 1
    matrix = _matrix(info, picture_format(info.pix_fmt))
    return replace(info.color, matrix=matrix, chroma_location=_FIELD_CODES[bottom] + location)


def _matrix(info: ClipInfo, fmt: PictureFormat) -> int:
    """Code of the matrix to go by. RGB cannot be subsampled, nor have one plane: the tag of it is then a mistake."""
    matrix = info.color.matrix
    whole = fmt.family != "gray" and all(p.x_shift == p.y_shift == 0 for p in fmt.planes)
    if matrix == _UNSPECIFIED or (matrix == _IDENTITY and not whole):
        return 1 if info.height >= 720 else 6
    return matrix


@lru_cache(maxsize=16)
def color_model(info: ClipInfo) -> ColorModel:
    """Read the tags; what is untagged follows the rules players use.

    Untagged matrix: BT.709 from 720 lines up, else BT.601. Untagged range: limited for YUV, full for RGB, grey and the
    ``yuvj`` formats. Untagged chroma location: left.

    Raises:
        MediaError: The matrix is none of the supported ones.
    """
    fmt = picture_format(info.pix_fmt)
    full = info.color.full_range
    if full is None:
        full = fmt.family != "yuv" or fmt.name.startswith("yuvj")
    siting = _SITINGS.get(info.color.chroma_location, _SITINGS[1])
    return ColorModel(fmt, _weights(info, fmt), full, siting)


def _weights(info: ClipInfo, fmt: PictureFormat) -> tuple[float, float] | None:
    if fmt.family == "rgb":
        return None
    matrix = _matrix(info, fmt)
    if matrix == _IDENTITY:
        return None
    if fmt.family == "gray":
        return _WEIGHTS.get(matrix, _BT601)
    if matrix not in _WEIGHTS:
        raise MediaError(
            f"{info.path}: colour matrix {matrix}",
            expected=f"one of the H.273 codes {', '.join(map(str, sorted((_IDENTITY, _UNSPECIFIED, *_WEIGHTS))))}",
            got=str(matrix),
            hint="ffmpeg -i INPUT -vf scale=out_color_matrix=bt709 -colorspace bt709 -c:v ffv1 converted.mkv",
        )
    return _WEIGHTS[matrix]


def to_rgb(frame: NativeFrame, info: ClipInfo) -> np.ndarray:
    """Convert a picture to RGB; chroma is up-sampled bilinearly at its place.

    Args:
        frame: The picture, in the clip's format; its alpha is ignored.
        info: The clip.

    Returns:
        ``3 H W`` float32 in [0, 1].

    Raises:
        MediaError: The clip's matrix or format is not supported.
    """
    model = color_model(info)
    unit = _units(frame, model)
    if "y" not in unit or model.weights is None:
        red, green, blue = ("v", "y", "u") if "y" in unit else ("r", "g", "b")
        return np.clip(np.stack([unit[red], unit[green], unit[blue]]), 0.0, 1.0)
    y = unit["y"]
    rgb = np.empty((3, *y.shape), dtype=np.float32)
    if model.fmt.family == "gray":
        rgb[:] = y
        return np.clip(rgb, 0.0, 1.0, out=rgb)
    kr, kb = model.weights
    kg = 1.0 - kr - kb
    cb, cr = unit["u"], unit["v"]
    np.multiply(cr, 2 * (1 - kr), out=rgb[0])
    np.multiply(cb, 2 * (1 - kb), out=rgb[2])
    np.multiply(rgb[0], -kr / kg, out=rgb[1])
    rgb[1] -= rgb[2] * np.float32(kb / kg)
    rgb += y
    return np.clip(rgb, 0.0, 1.0, out=rgb)


def _units(frame: NativeFrame, model: ColorModel) -> dict[str, np.ndarray]:
    """Planes without alpha as ``H W`` float32 units: 0 to 1, chroma -0.5 to 0.5."""
    height, width = frame.planes[_full_plane(model.fmt)].shape
    found = {}
    for layout, plane in zip(model.fmt.planes, frame.planes, strict=True):
        if layout.role == "a":
            continue
        zero, span = model.scale(layout.role)
        samples = plane.astype(np.float32)
        samples -= np.float32(zero)
        samples *= np.float32(1.0 / span)
        found[layout.role] = _enlarge(samples, layout, (height, width), model.siting)
    return found


def _full_plane(fmt: PictureFormat) -> int:
    return next(i for i, p in enumerate(fmt.planes) if p.x_shift == p.y_shift == 0 and p.role != "a")


def luma(frame: NativeFrame, info: ClipInfo) -> np.ndarray:
    """Brightness as ``H W`` float32 in [0, 1], whatever the format and range; for masks.

    Raises:
        MediaError: The clip's matrix or format is not supported.
    """
    model = color_model(info)
    if model.weights is None:
        red, green, blue = to_rgb(frame, info)
        kr, kb = _BT709
        return kr * red + (1 - kr - kb) * green + kb * blue
    zero, span = model.scale("y")
    plane = frame.planes[_full_plane(model.fmt)].astype(np.float32)
    return np.clip((plane - np.float32(zero)) / np.float32(span), 0.0, 1.0)


def to_planes(rgb: np.ndarray, info: ClipInfo) -> tuple[np.ndarray, ...]:
    """Convert RGB to the clip's planes; the inverse of :func:`to_rgb` up to the bandwidth of the chroma.

    Args:
        rgb: ``3 H W`` in [0, 1].
        info: The clip.

    Returns:
        One float32 plane per plane of the format, in sample units, not rounded; an alpha plane is opaque.

    Raises:
        MediaError: The clip's matrix or format is not supported.
    """
    model = color_model(info)
    parts = components(rgb, model)
    planes = []
    for layout in model.fmt.planes:
        zero, span = model.scale(layout.role)
        planes.append(shrink(parts[layout.role], layout, model.siting) * np.float32(span) + np.float32(zero))
    return tuple(planes)


def components(rgb: np.ndarray, model: ColorModel) -> dict[str, np.ndarray]:
    """Unit components ``H W`` by role at full resolution: 0 to 1, chroma -0.5 to 0.5, alpha 1."""
    red, green, blue = np.asarray(rgb, dtype=np.float32)
    opaque = np.ones_like(red)
    if model.fmt.family == "rgb":
        return {"r": red, "g": green, "b": blue, "a": opaque}
    if model.weights is None:
        return {"y": green, "u": blue, "v": red, "a": opaque}
    kr, kb = model.weights
    y = np.float32(kr) * red + np.float32(1 - kr - kb) * green + np.float32(kb) * blue
    if model.fmt.family == "gray":
        return {"y": y, "a": opaque}
    return {"y": y, "u": (blue - y) / np.float32(2 * (1 - kb)), "v": (red - y) / np.float32(2 * (1 - kr)), "a": opaque}


def _enlarge(samples: np.ndarray, layout: PlaneLayout, size: tuple[int, int], place: tuple[float, float]) -> np.ndarray:
    """Bilinear up-sampling to ``size``; beyond the outermost samples their value holds."""
    if layout.x_shift == 0 and layout.y_shift == 0:
        return samples
    across, down = 1 << layout.x_shift, 1 << layout.y_shift
    inverse = np.array(
        [[1 / across, 0, -place[0] * (across - 1) / across], [0, 1 / down, -place[1] * (down - 1) / down]], np.float64
    )
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(samples, inverse, size[::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE)


def shrink(samples: np.ndarray, layout: PlaneLayout, siting: tuple[float, float]) -> np.ndarray:
    """Down-sampling that keeps linear ramps in place: a box for centred samples, a tent for samples on luma."""
    if layout.y_shift:
        samples = _shrink_rows(samples, layout.y_shift, siting[1])
    if layout.x_shift:
        samples = _shrink_rows(samples.T, layout.x_shift, siting[0]).T
    return np.ascontiguousarray(samples)


def _shrink_rows(samples: np.ndarray, shift: int, place: float) -> np.ndarray:
    factor = 1 << shift
    count = -(-len(samples) // factor)
    if place not in (0.0, 0.5, 1.0):  # a field's: half way between two that are known keeps a ramp in place too
        below, above = (0.0, 0.5) if place < 0.5 else (0.5, 1.0)
        share = (place - below) / 0.5
        return _shrink_rows(samples, shift, below) * np.float32(1 - share) + _shrink_rows(
            samples, shift, above
        ) * np.float32(share)
    if place == 0.5:
        taps, first = np.full(factor, 1 / factor), 0
    else:
        ramp = np.arange(1, factor + 1)
        taps = np.concatenate([ramp, ramp[-2::-1]]) / factor**2
        first = round(place * (factor - 1)) - (factor - 1)
    after = first + len(taps) + factor * (count - 1) - len(samples)
    padded = np.pad(samples, ((-first, max(after, 0)), (0, 0)), mode="edge")
    total = np.zeros((count, samples.shape[1]), dtype=np.float32)
    for offset, tap in enumerate(taps):
        total += padded[offset : offset + factor * (count - 1) + 1 : factor] * np.float32(tap)
    return total
