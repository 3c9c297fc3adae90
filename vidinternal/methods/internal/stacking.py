"""Convex weights of the generator's picture against the fused one, fitted on the held-out holes of the same window.

The generator knows what the whole clip looks like and wins where nothing was ever shown; the fusion has real pixels and
wins elsewhere. Picking one by its score fails often and costly, weighing does not. In bin ``b`` (which part of the
hole, shown by other frames or not, how far from the hole's border) the fill is ``sum_k w_bk C_k`` with ``w_bk >= 0``,
``sum_k w_bk = 1``: least squares on hidden known pixels, with a ridge towards the weights of the whole part, those
towards the weights of all parts, and those towards the fusion.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from scipy.optimize import nnls
from torch import Tensor

from vidinternal.core.contracts import Holdout

RIDGE = 0.02
"""Strength of the pull towards the common weights, as a share of the bin's energy."""
LEAST_PIXELS = 200
SMOOTHING = 5
"""Side of the box, pixels, over which weights are averaged so that bins leave no edges."""
DISTANCES = (3.0, 10.0)
"""Limits between near, middle and far from the hole's border, pixels."""
BINS = 2 * (len(DISTANCES) + 1)
"""Bins of each part."""


@dataclass(frozen=True)
class Stack:
    """Fitted weights.

    Attributes:
        names: Of the candidates.
        weights: ``B K``, a row for each bin of each part of the hole, part after part.
    """

    names: tuple[str, ...]
    weights: np.ndarray

    def common(self) -> dict[str, float]:
        """Mean weight of each candidate over the bins, for the record."""
        return {n: round(float(w), 3) for n, w in zip(self.names, self.weights.mean(axis=0), strict=True)}


def first_alone(names: tuple[str, ...], parts: int = 1) -> Stack:
    """Weights of 1 for the first candidate and 0 for the others, in every bin of so many parts."""
    return Stack(names, np.tile(np.eye(len(names))[0], (parts * BINS, 1)))


def bins(masks: Tensor, unseen: Tensor, parts: Tensor | None = None) -> Tensor:
    """Which weights a pixel gets: 0 near the hole's border, 1 middle, 2 far; 3 more where no other frame shows it.

    Args:
        masks: ``T 1 H W`` bool.
        unseen: ``T 1 H W`` bool.
        parts: ``T 1 H W``, which part of the hole a pixel belongs to: 6 more for each; None = they are one.

    Returns:
        ``T 1 H W`` int64; meaningful under ``masks`` alone.
    """
    depth = [cv2.distanceTransform(m[0].numpy().astype(np.uint8), cv2.DIST_L2, 5) for m in masks.cpu()]
    distance = torch.bucketize(torch.from_numpy(np.stack(depth)).unsqueeze(1), torch.tensor(DISTANCES))
    index = distance + (len(DISTANCES) + 1) * unseen.cpu()
    return index if parts is None else index + BINS * parts.cpu().long().clamp(min=0)


def convex(values: np.ndarray, truth: np.ndarray, towards: np.ndarray) -> np.ndarray:
    """Least-squares weights on the simplex with a ridge.

    Args:
        values: ``N K`` candidates.
        truth: ``N``.
        towards: ``K``, where the ridge pulls.

    Returns:
        ``K`` weights, not negative, of sum 1.
    """
    gram, right = values.T @ values, values.T @ truth
    # Errors, not energy, scale the ridge: candidates are alike, and so is most of their energy.
    spread = float(((values - truth[:, None]) ** 2).sum(axis=0).min()) + 1e-6
    pull = np.sqrt(RIDGE * spread) * np.eye(len(towards)) * np.sqrt(len(towards))
    root = np.linalg.cholesky(gram + 1e-9 * np.trace(gram) * np.eye(len(gram)) + 1e-12 * np.eye(len(gram)))
    target = np.linalg.solve(root, right)
    one = 1e3 * np.sqrt(np.trace(gram) + 1e-6)
    system = np.vstack((root.T, pull, one * np.ones((1, len(towards)))))
    weights, _ = nnls(system, np.concatenate((target, pull @ towards, [one])))
    return weights / weights.sum() if weights.sum() > 0 else towards


