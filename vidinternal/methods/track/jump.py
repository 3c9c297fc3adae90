"""Flow of a small object that moves further than its own size, which a pyramid of flow loses in its surroundings."""

from __future__ import annotations

import cv2
import numpy as np

from vidinternal.methods.track.features import flow, sampled

_LEAST = 3.0
"""Pixels between the flow and the best match from which the match is tried."""
_EXPLAINED = 8.0
"""Mean error, in codes of 8 bits, up to which the flow is believed."""
_FURTHEST = 1.5
"""Longest way, in sizes of the object."""
_BETTER = 0.9
"""How far the error must fall for the match to be taken."""


def both_ways(before: np.ndarray, now: np.ndarray, belief: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Flow from one crop to the other and back.

    Where the object as a whole is found elsewhere than the flow says, the flow is estimated again from there, and the
    one that explains the object better is taken.

    Args:
        before: ``H W 3`` uint8 RGB.
        now: The same place of the other frame.
        belief: ``H W``, the object in ``before``.
    """
    there, back = flow(before, now), flow(now, before)
    inside = belief > 0.5
    if inside.sum() < 12:
        return there, back
    found = _error(before, now, there, inside)
    # where the flow explains the object there is nothing to look for, least of all another that looks the same
    shift = _match(before, now, inside) if found > _EXPLAINED else None
    if shift is None or np.hypot(*(shift - np.median(there[inside], axis=0))) < _LEAST:
        return there, back
    moved = _moved(now, -shift)
    again = flow(before, moved) + shift
    if _error(before, now, again, inside) > _BETTER * found:
        return there, back
    return again, _moved(flow(moved, before), shift) - shift


def _match(before: np.ndarray, now: np.ndarray, inside: np.ndarray) -> np.ndarray | None:
    """Where the object lies now as a whole, as x and y of its way; None where it fills the crop."""
    rows, columns = np.nonzero(inside)
    y0, y1, x0, x1 = rows.min(), rows.max() + 1, columns.min(), columns.max() + 1
    if y1 - y0 >= now.shape[0] or x1 - x0 >= now.shape[1]:
        return None
    template = before[y0:y1, x0:x1].astype(np.float32)
    mask = np.repeat(inside[y0:y1, x0:x1, None].astype(np.float32), 3, axis=2)
    errors = cv2.matchTemplate(now.astype(np.float32), template, cv2.TM_SQDIFF, mask=mask)
    if not np.isfinite(errors).all():
        return None
    rows, columns = np.mgrid[0 : errors.shape[0], 0 : errors.shape[1]].astype(np.float32)
    away = np.hypot(rows - y0, columns - x0) / float(np.sqrt(inside.sum()))
    _, _, (x, y), _ = cv2.minMaxLoc(np.where(away > _FURTHEST, np.inf, (errors + 1) * (1 + away)).astype(np.float32))
    return np.array([x - x0, y - y0], np.float32)


def _moved(picture: np.ndarray, shift: np.ndarray) -> np.ndarray:
    way = np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float32)
    size = (picture.shape[1], picture.shape[0])
    return cv2.warpAffine(picture, way, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _error(before: np.ndarray, now: np.ndarray, there: np.ndarray, inside: np.ndarray) -> float:
    apart = np.abs(before.astype(np.float32) - sampled(now.astype(np.float32), there))
    return float(apart[inside].mean())
