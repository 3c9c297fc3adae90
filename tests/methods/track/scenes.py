"""Small clips with a moving object, for the tracker."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import torch

from vidinternal.bench.track_cases import ArrayView
from vidinternal.core.clip import Shot
from vidinternal.core.contracts import Checkpoints
from vidinternal.core.finding import Asked, FindContext

HEIGHT, WIDTH, SIDE = 72, 112, 20
QUICK = {"first_steps": 12, "steps": 1, "soft": 0, "shutter": 0.0, "level": 0.5}


class Clip(ArrayView):
    """Frames with cuts."""

    def __init__(self, frames: np.ndarray, cuts: Sequence[int] = ()) -> None:
        super().__init__(frames)
        self._cuts = (0, *cuts, len(frames))

    def shots(self) -> tuple[Shot, ...]:
        pairs = zip(self._cuts[:-1], self._cuts[1:], strict=True)
        return tuple(Shot(k, a, b) for k, (a, b) in enumerate(pairs))

    def seconds(self, index: int) -> Fraction:
        return Fraction(index, 10)


def ground(seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(70, 190, (9, 14, 3)).astype(np.uint8)
    return cv2.resize(noise, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)


def moving(places: Sequence[tuple[int, int] | None], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A red square with a yellow patch at the given x and y of each frame, and its masks; None = not there."""
    frames, masks = [], []
    for place in places:
        frame, mask = ground(seed).copy(), np.zeros((HEIGHT, WIDTH), bool)
        if place is not None:
            x, y = place
            mask[max(0, y) : y + SIDE, max(0, x) : x + SIDE] = True
            frame[mask] = (210, 25, 35)
            frame[max(0, y + 4) : y + 9, max(0, x + 5) : max(0, x + 11)] = (245, 235, 60)
        frames.append(frame)
        masks.append(mask)
    return np.stack(frames), np.stack(masks)


def context(
    objects: Sequence[str] = (),
    hints: Path | None = None,
    image: Callable[[Path], np.ndarray] | None = None,
    checkpoint: Checkpoints | None = None,
) -> FindContext:
    asked = Asked(Path("clip.mp4"), Path("out.mp4"), objects=tuple(objects), hints=hints)
    return FindContext(asked, torch.device("cpu"), 3, image=image, checkpoint=checkpoint)
