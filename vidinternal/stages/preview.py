"""A first look while the work goes on: a strip of pictures in the workspace, replaced by better ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from torch import Tensor

from vidinternal.core.durable import aside

MOMENTS = 4
WIDTH = 480
"""Pixels of each picture of the strip, at most."""


def strip(before: Tensor, after: Tensor) -> np.ndarray:
    """``H W 3`` uint8 BGR: moments of the window from left to right, with the hole above and filled below.

    Args:
        before: ``T 3 H W`` RGB in [0, 1].
        after: The same, filled.
    """
    count = min(MOMENTS, len(before))
    moments = np.linspace(0, len(before) - 1, count).round().astype(int)
    rows = [np.hstack([_picture(frames[int(t)]) for t in moments]) for frames in (before, after)]
    return np.vstack(rows)


def _picture(frame: Tensor) -> np.ndarray:
    codes = (frame.detach().cpu().clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    height, width = codes.shape[:2]
    if width > WIDTH:
        codes = cv2.resize(codes, (WIDTH, round(height * WIDTH / width)), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(codes[:, :, ::-1])


def write_strip(path: Path, told: Callable[[str], None]) -> Callable[[Tensor, Tensor], None]:
    """What a method calls to show how far it is: writes ``path`` in one step; ``told`` hears of the first.

    A preview that cannot be written is left out: it must not cost the run.
    """
    shown = path.exists()

    def show(before: Tensor, after: Tensor) -> None:
        nonlocal shown
        done, png = cv2.imencode(".png", strip(before, after))
        if not done:
            return
        part = aside(path)
        try:
            part.write_bytes(png.tobytes())
            part.replace(path)
        except OSError as error:
            part.unlink(missing_ok=True)
            told(f"no preview: {error.strerror}")
            return
        if not shown:
            told(f"preview: {path}")
        shown = True

    return show
