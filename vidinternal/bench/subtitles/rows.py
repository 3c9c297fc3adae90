"""What subtitles are removed with today: the true box filled by cheap means; and the same means on what was found."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from vidinternal.bench.cases import make_case
from vidinternal.bench.score import case_flow
from vidinternal.bench.subtitles.cases import BurntCase, grown
from vidinternal.bench.subtitles.draw import Box
from vidinternal.core.contracts import FitContext, InpaintTask
from vidinternal.core.errors import UsageError
from vidinternal.core.seeds import branch
from vidinternal.methods import card, inpaint_method
from vidinternal.ops.resample import destroy


@dataclass(frozen=True)
class FoundEvent:
    """What a program says it found; see :class:`vidinternal.bench.subtitles.draw.Overlay`."""

    kind: str
    start: int
    end: int
    box: Box
    text: str | None = None


@dataclass(frozen=True)
class Removed:
    """What a row made of a case.

    Attributes:
        frames: ``T 3 h w`` float32 RGB inside the case's area.
        seconds: Wall time.
        masks: ``T H W`` bool, what it took for overlay; None where it was told.
        events: What it found; None where it was told.
        changed: Samples of the file that differ from the input's in frames without any overlay; None without a file.
        scan: Frames per second at which it looked for overlays; None where it was told.
        notes: What it says of itself.
    """

    frames: Tensor
    seconds: float
    masks: np.ndarray | None = None
    events: tuple[FoundEvent, ...] | None = None
    changed: int | None = None
    scan: float | None = None
    notes: tuple[str, ...] = field(default=())


def delogo(frame: np.ndarray, box: Box) -> np.ndarray:
    """Fill a box from its border as FFmpeg's filter of that name is described to.

    Every pixel is a mean of the four pixels just outside the box in its row and in its column, each weighed by one over
    its distance; sides that lie outside the picture give nothing.

    Args:
        frame: ``3 H W``.
        box: What to fill.

    Returns:
        ``3 H W``, a new array.
    """
    y0, y1, x0, x1 = box
    height, width = frame.shape[-2:]
    y, x = np.mgrid[y0:y1, x0:x1].astype(np.float32)
    total, weight = np.zeros((3, y1 - y0, x1 - x0), np.float32), np.zeros((y1 - y0, x1 - x0), np.float32)
    sides = (
        (y0 > 0, frame[:, max(0, y0 - 1), x0:x1][:, None, :], y - y0 + 1),
        (y1 < height, frame[:, min(height - 1, y1), x0:x1][:, None, :], y1 - y),
        (x0 > 0, frame[:, y0:y1, max(0, x0 - 1)][:, :, None], x - x0 + 1),
        (x1 < width, frame[:, y0:y1, min(width - 1, x1)][:, :, None], x1 - x),
    )
    for there, border, distance in sides:
        if there:
            total += border / distance
            weight += 1 / distance
    out = frame.copy()
    if weight.any():
        out[:, y0:y1, x0:x1] = total / weight
    return out


def box_delogo(case: BurntCase, seen: Tensor) -> Tensor:
    """Every true box by :func:`delogo`."""
    frames = seen.numpy().copy()
    top, _, left, _ = case.area
    shape = (frames.shape[-2], frames.shape[-1])
    for overlay in case.overlays:
        y0, y1, x0, x1 = grown(overlay.box, 2, case.size)
        box = grown((y0 - top, y1 - top, x0 - left, x1 - left), 0, shape)
        for index in range(overlay.start, overlay.end):
            frames[index] = delogo(frames[index], box)
    return torch.from_numpy(frames)


def filled(method: str, case: BurntCase, seen: Tensor, where: np.ndarray) -> Tensor:
    """What is masked by an inpainting method that does not train.

    Args:
        method: Its name.
        case: The case.
        seen: ``T 3 h w``, the input inside its area.
        where: ``T H W`` bool, what to fill.
    """
    y0, y1, x0, x1 = case.area
    masks = torch.from_numpy(where[:, None, y0:y1, x0:x1].copy())
    if not masks.any():
        return seen
    chosen = card(method, "inpaint")
    device = torch.device("cpu")
    flow = case_flow(make_case(case.name, seen, masks), chosen.flow_strides, device)
    context = FitContext(seed=branch(0, case.name), device=device)
    task = InpaintTask(destroy(seen, masks), masks, flow)
    result = inpaint_method(method).fill(task, chosen.config(), context)
    return torch.where(masks, result.frames.clamp(0, 1), seen)


def _filled(method: str) -> Callable[[BurntCase, Tensor], Tensor]:
    return lambda case, seen: filled(method, case, seen, case.boxes)


ROWS: dict[str, Callable[[BurntCase, Tensor], Tensor]] = {
    "box + Telea": _filled("telea"),
    "box + delogo": box_delogo,
    "box + temporal median": _filled("temporal_median"),
    "box + propagation": _filled("propagation"),
}
"""By name: each gets the case, of which it may use the true boxes, and the input inside its area, ``T 3 h w``."""

ON_FOUND = {"found + Telea": "telea", "found + propagation": "propagation"}
"""By name: methods that fill the pixels that the program found, so that what they know is what it knows."""

UNTOUCHED = "input"
"""The row that leaves everything as it is."""


def run_row(name: str, case: BurntCase, seen: Tensor, found: np.ndarray | None = None) -> Removed:
    """Run one of the cheap rows.

    Args:
        name: A key of :data:`ROWS` or :data:`ON_FOUND`, or :data:`UNTOUCHED`.
        case: Whose true boxes it gets.
        seen: ``T 3 h w`` float32 RGB, the lossy input inside the case's area.
        found: ``T H W`` bool, the pixels that the program found, for rows that are given these.

    Raises:
        UsageError: The row needs the program's pixels, and there are none.
    """
    began = time.monotonic()
    if name in ON_FOUND:
        if found is None:
            raise UsageError(f"row '{name}'", expected="what the program found", got="a program that failed")
        frames = filled(ON_FOUND[name], case, seen, found)
    else:
        frames = seen if name == UNTOUCHED else ROWS[name](case, seen)
    return Removed(frames, time.monotonic() - began)
