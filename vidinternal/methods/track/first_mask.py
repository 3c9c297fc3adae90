"""From a hint to the object on its frame: GrabCut (``rother2004grabcut``) inside what the hint leaves open."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

from vidinternal.methods.track.features import Colours, flow, own_motion
from vidinternal.ops.objects.seeds import OBJECT, OTHER, Seed

_ROUNDS = 6
_EDGE = 0.06
"""Share of an outline's size along its inner border that is rather not the object."""
_AGAINST, _FOR = 0.1, 0.5
"""Evidence below which a pixel is rather not the object, and above which it surely is."""
_LEAST = 0.04
"""Share of the open part below which an answer is none."""
_UNCLEAR = "its colours do not part from the surroundings"
_PARTED = 0.25
"""Difference in likeness of colour below which that is told."""
_REACH = 0.15
"""Radius, as a share of the picture's height, of what a point alone may mean."""


def first_mask(
    picture: np.ndarray, seed: Seed, before: np.ndarray | None, beside: np.ndarray | None = None
) -> tuple[np.ndarray, str]:
    """How surely each pixel is the object.

    Args:
        picture: ``h w 3`` uint8 RGB of the hint's frame, as small as the object is followed.
        seed: The hint.
        before: ``h w`` float32, what other hints made of this frame; it is corrected where the hint only has points.
        beside: A neighbouring frame of the same shot, which tells what moves by itself; None where there is none.

    Returns:
        ``h w`` float32, 0 or 1, and what a person should know of it, or nothing.
    """
    height, width = picture.shape[:2]
    share = [_shrunk(seed.known == value, (height, width)) for value in (OBJECT, OTHER)]
    inside, outside = share[0] > 0.5, share[1] > 0.5
    # a point may be smaller than a pixel of the small picture
    if seed.corrects:
        inside, outside = share[0] > 0.1, share[1] > 0.1
    if seed.exact:
        return _kept_somewhere(inside, share[0]).astype(np.float32), ""
    labels = _start(inside, outside, seed.corrects, before)
    opened = labels != cv2.GC_BGD
    cut = _grab_cut(picture, labels) if seed.corrects else _vote(picture, labels, _evidence(picture, beside, ~outside))
    if cut is None or not _LEAST * opened.sum() <= cut.sum() <= 0.98 * opened.sum():
        if seed.corrects:
            return (inside | ((labels == cv2.GC_PR_FGD) & ~outside)).astype(np.float32), ""
        told = f"{_UNCLEAR}: the shape of the hint itself was taken"
        return _oval(opened | inside).astype(np.float32), told
    found = _large_parts(cut, inside)
    told = "" if seed.corrects or _apart(picture, found, outside) > _PARTED else f"{_UNCLEAR}: look at its first mask"
    return found.astype(np.float32), told


def hints_of(seed: Seed, size: tuple[int, int]) -> Tensor:
    """A hint as ``1 1 h w`` float32 of that size: 1 inside, 0 outside, NaN unknown; points get the room of a pixel."""
    least = 0.1 if seed.corrects else 0.5
    found = np.full(size, np.nan, np.float32)
    for value, meaning in ((OTHER, 0.0), (OBJECT, 1.0)):
        found[_shrunk(seed.known == value, size) > least] = meaning
    return torch.from_numpy(found)[None, None]


def _apart(picture: np.ndarray, found: np.ndarray, outside: np.ndarray) -> float:
    """How much likelier the colours of what was found are inside it than around the hint."""
    colours = Colours()
    colours.learn(picture, found.astype(np.float32), 1.0)
    likeness = colours.likeness(picture)
    around = _grown(~outside, max(4, round(0.3 * float(np.sqrt((~outside).sum()))))) & outside
    return float(likeness[found].mean() - likeness[around].mean()) if around.any() and found.any() else 0.0


