"""Images as people hold them, to pictures as methods see them, and back to the same type and kind."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vidinternal.core.errors import UsageError
from vidinternal.media.color import to_rgb
from vidinternal.media.orientation import orientation
from vidinternal.media.picture import picture_format
from vidinternal.media.probe import probe
from vidinternal.media.stills.clip import is_stills
from vidinternal.ops.imresize import imresize
from vidinternal.stages.decode import FrameSource

_KINDS = "H W, H W 1|2|3|4 or a clip T H W 1|2|3|4: grey, grey and alpha, RGB, RGB and alpha"
_TYPES = "uint8, uint16, or floats in [0, 1]"

Image = np.ndarray | Tensor | str | Path
"""An array, a tensor ``3 H W`` or ``T 3 H W``, or the path of an image file."""


@dataclass(frozen=True)
class Form:
    """What an image was, so that what becomes of it is the same.

    Attributes:
        dtype: Of its samples.
        channels: 0 for a plain ``H W``, else the last side.
        clip: Whether it has a time.
        tensor: Whether it was a tensor.
        alpha: ``T 1 h w`` in [0, 1]; None without.
    """

    dtype: np.dtype
    channels: int
    clip: bool
    tensor: bool = False
    alpha: Tensor | None = None

    def back(self, frames: Tensor) -> Any:
        """What was made, ``T C H W`` in [0, 1], in this form; C is 3, or 1 where it is a mask or a map.

        Grey stays grey, and alpha is kept, resized with the picture.
        """
        made = frames.mean(dim=1, keepdim=True) if self.channels in (0, 1, 2) else frames
        if self.channels >= 3 and made.shape[1] == 1:
            made = made.expand(-1, 3, -1, -1)
        if self.alpha is not None:
            size = (made.shape[-2], made.shape[-1])
            same = tuple(self.alpha.shape[-2:]) == size
            alpha = self.alpha if same else imresize(self.alpha, size=size).clamp(0, 1)
            made = torch.cat((made, alpha.to(made)), dim=1)
        if self.tensor:
            return made if self.clip else made[0]
        array = made.permute(0, 2, 3, 1).double().numpy()
        if self.dtype.kind == "u":
            top = np.iinfo(self.dtype).max
            array = np.rint(array.clip(0, 1) * top)
        array = array.astype(self.dtype)
        array = array[..., 0] if self.channels == 0 else array
        return array if self.clip else array[0]


def taken(image: Any, where: str) -> tuple[Tensor, Form]:
    """An image as ``T 3 h w`` float32 RGB in [0, 1], and its form.

    Raises:
        UsageError: It is none of the kinds and types known, or holds what is no picture.
        MediaError: The file cannot be read.
    """
    if isinstance(image, str | Path):
        return _from_file(Path(image), where)
    if isinstance(image, Tensor):
        return _from_tensor(image, where)
    if not isinstance(image, np.ndarray):
        expected = "an array, a tensor 3 H W, or the path of an image"
        raise UsageError(where, expected=expected, got=type(image).__name__, hint="numpy.asarray(image)")
    return _from_array(image, where)


def _from_array(image: np.ndarray, where: str) -> tuple[Tensor, Form]:
    plain = image.ndim == 2
    whole = image[..., None] if plain else image
    if whole.ndim not in (3, 4) or whole.shape[-1] not in (1, 2, 3, 4):
        raise UsageError(where, expected=_KINDS, got=f"shape {image.shape}")
    if not image.size:
        raise UsageError(where, expected="at least one pixel", got=f"shape {image.shape}")
    clip = whole.ndim == 4
    scaled = _scaled(whole if clip else whole[None], where)
    channels = scaled.shape[-1]
    tensor = torch.from_numpy(scaled).permute(0, 3, 1, 2)
    alpha = tensor[:, -1:].clone() if channels in (2, 4) else None
    colour = tensor[:, :3] if channels >= 3 else tensor[:, :1].expand(-1, 3, -1, -1)
    return colour.contiguous(), Form(image.dtype, 0 if plain else channels, clip, alpha=alpha)


def _scaled(image: np.ndarray, where: str) -> np.ndarray:
    """Samples as float32 in [0, 1]."""
    if image.dtype in (np.uint8, np.uint16):
        return (image / np.float64(np.iinfo(image.dtype).max)).astype(np.float32)
    if image.dtype.kind != "f":
        hint = "image.astype(numpy.uint8)" if image.dtype.kind in "iub" else ""
        raise UsageError(where, expected=_TYPES, got=str(image.dtype), hint=hint)
    if not np.isfinite(image).all():
        raise UsageError(where, expected="finite numbers", got="NaN or infinity")
    low, high = float(image.min()), float(image.max())
    if low < -1e-3 or high > 1 + 1e-3:
        hint = "image / 255" if high > 1 else "numpy.clip(image, 0, 1)"
        raise UsageError(where, expected=_TYPES, got=f"floats from {low:g} to {high:g}", hint=hint)
    return image.astype(np.float32).clip(0, 1)


def _from_tensor(image: Tensor, where: str) -> tuple[Tensor, Form]:
    clip = image.ndim == 4
    if image.ndim not in (3, 4) or image.shape[-3] != 3 or not image.is_floating_point() or not image.numel():
        got = f"{str(image.dtype).removeprefix('torch.')} {tuple(image.shape)}"
        raise UsageError(where, expected="a float tensor 3 H W or T 3 H W", got=got)
    plain = image.detach().cpu().float()
    frames = torch.from_numpy(_scaled((plain if clip else plain[None]).numpy(), where).copy())
    return frames, Form(np.dtype(np.float32), 3, clip, tensor=True)


def _from_file(path: Path, where: str) -> tuple[Tensor, Form]:
    info = probe(path)
    if not is_stills(path):
        raise UsageError(
            where,
            expected="an image file",
            got=f"{path}, a film",
            hint="vidinternal.run(pipeline, source, output) takes films",
        )
    source = FrameSource(info)
    if len(source) != 1:
        hint = "vidinternal.run(pipeline, source, output) takes animations and folders"
        raise UsageError(where, expected="one image", got=f"{path} with {len(source)}", hint=hint)
    native = next(source.native(0, 1))
    fmt = picture_format(info.pix_fmt)
    turn = orientation(info)
    frames = torch.from_numpy(np.ascontiguousarray(turn.upright(to_rgb(native, info)).astype(np.float32)))[None]
    cover = next((p for p, plane in zip(native.planes, fmt.planes, strict=True) if plane.role == "a"), None)
    alpha = None
    if cover is not None:
        shown = turn.upright(cover.astype(np.float32)[None] / ((1 << fmt.depth) - 1))
        alpha = torch.from_numpy(np.ascontiguousarray(shown))[None]
    channels = (1 if fmt.family == "gray" else 3) + (alpha is not None)
    dtype = np.dtype(np.uint8 if fmt.depth == 8 else np.uint16)
    return frames.clamp(0, 1), Form(dtype, 0 if channels == 1 else channels, clip=False, alpha=alpha)


def as_mask(mask: Any, like: Tensor, where: str) -> Tensor:
    """A mask, ``H W`` or ``T H W``, or the path of one, as ``T 1 h w`` float32, 1 where it is not 0.

    Args:
        mask: As given.
        like: The pictures that it must fit, ``T 3 h w``.
        where: For the error.

    Raises:
        UsageError: It is no mask, or of another size.
    """
    if isinstance(mask, str | Path):
        found, form = _from_file(Path(mask), where)
        solid = found if form.alpha is None else found * form.alpha
        array = np.asarray(solid.amax(dim=(0, 1)) > 0.5)
    else:
        array = np.asarray(mask)
    if array.dtype.kind not in "buif" or array.ndim not in (2, 3):
        raise UsageError(where, expected="an array H W or T H W", got=f"{array.dtype} {array.shape}")
    count, height, width = len(like), like.shape[-2], like.shape[-1]
    if array.shape not in ((height, width), (count, height, width)):
        expected = f"{(height, width)} or {(count, height, width)}, as the picture"
        raise UsageError(where, expected=expected, got=str(array.shape))
    inside = torch.from_numpy(np.ascontiguousarray(array != 0)).float()
    return inside.expand(count, height, width).unsqueeze(1).clone()
