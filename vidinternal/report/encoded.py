"""Pictures as the bytes that a page holds."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from vidinternal.core.errors import UsageError

QUALITY = 72
"""Of lossy WebP, 1 to 100."""


def webp(picture: np.ndarray, quality: int = QUALITY) -> bytes:
    """Encode ``H W 3`` RGB as lossy WebP."""
    return _encoded(".webp", picture, [cv2.IMWRITE_WEBP_QUALITY, quality])


def png(picture: np.ndarray) -> bytes:
    """Encode ``H W 3`` RGB or ``H W`` grey as PNG, as small as it gets."""
    return _encoded(".png", picture, [cv2.IMWRITE_PNG_COMPRESSION, 9])


def _encoded(suffix: str, picture: np.ndarray, options: Sequence[int]) -> bytes:
    ordered = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR) if picture.ndim == 3 else picture
    fine, data = cv2.imencode(suffix, ordered, options)
    if not fine:
        raise UsageError("picture of a page", expected="H W 3 or H W uint8", got=f"{picture.shape} {picture.dtype}")
    return data.tobytes()