def _shrunk(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return cv2.resize(mask.astype(np.float32), (size[1], size[0]), interpolation=cv2.INTER_AREA)


def _kept_somewhere(mask: np.ndarray, share: np.ndarray) -> np.ndarray:
    """The mask, or for an object thinner than a pixel the pixels it touches."""
    return mask if mask.any() else share > 0


def _start(inside: np.ndarray, outside: np.ndarray, corrects: bool, before: np.ndarray | None) -> np.ndarray:
    """GrabCut's labels."""
    labels = np.full(inside.shape, cv2.GC_PR_FGD, np.uint8)
    if corrects and before is not None and (before > 0.5).any():
        labels[before <= 0.5] = cv2.GC_PR_BGD
        labels[~_grown(before > 0.5, max(4, round(0.3 * float(np.sqrt((before > 0.5).sum())))))] = cv2.GC_BGD
        labels[_grown(inside, max(3, round(0.03 * inside.shape[0])))] = cv2.GC_PR_FGD
    elif corrects:
        reach = max(3, round(_REACH * inside.shape[0]))
        labels[:] = cv2.GC_BGD
        labels[_grown(inside, 2 * reach)] = cv2.GC_PR_BGD
        labels[_grown(inside, reach)] = cv2.GC_PR_FGD
    else:
        opened = ~outside
        edge = max(1, round(_EDGE * float(np.sqrt(opened.sum()))))
        labels[_grown(outside, edge)] = cv2.GC_PR_BGD
    labels[outside] = cv2.GC_BGD
    labels[inside] = cv2.GC_FGD
    return labels


def _evidence(picture: np.ndarray, beside: np.ndarray | None, opened: np.ndarray) -> np.ndarray:
    """How far each pixel of the open part is like nothing around it, in colour and in motion, and in its middle."""
    colours, region = Colours(), opened.astype(np.float32)
    colours.learn(picture, region, 1.0)
    found = colours.likeness(picture)
    if beside is not None:
        found = found + 0.35 * (own_motion(flow(picture, beside), region) - 0.4)
    inner = cv2.distanceTransform(opened.astype(np.uint8), cv2.DIST_L2, 3)
    found = found + 0.4 * np.minimum(1, inner / max(1.0, float(inner.max())))
    return cv2.GaussianBlur(found.astype(np.float32), (0, 0), 1.2)


def _vote(picture: np.ndarray, labels: np.ndarray, evidence: np.ndarray) -> np.ndarray:
    """What most of five guesses say: three cuts that trust the evidence more and more, the evidence alone, an oval.

    A single cut may lose all of an object whose colours are also somewhere around it.
    """
    opened = labels != cv2.GC_BGD
    weak = opened & (evidence > _AGAINST)
    guesses = [_oval(opened), weak]
    for against, for_it in ((-np.inf, np.inf), (_AGAINST, np.inf), (_AGAINST, _FOR)):
        chosen = labels.copy()
        chosen[(labels == cv2.GC_PR_FGD) & (evidence < against)] = cv2.GC_PR_BGD
        chosen[opened & (evidence > for_it)] = cv2.GC_FGD
        cut = _grab_cut(picture, chosen)
        guesses.append(weak if cut is None or cut.sum() < _LEAST * opened.sum() else cut)
    hinted = labels == cv2.GC_FGD
    return hinted | (opened & (np.sum(guesses, axis=0) >= 3))


def _grab_cut(picture: np.ndarray, labels: np.ndarray) -> np.ndarray | None:
    """The cut, looked for near the open part; None where OpenCV finds no two kinds of pixels."""
    rows, columns = np.nonzero(labels != cv2.GC_BGD)
    if not len(rows):
        return None
    margin = max(8, round(0.5 * max(np.ptp(rows), np.ptp(columns))))
    part = (
        slice(max(0, rows.min() - margin), rows.max() + margin + 1),
        slice(max(0, columns.min() - margin), columns.max() + margin + 1),
    )
    chosen = np.ascontiguousarray(labels[part])
    if not (chosen % 2 == 1).any() or not (chosen % 2 == 0).any():
        return None
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(0)
    try:
        cv2.grabCut(np.ascontiguousarray(picture[part]), chosen, (0, 0, 1, 1), *models, _ROUNDS, cv2.GC_INIT_WITH_MASK)
    except cv2.error:
        return None
    found = np.zeros(labels.shape, bool)
    found[part] = chosen % 2 == 1
    return found


def _large_parts(mask: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The largest part and what is not much smaller, or was pointed at; small holes closed."""
    count, names, facts, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    areas = facts[1:, cv2.CC_STAT_AREA]
    keep = [k + 1 for k in range(count - 1) if areas[k] >= 0.15 * areas.max() or (wanted & (names == k + 1)).any()]
    kept = np.isin(names, keep).astype(np.uint8)
    return cv2.morphologyEx(kept, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)) > 0


def _oval(opened: np.ndarray) -> np.ndarray:
    """The oval inside a region's bounding box, where the region is."""
    rows, columns = np.nonzero(opened)
    drawn = np.zeros(opened.shape, np.uint8)
    centre = (int(columns.min() + columns.max()) // 2, int(rows.min() + rows.max()) // 2)
    axes = (max(1, int(np.ptp(columns)) // 2), max(1, int(np.ptp(rows)) // 2))
    cv2.ellipse(drawn, centre, axes, 0, 0, 360, 1, -1)
    return (drawn > 0) & opened


def _grown(mask: np.ndarray, radius: int) -> np.ndarray:
    element = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return cv2.dilate(mask.astype(np.uint8), element) > 0
