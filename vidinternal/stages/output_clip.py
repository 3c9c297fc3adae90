"""The clip that is written where every picture is made anew, perhaps of another size, and pictures as frames of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from vidinternal.core.clip import ClipInfo
from vidinternal.core.errors import ConfigError
from vidinternal.media.color import color_model, to_planes
from vidinternal.media.fields import Scan, field_infos, scan_of, split, weave
from vidinternal.media.orientation import orientation
from vidinternal.media.picture import NativeFrame, PictureFormat, plane_shape, sample_dtype

if TYPE_CHECKING:
    from torch import Tensor

    from vidinternal.stages.base import Stage
    from vidinternal.stages.decode import FrameSource

LONGEST = 32768
"""Most rows or columns of a picture: OpenCV, x264 and most players go no further."""


def scan_in(chain: Sequence[Stage], info: ClipInfo) -> Scan:
    """How a pipeline takes the frames of a clip: as its stage ``decode`` is set, else by the clip's own marks."""
    decode = next((s for s in chain if s.name == "decode"), None)
    return scan_of(info) if decode is None else decode.scan(info)  # pyright: ignore[reportAttributeAccessIssue]


def written(chain: Sequence[Stage], info: ClipInfo) -> ClipInfo:
    """The clip that a pipeline writes: the source itself, or one of the size that is made.

    Args:
        chain: The pipeline's stages.
        info: The source.

    Raises:
        UserError: The settings ask for a size that cannot be.
    """
    maker = next((s for s in chain if s.remakes), None)
    return info if maker is None else maker.output(info, scan_in(chain, info))


def picture_size(info: ClipInfo, scan: Scan) -> tuple[int, int]:
    """Rows and columns of one picture as methods see it: upright, and a field where the clip is interlaced."""
    width, height = orientation(info).size(info.width, info.height // (1 if scan == "progressive" else 2))
    return height, width


def output_info(
    info: ClipInfo, size: tuple[int, int], scan: Scan = "progressive", where: str = "upscale.scale"
) -> ClipInfo:
    """The clip to be written: the source with pictures of another size and everything else as it is.

    The size is kept to the pixel. Where chroma is subsampled and an encoder takes no odd sizes then, it is given a
    finer layout, and says so.

    Args:
        info: The source.
        size: Rows and columns of one picture, upright, as the method makes it.
        scan: How the source's frames are taken; a frame of two fields has twice the rows of one.
        where: The setting that the size comes from, for the error.

    Raises:
        ConfigError: The size is none, or over ``decode.max_pixels`` or :data:`LONGEST`.
    """
    rows, columns = size
    width, height = orientation(info).size(columns, rows)
    height *= 1 if scan == "progressive" else 2
    made = f"{columns}x{rows} from {info.path.name}"
    if min(width, height) < 1:
        raise ConfigError(where, expected="pictures of at least one pixel", got=made)
    if width * height > info.policy.max_pixels:
        raise ConfigError(
            where,
            expected=f"pictures of at most {info.policy.max_pixels} pixels (decode.max_pixels)",
            got=f"{made}, {width * height} pixels",
            hint=f"a smaller scale, or --set decode.max_pixels={width * height}",
        )
    if max(width, height) > LONGEST:
        raise ConfigError(where, expected=f"pictures of at most {LONGEST} pixels a side", got=made)
    return replace(info, width=width, height=height)


def whole_frame(
    pictures: Sequence[Tensor | np.ndarray], source: NativeFrame, frames: FrameSource, out: ClipInfo
) -> tuple[np.ndarray, ...]:
    """Pictures as one frame of the clip to be written, as it is stored.

    Args:
        pictures: ``3 H W`` RGB, upright, in order of time: one, or the two fields of an interlaced frame; values
            outside [0, 1] are clipped.
        source: The frame they were made from, whose alpha they keep, resized where the picture is.
        frames: The source.
        out: The clip to be, from :func:`output_info`.

    Returns:
        One plane of whole samples for each of the format.

    Raises:
        ValueError: A picture has another shape than ``out`` asks for, or holds something that is no number.
    """
    infos = field_infos(out, frames.scan)
    if len(pictures) != len(infos):
        raise ValueError(f"a frame has {len(infos)} pictures, not {len(pictures)}")
    fields = []
    for picture, own, info in zip(pictures, split(source, frames.scan), infos, strict=True):
        stored = frames.turn.stored(_array(picture))
        if stored.shape != (3, info.height, info.width):
            raise ValueError(f"a picture of {(3, info.height, info.width)} as it is stored, not {stored.shape}")
        if not np.isfinite(stored).all():
            raise ValueError("a picture of finite numbers, not of NaN or infinity")
        fields.append(_planes(stored.astype(np.float32), own, info))
    return weave(fields, frames.scan)


def _planes(stored: np.ndarray, source: NativeFrame, info: ClipInfo) -> tuple[np.ndarray, ...]:
    """Whole samples of one stored picture, with the alpha of what it was made from."""
    fmt = color_model(info).fmt
    top = (1 << fmt.depth) - 1
    planes = []
    for layout, plane, own in zip(fmt.planes, to_planes(stored.clip(0.0, 1.0), info), source.planes, strict=True):
        if layout.role == "a":
            planes.append(_resized(own, plane_shape(layout, info.width, info.height), fmt))
        else:
            planes.append(np.clip(np.rint(plane), 0, top).astype(sample_dtype(fmt)))
    return tuple(planes)


def _resized(plane: np.ndarray, shape: tuple[int, int], fmt: PictureFormat) -> np.ndarray:
    """A plane of coverage at another size: cubic up, the mean over what a sample stands for down."""
    if plane.shape == shape:
        return plane.copy()
    up = shape[0] >= plane.shape[0] and shape[1] >= plane.shape[1]
    how = cv2.INTER_CUBIC if up else cv2.INTER_AREA
    wide = cv2.resize(plane.astype(np.float32), shape[::-1], interpolation=how)
    return np.clip(np.rint(wide), 0, (1 << fmt.depth) - 1).astype(sample_dtype(fmt))


def layer_frame(pictures: Sequence[Tensor | np.ndarray], frames: FrameSource) -> np.ndarray:
    """A layer of one frame as it is kept: ``C H W`` uint16 of all 16 bits, upright.

    Args:
        pictures: ``C H W`` in [0, 1], upright, of each of the frame's pictures in order of time.
        frames: The source.
    """
    stored = [tuple(frames.turn.stored(_array(p))) for p in pictures]
    upright = frames.turn.upright(np.stack(weave(stored, frames.scan)))
    return np.ascontiguousarray(np.rint(upright.clip(0.0, 1.0).astype(np.float64) * 65535).astype(np.uint16))


def _array(picture: Tensor | np.ndarray) -> np.ndarray:
    given: Any = picture
    return given if isinstance(given, np.ndarray) else given.detach().cpu().float().numpy()
