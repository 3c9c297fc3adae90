"""The network that tells the object from the rest in each frame; it has seen nothing but this clip.

It gets a frame with a rough idea of where the object is and says where it really is (``perazzi2017masktrack``). It
learns that on the hint's own frame, from masks that were moved, bent and damaged on purpose, and goes on learning from
those pixels of later frames on which it agrees with the flow.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as nn_functional
from torch import Tensor, nn

from vidinternal.core.seeds import branch, generator
from vidinternal.learn.checkpoint import restore
from vidinternal.learn.state_tree import network_tree, optimiser_tree, restore_optimiser
from vidinternal.methods.track.features import CHANNELS, sampled, stack
from vidinternal.nets.initialise import initialise

Lesson = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""Still features, likeness, motion, the mask and where it can be believed, all of one crop."""
_KEPT = 4
_WIDTH = 24
_BLIND = 0.15
"""Share of lessons without any idea of where the object is: what finds it again after it was hidden."""


class _Network(nn.Module):
    """Three convolutions of growing stride between taps, two of them residual."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(CHANNELS, _WIDTH, 3, padding=1)
        self.second = nn.Conv2d(_WIDTH, _WIDTH, 3, padding=2, dilation=2)
        self.third = nn.Conv2d(_WIDTH, _WIDTH, 3, padding=4, dilation=4)
        self.last = nn.Conv2d(_WIDTH, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """``N C H W`` to ``N 1 H W`` logits."""
        x = nn_functional.leaky_relu(self.first(x), 0.1)
        x = x + nn_functional.leaky_relu(self.second(x), 0.1)
        x = x + nn_functional.leaky_relu(self.third(x), 0.1)
        return self.last(x)


class Refiner:
    """One network, trained as a pass goes on.

    Args:
        seed: Root of its randomness.
        device: Where to compute.
    """

    def __init__(self, seed: int, device: torch.device) -> None:
        self._net = _Network()
        initialise(self._net, generator(seed, "weights"))
        self._net.to(device)
        self._device = device
        self._optimiser = torch.optim.Adam(self._net.parameters(), 3e-3)
        self._random = np.random.default_rng(branch(seed, "lessons"))
        self._anchor: Lesson | None = None
        self._recent: list[Lesson] = []

    def begin(self, lesson: Lesson, steps: int) -> None:
        """Learn the hint's own frame, which stays in every later step."""
        self._anchor = lesson
        for _ in range(steps):
            self._step([lesson])

    def go_on(self, lesson: Lesson, steps: int) -> None:
        """Take in a later frame."""
        self._recent = [*self._recent, lesson][-_KEPT:]
        for _ in range(steps):
            chosen = self._recent[int(self._random.integers(len(self._recent)))]
            self._step([chosen] if self._anchor is None else [self._anchor, chosen])

    def tree(self) -> dict[str, Any]:
        """Everything it has learned and will draw, for a checkpoint."""
        lessons = [*([] if self._anchor is None else [self._anchor]), *self._recent]
        return {
            "network": network_tree(self._net),
            "optimiser": optimiser_tree(self._optimiser),
            "random": self._random.bit_generator.state,
            "anchored": self._anchor is not None,
            "lessons": [[torch.from_numpy(np.ascontiguousarray(part)) for part in lesson] for lesson in lessons],
        }

    def go_on_from(self, tree: Mapping[str, Any]) -> None:
        """Be as :meth:`tree` found it."""
        restore(self._net, tree["network"], "the state of a track")
        restore_optimiser(self._optimiser, tree["optimiser"])
        self._random.bit_generator.state = tree["random"]
        lessons: list[Lesson] = [
            (a.numpy(), b.numpy(), c.numpy(), d.numpy(), e.numpy()) for a, b, c, d, e in tree["lessons"]
        ]
        self._anchor = lessons[0] if tree["anchored"] else None
        self._recent = lessons[1:] if tree["anchored"] else lessons

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """``C H W`` to how surely each pixel is the object, ``H W``."""
        with torch.no_grad():
            logits = self._net(torch.from_numpy(features)[None].to(self._device))
        return torch.sigmoid(logits)[0, 0].cpu().numpy()

    def _step(self, lessons: list[Lesson]) -> None:
        total = torch.zeros((), device=self._device)
        for still, likeness, motion, mask, sure in lessons:
            seen = stack(still, damaged(mask, self._random), likeness, motion)
            maps = [seen, mask[None], sure[None]]
            if self._random.random() < 0.5:
                maps = [np.ascontiguousarray(m[..., ::-1]) for m in maps]
            x, truth, weight = (torch.from_numpy(m)[None].to(self._device) for m in maps)
            total = total + _loss(self._net(x), truth, weight)
        self._optimiser.zero_grad()
        (total / len(lessons)).backward()
        self._optimiser.step()


def _loss(logits: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
    """Cross entropy, half of it balanced between object and rest, and the soft Jaccard distance."""
    each = nn_functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    inside, outside = weight * truth, weight * (1 - truth)
    balanced = inside / inside.sum().clamp(min=1) + outside / outside.sum().clamp(min=1)
    belief = torch.sigmoid(logits)
    both = (inside * belief).sum() / (weight * (belief + truth - belief * truth)).sum().clamp(min=1)
    return 0.25 * (balanced * each).sum() + 0.5 * (weight * each).sum() / weight.sum().clamp(min=1) + 0.5 * (1 - both)


def damaged(mask: np.ndarray, random: np.random.Generator) -> np.ndarray | None:
    """A mask as the flow may bring it: moved, scaled, bent, with bites and blots; None for none at all.

    Args:
        mask: ``H W`` float32.
        random: Source of all chance.
    """
    rows, columns = np.nonzero(mask > 0.5)
    if random.random() < _BLIND or not len(rows):
        return None
    height, width = mask.shape
    size = float(np.sqrt(len(rows)))
    reach = float(random.uniform(0, 0.12)) * size
    coarse = random.standard_normal((5, 5, 2)).astype(np.float32) * 0.7 * reach
    fine = random.standard_normal((max(2, height // 10), max(2, width // 10), 2)).astype(np.float32) * min(reach, 4) / 2
    bend = sum(cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC) for grid in (coarse, fine))
    bend = bend + random.standard_normal(2).astype(np.float32) * 0.4 * reach
    scale = float(random.uniform(-0.08, 0.08))
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    bend = bend + scale * np.stack([x - columns.mean(), y - rows.mean()], axis=-1)
    bent = sampled(mask, bend.astype(np.float32), 0.0)
    for _ in range(int(random.integers(0, 3))):
        k = int(random.integers(len(rows)))
        off = random.standard_normal(2) * 0.1 * size
        radius = max(1, int(random.uniform(0.05, 0.2) * size))
        centre = int(columns[k] + off[0]), int(rows[k] + off[1])
        cv2.circle(bent, centre, radius, float(random.random() < 0.5), -1)
    return cv2.GaussianBlur(bent, (0, 0), float(random.uniform(0.3, 1.5)))
