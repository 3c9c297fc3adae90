"""Where fathers come from: random crops of the picture, turned, mirrored, sheared and scaled."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
import torch.nn.functional as nn_functional
from torch import Tensor

from vidinternal.ops.imresize import imresize


@dataclass(frozen=True)
class Augmentation:
    """How fathers are drawn (``shocher2018zero``).

    Attributes:
        as_is: Probability of a crop and nothing else.
        exact: Probability of a crop that is turned by right angles and mirrored: no pixel is interpolated.
        min_scale: Affine crops, which are the rest, are scaled by at least this.
        scale_difference: Standard deviation by which rows and columns are scaled apart.
        shear: Standard deviation of the shear.
        rotation: Whether anything is turned or mirrored; not where the blur differs between directions.
        by_gradient: Share of crops whose place is drawn where there is more to see.
    """

    as_is: float = 0.05
    exact: float = 0.45
    min_scale: float = 0.5
    scale_difference: float = 0.25
    shear: float = 0.1
    rotation: bool = True
    by_gradient: float = 0.0


@dataclass(frozen=True)
class Source:
    """A picture to draw from.

    Attributes:
        picture: ``3 h w`` on the CPU.
        scale: Its size relative to the input.
        weight: How often it is drawn, among those of its scale.
    """

    picture: Tensor
    scale: float = 1.0
    weight: float = 1.0


@dataclass(frozen=True)
class Exact:
    """A crop of which no pixel is interpolated.

    Attributes:
        source: The picture.
        top: Its first row.
        left: Its first column.
        turns: Right angles by which it is turned.
        mirrored: Whether it is then mirrored.
    """

    source: Source
    top: int
    left: int
    turns: int = 0
    mirrored: bool = False

    def turned(self, crop: Tensor) -> Tensor:
        """``3 c c`` turned and mirrored."""
        crop = torch.rot90(crop, self.turns, (1, 2))
        return crop.flip(2) if self.mirrored else crop


class Fathers:
    """Draws crops.

    Args:
        sources: At least one.
        crop: Pixels of a side; smaller pictures give smaller crops, all of one size.
        how: Probabilities.
        random: A CPU generator.
    """

    def __init__(self, sources: Sequence[Source], crop: int, how: Augmentation, random: torch.Generator) -> None:
        self.sources = sorted(sources, key=lambda s: s.scale)
        self.crop = min(crop, *(side for s in sources for side in s.picture.shape[-2:]))
        self.how, self.random = how, random
        self.exact = how.as_is + how.exact
        self._largest = self.sources[-1].scale
        self._places: dict[int, tuple[Tensor, int]] = {}

    def draw(self, count: int) -> Tensor:
        """``count 3 crop crop`` in [0, 1]."""
        drawn = (self.pick() for _ in range(count))
        return torch.stack([self.cut(d) if isinstance(d, Exact) else d for d in drawn])

    def pick(self) -> Exact | Tensor:
        """One crop: where it is to be cut, or ``3 crop crop`` where pixels had to be interpolated."""
        kind, wanted, which = self._uniform(3)
        if kind < self.how.as_is:
            return self._placed(self._source(1.0, which))
        scale = self.how.min_scale + wanted * (max(self._largest, 1.0) - self.how.min_scale)
        source = self._source(scale, which)
        if kind < self.how.as_is + self.how.exact:
            place = self._placed(source)
            turns, mirror = self._uniform(2)
            return replace(place, turns=int(turns * 4), mirrored=mirror < 0.5) if self.how.rotation else place
        return self._affine(source, scale / source.scale)

    def cut(self, place: Exact) -> Tensor:
        """``3 crop crop``: the picture's own pixels."""
        rows, columns = slice(place.top, place.top + self.crop), slice(place.left, place.left + self.crop)
        return place.turned(place.source.picture[:, rows, columns])

    def _uniform(self, count: int) -> list[float]:
        return torch.rand(count, generator=self.random, dtype=torch.float64).tolist()

    def _normal(self, count: int) -> list[float]:
        return torch.randn(count, generator=self.random, dtype=torch.float64).tolist()

    def _source(self, scale: float, coin: float) -> Source:
        """One of the smallest pictures that are not smaller than ``scale``."""
        enough = next((s.scale for s in self.sources if s.scale > scale - 1e-6), self._largest)
        among = [s for s in self.sources if s.scale == enough]
        mark = coin * sum(s.weight for s in among)
        for source in among:
            mark -= source.weight
            if mark < 0:
                return source
        return among[-1]

    def _centre(self, source: Source) -> tuple[float, float]:
        """Where a crop is taken: anywhere with the same chance, or where there is more to see."""
        height, width = source.picture.shape[-2:]
        coin, y, x = self._uniform(3)
        if coin >= self.how.by_gradient:
            return y * height, x * width
        if id(source) not in self._places:
            self._places[id(source)] = _more_to_see(source.picture)
        chances, columns = self._places[id(source)]
        cell = int(torch.searchsorted(chances, torch.tensor(y * float(chances[-1]))).clamp(max=len(chances) - 1))
        step = height / (len(chances) // columns), width / columns
        return (cell // columns + x) * step[0], (cell % columns + 0.5) * step[1]

    def _placed(self, source: Source) -> Exact:
        height, width = source.picture.shape[-2:]
        if self.how.by_gradient:
            y, x = self._centre(source)
            top = min(max(round(y - self.crop / 2), 0), height - self.crop)
            left = min(max(round(x - self.crop / 2), 0), width - self.crop)
        else:
            top, left = (int(u * (n - self.crop + 1)) for u, n in zip(self._uniform(2), (height, width), strict=True))
        return Exact(source, top, left)

    def _affine(self, source: Source, scale: float) -> Tensor:
        """A crop of the picture after a random affine map; cubic, not antialiased, mirrored beyond the borders."""
        height, width = source.picture.shape[-2:]
        angle, mirror = self._uniform(2)
        apart, shear_x, shear_y = self._normal(3)
        turn = angle * 2 * math.pi if self.how.rotation else 0.0
        flip = -1.0 if self.how.rotation and mirror < 0.5 else 1.0
        apart *= self.how.scale_difference / 2
        stretch = np.diag([flip * max(0.1, scale + apart), max(0.1, scale - apart)])
        rotation = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
        lean = np.array([[1.0, shear_x * self.how.shear], [shear_y * self.how.shear, 1.0]])
        matrix = lean @ rotation @ stretch  # picture to crop, x before y
        y, x = self._centre(source)
        half = self.crop / 2
        reach = min(half / max(scale, 0.1), height / 2), min(half / max(scale, 0.1), width / 2)
        y = min(max(y, reach[0]), height - reach[0])
        x = min(max(x, reach[1]), width - reach[1])
        # pixel centres lie half a pixel inside: corners at 0, centres at 1/2
        offset = np.array([half - 0.5, half - 0.5]) - matrix @ np.array([x - 0.5, y - 0.5])
        around = _surroundings(source.picture, (y, x), self.crop / abs(np.linalg.det(matrix)) ** 0.5)
        offset = offset + matrix @ np.array([around[1], around[0]], dtype=np.float64)
        warped = cv2.warpAffine(
            around[2],
            np.column_stack([matrix, offset]),
            (self.crop, self.crop),
            flags=cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REFLECT,
        )
        return torch.from_numpy(warped).permute(2, 0, 1).clamp(0, 1)


def _surroundings(picture: Tensor, centre: tuple[float, float], side: float) -> tuple[int, int, np.ndarray]:
    """The part of a picture that a map can reach, ``h w 3``, and where it begins: the whole need not be copied."""
    height, width = picture.shape[-2:]
    reach = math.ceil(side * 1.5) + 4
    top, left = max(0, int(centre[0]) - reach), max(0, int(centre[1]) - reach)
    part = picture[:, top : min(height, int(centre[0]) + reach), left : min(width, int(centre[1]) + reach)]
    return top, left, part.permute(1, 2, 0).contiguous().numpy()


def _more_to_see(picture: Tensor) -> tuple[Tensor, int]:
    """Cumulative chances of cells by the mean gradient in them, row by row, and the number of columns."""
    gray = picture.mean(dim=0, keepdim=True)[None]
    size = tuple(max(1, side // 8) for side in picture.shape[-2:])
    slope = nn_functional.pad(gray.diff(dim=-1).abs(), (0, 1)) + nn_functional.pad(
        gray.diff(dim=-2).abs(), (0, 0, 0, 1)
    )
    cells = imresize(slope, size=(size[0], size[1]), interpolation="box")[0, 0]
    blurred = nn_functional.avg_pool2d(cells[None, None], 5, 1, 2)[0, 0]
    return (blurred + 0.1 * blurred.mean() + 1e-6).flatten().cumsum(0), size[1]