def fit_stack(candidates: Mapping[str, Tensor], index: Tensor, holdout: Holdout | None) -> Stack:
    """Fit the weights of every bin of every part; few pixels lean on the part's weights, and those on all parts'.

    Args:
        candidates: By name, ``T 3 H W``; the first is the one to trust without evidence.
        index: ``T 1 H W``, from :func:`bins`.
        holdout: The hidden known pixels; None, or too few of them, gives the first candidate alone where other frames
            show a pixel, and equal weights where none does.
    """
    names = tuple(candidates)
    parts = 1 + int(index.max()) // BINS
    weights = first_alone(names, parts).weights
    first = weights[0].copy()
    weights.reshape(parts, BINS, -1)[:, len(DISTANCES) + 1 :] = 1 / len(names)
    if holdout is None:
        return Stack(names, weights)
    chosen = holdout.masks.cpu()[:, 0]
    if chosen.sum() < LEAST_PIXELS:
        return Stack(names, weights)
    values = np.stack([c.permute(0, 2, 3, 1)[chosen].double().numpy() for c in candidates.values()], axis=-1)
    truth = holdout.truth.cpu().permute(0, 2, 3, 1)[chosen].double().numpy()
    where = index[:, 0][chosen].numpy()

    def fitted(mine: np.ndarray, towards: np.ndarray) -> np.ndarray:
        if mine.sum() < LEAST_PIXELS:
            return towards
        return convex(values[mine].reshape(-1, len(names)), truth[mine].reshape(-1), towards)

    every = fitted(np.ones(len(where), dtype=bool), first)
    for part in range(parts):
        common = every if parts == 1 else fitted(where // BINS == part, every)
        for b in range(part * BINS, (part + 1) * BINS):
            weights[b] = fitted(where == b, common)
    return Stack(names, weights)


def held_back(stack: Stack, doubt: Sequence[float], wandered: Sequence[float]) -> Stack:
    """Lower the weights of all but the first candidate in parts that are unlike the copies where they were learned.

    What a generator is worth was learned on copies of the hole, where the fusion may be worse than in the real one: as
    many times as what it was fused from agrees better there, the weights fall. And where the generator's picture still
    moves from look to look more than in the copies, nothing ties it down there, and the weights fall by as much.

        w <- w min(1, s) / max(1, u)

    Args:
        stack: The weights.
        doubt: For every part, ``s``, mean variance of what was fused in the real hole, as a multiple of that in its
            copies.
        wandered: ``u``, the same of the squared distance between the generator's pictures at two looks.
    """
    weights = stack.weights.copy()
    for part, (s, u) in enumerate(zip(doubt, wandered, strict=True)):
        rows = weights[part * BINS : (part + 1) * BINS]
        rows[:, 1:] *= min(1.0, s) / max(1.0, u)
        rows[:, 0] = 1 - rows[:, 1:].sum(axis=1)
    return Stack(stack.names, weights)


def apply_stack(stack: Stack, candidates: Mapping[str, Tensor], index: Tensor, masks: Tensor) -> Tensor:
    """Weigh the candidates; weights are averaged over a small box inside the hole.

    Args:
        stack: The weights.
        candidates: By the names of the stack, ``T 3 H W``.
        index: ``T 1 H W``, from :func:`bins`.
        masks: ``T 1 H W`` bool.

    Returns:
        ``T 3 H W``: the candidates weighed under ``masks``, the first of them as it is elsewhere.
    """
    first, *others = stack.names
    total = candidates[first].clone()
    for t in range(len(total)):
        hole = masks[t, 0]
        if not hole.any():
            continue
        chosen, inside = hole.numpy(), hole.float().numpy()
        kept = candidates[first][t][:, hole]
        mixed = kept.clone()
        for name in others:
            weights = stack.weights[:, stack.names.index(name)].astype(np.float32)[index[t, 0].numpy()] * inside
            smooth = torch.from_numpy((_box_mean(weights) / np.maximum(_box_mean(inside), 1e-6))[chosen])
            mixed += smooth * (candidates[name][t][:, hole] - kept)
        total[t][:, hole] = mixed.clamp(0, 1)
    return total


def _box_mean(picture: np.ndarray) -> np.ndarray:
    """``H W`` averaged over a box, with zeros beyond the border."""
    return cv2.blur(picture, (SMOOTHING, SMOOTHING), borderType=cv2.BORDER_CONSTANT)
