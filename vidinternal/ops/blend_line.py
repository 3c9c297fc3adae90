"""The straight line that an overlay makes of the picture under it, ``I = s B + m``, from a guess of the picture.

Fitted over all frames and over pixels that the overlay covers alike; what the guess is wrong by, which would make the
slope too flat, is told by known places where the picture and a guess of it are both there (regression calibration,
``carroll2006measurement``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

LAYERS = 4
"""Even layers that an overlay is taken to have at most."""
EXPLAINED = 6.0
"""Squared misfit, in units of what is expected, up to which a line explains a pixel."""
LEAST_PIXELS = 12
_CLEARLY = 0.6  # share of a whole layer's misfit that part of a layer must have to be believed
_NO_COLOUR = 0.9  # share let through from which a layer's colour is anybody's guess
_NOISE = 3 * (1.5 / 255) ** 2  # of a pixel, over its channels


@dataclass(frozen=True)
class Moments:
    """What a straight line through pictures needs, for every pixel, meaned over the frames.

    Attributes:
        b: ``h w 3`` of the guess.
        i: ``h w 3`` of what is seen.
        bb: ``h w`` products, summed over the channels.
        bi: ``h w``.
        ii: ``h w``.
    """

    b: np.ndarray
    i: np.ndarray
    bb: np.ndarray
    bi: np.ndarray
    ii: np.ndarray

    @classmethod
    def of(cls, guess: np.ndarray, seen: np.ndarray) -> Moments:
        """Those of ``T h w 3`` frames."""
        pairs = (guess, guess), (guess, seen), (seen, seen)
        return cls(guess.mean(axis=0), seen.mean(axis=0), *((p * q).mean(axis=0).sum(-1) for p, q in pairs))

    @classmethod
    def mean(cls, several: list[Moments]) -> Moments:
        """Of several places together."""
        return cls(*(np.mean([getattr(m, n) for m in several], axis=0) for n in ("b", "i", "bb", "bi", "ii")))

    def at(self, y: Any, x: Any) -> Moments:
        """Those of some pixels in a row, or of a rectangle."""
        return Moments(self.b[y, x], self.i[y, x], self.bb[y, x], self.bi[y, x], self.ii[y, x])

    def stacked(self) -> np.ndarray:
        """``h w 8`` without ``ii``."""
        return np.dstack([self.b, self.i, self.bb, self.bi])


def _centred(pooled: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Variance of the guess and its covariance with what is seen, of pooled ``... 8`` moments."""
    b, i = pooled[..., 0:3], pooled[..., 3:6]
    return pooled[..., 6] - (b * b).sum(-1), pooled[..., 7] - (b * i).sum(-1)


def _slope(own: np.ndarray, known: np.ndarray, ridge: Any) -> np.ndarray:
    """The slope of a line against the picture itself, from that against a guess of it.

    ``own`` are moments of overlay against guess, ``known`` those of the picture itself against its guess at known
    places: their slope tells how much too flat a line against a guess is (regression calibration).
    """
    variance, together = _centred(own)
    sure = _centred(known)
    flat = ((sure[1] + ridge) / (sure[0] + ridge)).clip(0.3, 1.5)
    # Where the picture hardly changes any slope fits as well: a half, and the line goes through the mean.
    return ((together / flat + 0.5 * ridge) / (variance + ridge)).clip(0, 1)


@dataclass(frozen=True)
class Evidence:
    """What an overlay is fitted to.

    Attributes:
        own: Moments of the frames against a guess of the picture under the overlay.
        known: The same of known places of the overlay's shape, the picture itself against its guess.
        area: ``h w`` bool, the overlay.
        error: ``h w`` mean squared error of the guess at known places.
        frames: How many frames.
    """

    own: Moments
    known: Moments
    area: np.ndarray
    error: np.ndarray
    frames: int

    def cut(self, box: tuple[slice, slice]) -> Evidence:
        """That of a rectangle."""
        return Evidence(self.own.at(*box), self.known.at(*box), self.area[box], self.error[box], self.frames)


def fit(found: Evidence, radius: int) -> tuple[np.ndarray, np.ndarray]:
    """The line ``I = s B + m`` at every pixel of an overlay, over all frames and over like pixels nearby.

    Args:
        found: The evidence.
        radius: How far like pixels are looked for.

    Returns:
        ``s``, ``h w`` in [0, 1], and ``m``, ``h w 3``; 1 and 0 outside the overlay.
    """
    rows, cols = (np.flatnonzero(found.area.any(axis=axis)) for axis in (1, 0))
    box = slice(rows[0], rows[-1] + 1), slice(cols[0], cols[-1] + 1)
    left, added = np.ones(found.area.shape), np.zeros((*found.area.shape, 3))
    left[box], added[box] = _fit(found.cut(box), radius)
    return left, added


