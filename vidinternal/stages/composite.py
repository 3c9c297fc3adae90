"""Stage ``composite``: the fill put into the source's own planes, so that only samples under the mask change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from vidinternal.core.config import StrictModel
from vidinternal.media.composite import composite, touched
from vidinternal.media.fields import split, weave
from vidinternal.media.picture import NativeFrame, picture_format
from vidinternal.ops.masks import feather
from vidinternal.stages.artifacts import Box, Fill, MaskTrack, Patches
from vidinternal.stages.base import Scope, Stage, StageContext

if TYPE_CHECKING:
    from vidinternal.stages.decode import FrameSource


class Config(StrictModel):
    """How the fill meets the picture."""

    output: Literal["composite", "full"] = "composite"
    """``composite`` changes samples under the mask alone; ``full`` takes the method's whole output in the work area."""
    feather: int = Field(default=0, ge=0)
    """Pixels over which the fill fades in, inside the mask."""


def cross_fade(own: Fill, earlier: Fill | None, overlap: int, row: int) -> tuple[Tensor, float | None]:
    """The fill of one picture, faded over from the window before where both have it.

    Args:
        own: Fill of the window.
        earlier: Fill of the window before, or None.
        overlap: Leading pictures that the window before has too.
        row: Index of the picture within the window.

    Returns:
        ``3 h w`` inside ``own.box``, and the mean absolute difference of both fills in 8-bit codes where both exist.
    """
    if own.frames is None or own.box is None:
        raise ValueError("an empty fill has no frames to fade")
    frame = own.frames[row]
    if row >= overlap or earlier is None or earlier.frames is None or earlier.box is None:
        return frame, None
    y0, y1, x0, x1 = own.box
    v0, v1, u0, u1 = earlier.box
    top, bottom, left, right = max(y0, v0), min(y1, v1), max(x0, u0), min(x1, u1)
    before = earlier.frames[len(earlier.frames) - overlap + row][:, top - v0 : bottom - v0, left - u0 : right - u0]
    share = (row + 1) / (overlap + 1)
    blended = frame.clone()
    inner = blended[:, top - y0 : bottom - y0, left - x0 : right - x0]
    seam = float((inner - before).abs().mean()) * 255
    inner.mul_(share).add_(before, alpha=1 - share)
    return blended, seam


def cut_patch(
    changed: tuple[np.ndarray, ...], masks: tuple[np.ndarray, ...]
) -> tuple[tuple[int, int, np.ndarray] | None, ...]:
    """Keep of each plane the smallest rectangle around the touched samples."""
    patches: list[tuple[int, int, np.ndarray] | None] = []
    for plane, mask in zip(changed, masks, strict=True):
        if not mask.any():
            patches.append(None)
            continue
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        y, x = int(rows[0]), int(columns[0])
        patches.append((y, x, plane[y : rows[-1] + 1, x : columns[-1] + 1].copy()))
    return tuple(patches)


def on_canvas(inside: Tensor, box: Box, weight: np.ndarray) -> np.ndarray:
    """A fill ``3 h w`` laid at ``box`` into a black picture, ``3 H W``, of the size of its weights ``H W``."""
    y0, y1, x0, x1 = box
    canvas = np.zeros((3, *weight.shape), dtype=np.float32)
    canvas[:, y0:y1, x0:x1] = inside.numpy()
    return canvas


def patch(
    frames: FrameSource, native: NativeFrame, canvases: Sequence[np.ndarray], weights: Sequence[np.ndarray]
) -> tuple[tuple[int, int, np.ndarray] | None, ...]:
    """The changed samples of one frame, in its own planes as they are stored.

    Args:
        frames: The source.
        native: One of its frames.
        canvases: The fill of each of the frame's pictures, ``3 H W`` upright.
        weights: Their blend weights, ``H W`` upright.
    """
    turn, fmt = frames.turn, picture_format(frames.info.pix_fmt)
    changed, masks = [], []
    pictures = zip(split(native, frames.scan), frames.infos, canvases, weights, strict=True)
    for picture, info, canvas, weight in pictures:
        placed = turn.stored(weight)
        changed.append(composite(picture, turn.stored(canvas), placed, info).planes)
        masks.append(touched(placed > 0, fmt))
    return cut_patch(weave(changed, frames.scan), weave(masks, frames.scan))


class Composite(Stage):
    """Turns fills into changed samples."""

    name = "composite"
    scope = Scope.WINDOW
    summary = "Puts the fill into the source's own planes, cross-fades windows and measures their seam."
    reads = ("frames", "windows", "masks", "fill")
    writes = ("patches",)
    recalls = ("fill",)
    Config = Config

    def run(self, inputs: Mapping[str, Any], context: StageContext) -> Mapping[str, Any]:
        """Return ``patches`` of the frames this window owns."""
        window = context.this_window()
        track: MaskTrack = inputs["masks"]
        fill: Fill = inputs["fill"]
        if track.box is None or fill.frames is None:
            return {"patches": Patches({})}
        frames: FrameSource = inputs["frames"]
        owned, per = inputs["windows"].owned(window), frames.per_frame
        weights = self.weights(frames.masks(track.masks), track.box)
        patches, seams = {}, []
        for native in frames.native(owned.start, owned.stop):
            row = native.index - window.start
            mine = [weights[k, 0].numpy() for k in range(per * row, per * (row + 1))]
            if not any(weight.any() for weight in mine):
                continue
            faded = [cross_fade(fill, inputs["previous:fill"], per * window.overlap, per * row + k) for k in range(per)]
            canvases = [on_canvas(inside, track.box, weight) for (inside, _), weight in zip(faded, mine, strict=True)]
            patches[native.index] = patch(frames, native, canvases, mine)
            seams += [seam for _, seam in faded if seam is not None]
            context.progress((row + 1) / len(window), "composite")
        seam = sum(seams) / len(seams) if seams else None
        return {"patches": Patches(patches, seam, self.config.output == "full")}

    def weights(self, masks: Tensor, box: Box) -> Tensor:
        """Blend weights ``T 1 H W`` of pictures in [0, 1], zero where the source must stay."""
        if self.config.output == "full":
            y0, y1, x0, x1 = box
            weights = torch.zeros(masks.shape)
            weights[..., y0:y1, x0:x1] = 1.0
            return weights
        return feather(masks, self.config.feather)


STAGE = Composite
