"""Stage ``composite``: the fill put into the source's own planes, so that only samples under the mask change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from vidinternal.core.clip import ClipInfo, Window
from vidinternal.core.config import StrictModel
from vidinternal.media.composite import composite, touched
from vidinternal.media.picture import NativeFrame, picture_format
from vidinternal.ops.masks import feather
from vidinternal.stages.artifacts import Fill, MaskTrack, Patches
from vidinternal.stages.base import Scope, Stage, StageContext


class Config(StrictModel):
    """How the fill meets the picture."""

    output: Literal["composite", "full"] = "composite"
    """``composite`` changes samples under the mask alone; ``full`` takes the method's whole output in the work area."""
    feather: int = Field(default=0, ge=0)
    """Pixels over which the fill fades in, inside the mask."""


def cross_fade(own: Fill, earlier: Fill | None, window: Window, row: int) -> tuple[Tensor, float | None]:
    """The fill of one frame, faded over from the window before where both have it.

    Args:
        own: Fill of the window.
        earlier: Fill of the window before, or None.
        window: The window.
        row: Index of the frame within the window.

    Returns:
        ``3 h w`` inside ``own.box``, and the mean absolute difference of both fills in 8-bit codes where both exist.
    """
    if own.frames is None or own.box is None:
        raise ValueError("an empty fill has no frames to fade")
    frame = own.frames[row]
    if row >= window.overlap or earlier is None or earlier.frames is None or earlier.box is None:
        return frame, None
    y0, y1, x0, x1 = own.box
    v0, v1, u0, u1 = earlier.box
    top, bottom, left, right = max(y0, v0), min(y1, v1), max(x0, u0), min(x1, u1)
    before = earlier.frames[len(earlier.frames) - window.overlap + row][
        :, top - v0 : bottom - v0, left - u0 : right - u0
    ]
    share = (row + 1) / (window.overlap + 1)
    blended = frame.clone()
    inner = blended[:, top - y0 : bottom - y0, left - x0 : right - x0]
    seam = float((inner - before).abs().mean()) * 255
    inner.mul_(share).add_(before, alpha=1 - share)
    return blended, seam


def cut_patch(changed: NativeFrame, masks: tuple[np.ndarray, ...]) -> tuple[tuple[int, int, np.ndarray] | None, ...]:
    """Keep of each plane the smallest rectangle around the touched samples."""
    patches: list[tuple[int, int, np.ndarray] | None] = []
    for plane, mask in zip(changed.planes, masks, strict=True):
        if not mask.any():
            patches.append(None)
            continue
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        y, x = int(rows[0]), int(columns[0])
        patches.append((y, x, plane[y : rows[-1] + 1, x : columns[-1] + 1].copy()))
    return tuple(patches)


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
        owned = inputs["windows"].owned(window)
        weights = self.weights(track)
        patches, seams = {}, []
        for native in inputs["frames"].native(owned.start, owned.stop):
            row = native.index - window.start
            weight = weights[row, 0].numpy()
            if not weight.any():
                continue
            inside, seam = cross_fade(fill, inputs["previous:fill"], window, row)
            patches[native.index] = self.patch(native, inside, weight, track, context.info)
            seams += [] if seam is None else [seam]
            context.progress((row + 1) / len(window), "composite")
        return {"patches": Patches(patches, sum(seams) / len(seams) if seams else None)}

    def weights(self, track: MaskTrack) -> Tensor:
        """Blend weights ``T 1 H W`` in [0, 1], zero where the source must stay."""
        if self.config.output == "full" and track.box is not None:
            y0, y1, x0, x1 = track.box
            weights = torch.zeros(track.masks.shape)
            weights[..., y0:y1, x0:x1] = 1.0
            return weights
        return feather(track.masks, self.config.feather)

    def patch(
        self, native: NativeFrame, inside: Tensor, weight: np.ndarray, track: MaskTrack, info: ClipInfo
    ) -> tuple[tuple[int, int, np.ndarray] | None, ...]:
        """The changed samples of one frame."""
        if track.box is None:
            raise ValueError("nothing is masked in this window, so there is no patch to make")
        y0, y1, x0, x1 = track.box
        canvas = np.zeros((3, info.height, info.width), dtype=np.float32)
        canvas[:, y0:y1, x0:x1] = inside.numpy()
        changed = composite(native, canvas, weight, info)
        return cut_patch(changed, touched(weight > 0, picture_format(info.pix_fmt)))


STAGE = Composite