def _fit(found: Evidence, radius: int) -> tuple[np.ndarray, np.ndarray]:
    area, height, width = found.area, *found.area.shape
    look = (found.own.i - found.own.b) * area[..., None]
    spread = found.error + (2 / 255) ** 2
    maps = np.dstack([np.ones(area.shape), found.own.stacked(), found.known.stacked()]) * (area / spread)[..., None]
    pad = ((radius, radius), (radius, radius), (0, 0))
    wide, wide_look = np.pad(maps, pad), np.pad(look, pad)
    pooled = np.zeros_like(maps)
    for dy in range(-radius, radius + 1):
        for dx in range(-radius, radius + 1):
            near = np.exp(-2.0 * (dy * dy + dx * dx) / max(radius, 1) ** 2)
            near_to = slice(radius + dy, radius + dy + height), slice(radius + dx, radius + dx + width)
            apart = ((wide_look[near_to] - look) ** 2).sum(-1)
            pooled += wide[near_to] * (near * np.exp(-apart / (6 * spread)))[..., None]
    pooled = pooled[..., 1:] / np.maximum(pooled[..., :1], 1e-12)
    left = np.where(area, _slope(pooled[..., :8], pooled[..., 8:], _NOISE / np.sqrt(found.frames)), 1.0)
    added = np.where(area[..., None], pooled[..., 3:6] - left[..., None] * pooled[..., 0:3], 0.0)
    return in_layers(found, (left, added))


def in_layers(found: Evidence, start: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The lines of the few even layers that overlays are made of: a box, the inside of letters, their outline.

    A mixture of at most :data:`LAYERS` lines, each fitted to all pixels that it explains, those near known picture
    first. Pixels that none explains may be an edge of one, of its colour and less of it; the rest keep their own line.
    """
    left, added = start[0].copy(), start[1].copy()
    y, x = np.nonzero(found.area)
    own, stacked, known = found.own.at(y, x), found.own.stacked()[y, x], found.known.stacked()[y, x]
    error = 3 * found.error[y, x]
    lines = _first_lines(left[y, x], added[y, x], 1 / (error + _NOISE))
    owner, least = np.full(len(y), -1), np.full(len(y), EXPLAINED)
    for _ in range(12):
        misfit = [_misfit(own, s, m) / (_NOISE + s * s * error) for s, m in lines]
        least = np.min(misfit, axis=0)
        owner = np.where(least < EXPLAINED, np.argmin(misfit, axis=0), -1)
        updated = []
        for k, (before, _) in enumerate(lines):
            mine = owner == k
            if mine.sum() < LEAST_PIXELS:
                continue
            weight = mine / (_NOISE + before * before * error)
            weight /= weight.sum()
            mean = weight @ stacked
            s = float(_slope(mean, weight @ known, _NOISE / np.sqrt(found.frames * mine.sum())))
            updated.append((s, mean[3:6] - s * mean[0:3]))
        lines = updated
        if not lines:
            return left, added
    for k, (s, m) in enumerate(lines):
        mine = owner == k
        left[y[mine], x[mine]], added[y[mine], x[mine]] = s, m
    _edges(own, error, lines, (y, x, np.minimum(_CLEARLY * least, EXPLAINED)), (left, added))
    return left, added


def _edges(
    own: Moments,
    error: np.ndarray,
    lines: list[tuple[float, np.ndarray]],
    places: tuple[np.ndarray, np.ndarray, np.ndarray],
    made: tuple[np.ndarray, np.ndarray],
) -> None:
    """Give pixels at the edge of a layer, which is less there but of the same colour, their share of it; in place.

    ``places`` are rows, columns, and the misfit that has to be undercut.
    """
    y, x, best = places
    for s, m in lines:
        if s > _NO_COLOUR:
            continue
        colour = m / (1 - s)
        both = own.bi - (own.b + own.i) @ colour + colour @ colour
        alone = own.bb - 2 * own.b @ colour + colour @ colour
        share = (both / np.maximum(alone, _NOISE)).clip(0, 1)
        rest = (1 - share)[:, None] * colour
        square = own.ii + share**2 * own.bb + (rest * rest).sum(-1) - 2 * share * own.bi
        square += 2 * share * (own.b * rest).sum(-1) - 2 * (own.i * rest).sum(-1)
        misfit = np.maximum(square, 0) / (_NOISE + share**2 * error)
        better = misfit < best
        best[better] = misfit[better]
        made[0][y[better], x[better]], made[1][y[better], x[better]] = share[better], rest[better]


def _misfit(own: Moments, s: float, m: np.ndarray) -> np.ndarray:
    """Mean squared distance from a line, summed over the channels."""
    return np.maximum(own.ii + s * s * own.bb + (m * m).sum() - 2 * s * own.bi - 2 * own.i @ m + 2 * s * own.b @ m, 0)


def _first_lines(left: np.ndarray, added: np.ndarray, weight: np.ndarray) -> list[tuple[float, np.ndarray]]:
    """Lines to begin with: those of single pixels, each the farthest from those before it that is still trusted."""
    points = np.column_stack([left, added])
    trusted = points[weight >= np.quantile(weight, 0.5)]
    chosen = [np.median(trusted, axis=0)]
    for _ in range(LAYERS - 1):
        apart = np.min([((trusted - c) ** 2).sum(-1) for c in chosen], axis=0)
        chosen.append(trusted[np.argsort(apart)[int(0.9 * (len(apart) - 1))]])  # the farthest of all is an outlier
    return [(float(c[0]), c[1:]) for c in chosen]
