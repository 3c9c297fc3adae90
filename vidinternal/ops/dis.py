"""Dense Inverse Search optical flow (``kroeger2016fast``) through OpenCV, in this project's convention."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

from vidinternal.core.errors import UsageError
from vidinternal.ops.settings import DisPreset

SMALLEST_SIDE = 32
"""Pictures with a shorter side are continued to this size by repeating their border: OpenCV refuses sides below 12."""

_CODES: dict[str, int] = {
    "ultrafast": cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST,
    "fast": cv2.DISOPTICAL_FLOW_PRESET_FAST,
    "medium": cv2.DISOPTICAL_FLOW_PRESET_MEDIUM,
}


def dis_flow(source: Tensor, target: Tensor, preset: DisPreset = "medium") -> Tensor:
    """Flow of every pair: ``target(p + F(p)) ~ source(p)``.

    The pictures are taken as 8-bit luma. The result does not depend on the number of threads.

    Args:
        source: ``N 3 H W`` RGB in [0, 1].
        target: ``N 3 H W`` RGB in [0, 1].
        preset: Speed against accuracy.

    Returns:
        ``N 2 H W`` float32 pixels, x then y, on the device of ``source``.

    Raises:
        UsageError: The two differ in shape or are not ``N 3 H W``.
    """
    if source.ndim != 4 or source.shape[1] != 3 or source.shape != target.shape:
        raise UsageError(
            "dis_flow", expected="two tensors N 3 H W", got=f"{tuple(source.shape)} and {tuple(target.shape)}"
        )
    height, width = source.shape[-2:]
    if not len(source):
        return source.new_zeros((0, 2, height, width), dtype=torch.float32)
    engine = cv2.DISOpticalFlow.create(_CODES[preset])
    flows = []
    for first, second in zip(_luma(source), _luma(target), strict=True):
        # A fresh buffer each time: a given one would be taken as the start and tie a pair to the one before it.
        flow = engine.calc(first, second, None)  # pyright: ignore[reportCallIssue, reportArgumentType]
        flows.append(flow[:height, :width].transpose(2, 0, 1))
    return torch.from_numpy(np.stack(flows)).float().to(source.device)


def _luma(pictures: Tensor) -> list[np.ndarray]:
    """8-bit luma (BT.601) of ``N 3 H W``, its border repeated to the right and below up to the smallest side."""
    weights = pictures.new_tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    luma = (pictures * weights).sum(dim=1).clamp(0.0, 1.0).mul(255.0).round()
    pad = [max(0, SMALLEST_SIDE - side) for side in luma.shape[-2:]]
    gray = [np.ascontiguousarray(p) for p in luma.detach().to(torch.uint8).cpu().numpy()]
    return [cv2.copyMakeBorder(g, 0, pad[0], 0, pad[1], cv2.BORDER_REPLICATE) for g in gray] if any(pad) else gray
