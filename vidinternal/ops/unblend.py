"""The picture under a half-transparent overlay, recovered instead of invented.

An overlay that stands still over moving or even pictures gives, in every frame, ``I = (1 - a) B + a C``: ``a`` how much
it hides, ``C`` its colour, ``B`` the picture. With ``s = 1 - a`` and ``m = a C`` that is a straight line in
``B`` (``porter1984compositing``). ``B`` is not known, but a fill from around the overlay is a guess of it, wrong by an
amount that is measured on copies of the overlay's shape at known places. The line is fitted over all frames and over
nearby pixels that the overlay covers alike (:mod:`vidinternal.ops.blend_line`), and solved for ``B``.

Whether that is better than filling is not taken for granted. The overlay that was found is burnt into known places
beside it, found again there and taken off again: a pixel is recovered only where that came out better than the fill,
and where what was recovered is no farther from the guess than it was there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from vidinternal.core.errors import UsageError
from vidinternal.ops.blend_line import Evidence, Moments, fit
from vidinternal.ops.harmonic import harmonic_fill

OPAQUE = 0.9
"""Cover from which nothing is left of the picture that a lossy file could give back."""


_STEADY = 4 / 255  # how much a solid colour may differ from frame to frame


FADING = 0.4
"""Share of the picture that a solid overlay must let through while it fades for it to be worth taking."""
FAINT = 0.85
"""Share let through above which an overlay cannot be told from the uncertainty of the line."""
CLEARLY = 3.0
"""How much more an overlay must stand out from its surroundings, squared, than known places of its shape do."""
MOST_LEFT = 0.95
"""Share that shows through from which there is no overlay to speak of, and what is there is the picture itself."""
LEAST_SHARE = 0.25
"""Share of the recovered pixels that must show an overlay: what is plain picture was not meant by who masked it."""
LEAST_USED = 0.02
"""Share of an overlay's pixels from which recovering some and filling the rest is worth it; fewer came by chance."""


@dataclass(frozen=True)
class UnblendSettings:
    """How an overlay is told from the picture.

    Attributes:
        radius: Pixels around a pixel whose evidence is used with its own.
        better: Share of the fill's squared error that recovering may have on known places.
        trust: How much farther from the guess than on known places what is recovered may be, squared.
        copies: Known places to try on.
        noise: Standard deviation of a file's noise to reckon with where the picture is smooth, full scale 1.
        loss: The same as a share of the fill's error: a lossy file loses more where there is more.
    """

    radius: int = 6
    better: float = 0.6
    trust: float = 2.5
    copies: int = 3
    noise: float = 2 / 255
    loss: float = 0.15


@dataclass(frozen=True)
class Blend:
    """What an overlay does to the picture under it.

    Attributes:
        left: ``1 h w`` float32, share of the picture that it lets through, ``1 - a``.
        added: ``3 h w`` float32, what it adds, ``a C``.
        use: ``1 h w`` bool, where recovering the picture is worth more than filling it.
        solid: ``1 h w`` bool, where it hides everything in one steady colour: only a fade gives anything back there.
        guess_error: Mean squared error of a fill at known places.
        facts: JSON-ready: pixels, mean cover and colour, what was measured on known places.
    """

    left: Tensor
    added: Tensor
    use: Tensor
    solid: Tensor
    guess_error: float
    facts: dict[str, Any]

    def recover(self, frames: Tensor, gains: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Take the overlay off.

        Args:
            frames: ``T 3 h w`` RGB with the overlay.
            gains: ``T`` how much of the overlay each frame shows, 0 to 1; all of it when None.

        Returns:
            ``T 3 h w`` recovered RGB, and ``T 1 h w`` bool where it can be taken: nowhere that the frame is clipped or
            hardly anything is left.
        """
        shown = (torch.ones(len(frames)) if gains is None else gains).view(-1, 1, 1, 1)
        left = 1 - shown * (1 - self.left)
        picture = (frames - shown * self.added) / left.clamp(min=1 - OPAQUE)
        clipped = ((frames <= 0.5 / 255) | (frames >= 254.5 / 255)).any(dim=1, keepdim=True)
        fading = (self.solid | self.use) & (left > FADING) & (shown < 1)
        where = ((self.use & (left > 1 - OPAQUE)) | fading) & ~(clipped & (left < 0.98))
        return picture.clamp(0, 1), where


def estimate_blend(
    frames: Tensor, masks: Tensor, layer: Tensor, settings: UnblendSettings | None = None
) -> Blend | None:
    """Find out what an overlay that stands still does to the picture.

    Args:
        frames: ``T 3 h w`` RGB in [0, 1] that all show the overlay in full, with known picture around it.
        masks: ``T 1 h w`` bool, what is not known of the picture: the overlay and whatever else is laid over it.
        layer: ``1 h w`` bool, the pixels of the overlay; in every frame under ``masks``.
        settings: How.

    Returns:
        What was found; None where there is no known place of the overlay's shape to try it on, or nothing to gain.

    Raises:
        UsageError: The shapes do not belong together.
    """
    settings = settings or UnblendSettings()
    shape = (len(frames), 1, *frames.shape[-2:])
    if frames.ndim != 4 or frames.shape[1] != 3 or masks.shape != shape or layer.shape != shape[1:]:
        raise UsageError(
            "estimate_blend",
            expected="frames T 3 h w, masks T 1 h w, layer 1 h w",
            got=f"{tuple(frames.shape)}, {tuple(masks.shape)}, {tuple(layer.shape)}",
        )
    area, unknown = layer[0].cpu().numpy(), masks[:, 0].cpu().numpy() | layer[0].cpu().numpy()
    shifts = known_places(area, unknown, settings.copies)
    if not area.any() or not shifts:
        return None
    seen = frames.permute(0, 2, 3, 1).cpu().numpy()
    guess = _fill(seen, unknown)
    moved = [_Place.of(seen, unknown, area, shift) for shift in shifts]
    error = np.mean([((p.guess - p.truth) ** 2).mean(axis=(0, -1)) for p in moved], axis=0)
    error = _smooth(np.where(area, error, 0), area)
    known = [Moments.of(p.guess, p.truth) for p in moved]
    found = Evidence(Moments.of(guess, seen), Moments.mean(known), area, error, len(seen))
    left, added = fit(found, settings.radius)
    solid = area & (left <= 1 - OPAQUE)
    steady = solid & (seen.std(axis=0).mean(axis=-1) < _STEADY)
    use, facts = np.zeros_like(area), {}
    if (area & ~solid & (left <= MOST_LEFT)).any():
        noise = np.sqrt(settings.noise**2 + (settings.loss**2) * error)
        trial = _Trial.of(moved, known, found, (left, added), noise, settings)
        own = _smooth(np.asarray(((_solved(seen, left, added) - guess) ** 2).mean(axis=(0, -1))), area)
        sound = own <= settings.trust * trial.apart + 1e-6
        near = cv2.dilate(solid.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0  # the codec rings around solid edges
        use = area & sound & (trial.recovered <= settings.better * trial.filled) & ~near
        shown = (left[use] <= FAINT).sum()
        seen_at_all = _stands_out(found.own, area) > CLEARLY * np.median([_stands_out(k, area) for k in known])
        if shown < LEAST_SHARE * use.sum() or use.sum() < LEAST_USED * area.sum() or not seen_at_all:
            use = np.zeros_like(use)
        facts = _facts(area, use, left, added, trial)
    return Blend(
        torch.from_numpy(left.astype(np.float32))[None],
        torch.from_numpy(added.astype(np.float32)).permute(2, 0, 1).contiguous(),
        torch.from_numpy(use)[None],
        torch.from_numpy(steady)[None],
        float(error[area].mean()),
        facts or {"pixels": int(area.sum()), "recovered_pixels": 0},
    )


def fade_gain(frame: Tensor, guess: Tensor, blend: Blend, settings: UnblendSettings | None = None) -> float | None:
    """How much of an overlay one frame of its fade shows.

    Args:
        frame: ``3 h w`` RGB.
        guess: ``3 h w``, a fill of it from around the overlay.
        blend: The overlay.
        settings: How.

    Returns:
        0 to 1; None where what would be recovered does not look like the picture.
    """
    settings = settings or UnblendSettings()
    area = (blend.left[0] < MOST_LEFT) | blend.solid[0]
    whole = (blend.added - (1 - blend.left) * guess)[:, area]
    change = (frame - guess)[:, area]
    power = float((whole * whole).sum())
    if power <= 0:
        return None
    gain = min(1.0, max(0.0, float((whole * change).sum()) / power))
    picture, where = blend.recover(frame[None], torch.tensor([gain]))
    if not where.any():
        return gain
    apart = float((picture[0] - guess)[:, where[0, 0]].square().mean())
    return gain if apart <= settings.trust * (blend.guess_error + settings.noise**2) else None


def _stands_out(pictures: Moments, area: np.ndarray) -> float:
    """Mean squared distance of a picture from a guess of it, both meaned over time."""
    return float(((pictures.i - pictures.b)[area] ** 2).mean())


def _facts(area: np.ndarray, use: np.ndarray, left: np.ndarray, added: np.ndarray, trial: _Trial) -> dict[str, Any]:
    def level(error: np.ndarray, where: np.ndarray) -> float | None:
        return round(float(-10 * np.log10(max(error[where].mean(), 1e-10))), 2) if where.any() else None

    cover = float((1 - left[use]).mean()) if use.any() else None
    colour = [round(float(c)) for c in 255 * added[use].sum(axis=0) / max((1 - left[use]).sum(), 1e-6)]
    return {
        "pixels": int(area.sum()),
        "recovered_pixels": int(use.sum()),
        "cover": None if cover is None else round(cover, 3),
        "colour": [min(255, max(0, c)) for c in colour] if use.any() else None,
        "held_out_psnr": level(trial.recovered, use),
        "held_out_psnr_of_fill": level(trial.filled, use),
        "held_out_psnr_everywhere": level(trial.recovered, area),
        "held_out_psnr_of_fill_everywhere": level(trial.filled, area),
    }


@dataclass(frozen=True)
class _Place:
    """A known place of the overlay's shape, ``T h w 3`` each, moved under the overlay.

    Attributes:
        truth: What is there.
        guess: What a fill from around it makes of it.
    """

    truth: np.ndarray
    guess: np.ndarray

    @classmethod
    def of(cls, seen: np.ndarray, unknown: np.ndarray, area: np.ndarray, shift: tuple[int, int]) -> _Place:
        dy, dx = shift
        hidden = unknown | moved_by(area, dy, dx)[None]
        filled = _fill(seen, hidden)
        return cls(*(np.where(area[..., None], moved_by(x, -dy, -dx), 0) for x in (seen, filled)))


@dataclass(frozen=True)
class _Trial:
    """What came of burning the overlay in and taking it off again, ``h w`` squared errors.

    Attributes:
        recovered: Of what was recovered.
        filled: Of the fill.
        apart: Of the one against the other.
    """

    recovered: np.ndarray
    filled: np.ndarray
    apart: np.ndarray

    @classmethod
    def of(
        cls,
        places: list[_Place],
        known: list[Moments],
        found: Evidence,
        blend: tuple[np.ndarray, np.ndarray],
        noise: np.ndarray,
        settings: UnblendSettings,
    ) -> _Trial:
        """Try it; each place is judged with what the others tell of the guess."""
        left, added = blend
        random = np.random.default_rng(0)
        sums = np.zeros((3, *found.area.shape))
        for k, place in enumerate(places):
            burnt = left[..., None] * place.truth + added
            burnt = (burnt + noise[..., None] * random.standard_normal(burnt.shape)).clip(0, 1).astype(np.float32)
            others = Moments.mean([m for j, m in enumerate(known) if j != k] or known)
            evidence = replace(found, own=Moments.of(place.guess, burnt), known=others)
            made = _solved(burnt, *fit(evidence, settings.radius))
            pairs = (made, place.truth), (place.guess, place.truth), (made, place.guess)
            sums += [((a - b) ** 2).mean(axis=(0, -1)) * found.area / len(places) for a, b in pairs]
        return cls(*(_smooth(np.asarray(s), found.area) for s in sums))


def _solved(seen: np.ndarray, left: np.ndarray, added: np.ndarray) -> np.ndarray:
    return ((seen - added) / np.maximum(left, 1 - OPAQUE)[..., None]).clip(0, 1)


def known_places(area: np.ndarray, unknown: np.ndarray, wanted: int) -> list[tuple[int, int]]:
    """Shifts, rows and columns, that bring an overlay's shape onto known picture, nearest first and all round.

    Args:
        area: ``h w`` bool, the overlay.
        unknown: ``T h w`` bool.
        wanted: How many at most.
    """
    rows, cols = np.flatnonzero(area.any(axis=1)), np.flatnonzero(area.any(axis=0))
    if not len(rows):
        return []
    tall, broad = int(rows[-1] - rows[0]) + 1, int(cols[-1] - cols[0]) + 1
    ever = cv2.dilate(np.asarray(unknown.any(axis=0), np.uint8), np.ones((3, 3), np.uint8)) > 0
    found: list[tuple[int, int]] = []
    steps = [k / 4 for k in range(1, 9)]
    ways = [(-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1)]
    for step in steps:
        for dy, dx in ways:
            shift = round(dy * step * tall) + 2 * dy, round(dx * step * broad) + 2 * dx
            # known all round, so that its fill is no worse than the overlay's
            inside = rows[0] + shift[0] >= 1 and rows[-1] + shift[0] < len(area) - 1
            inside = inside and cols[0] + shift[1] >= 1 and cols[-1] + shift[1] < area.shape[1] - 1
            if inside and not (moved_by(area, *shift) & ever).any():
                found.append(shift)
                ways = [w for w in ways if w != (dy, dx)] or ways
            if len(found) >= wanted:
                return found
    return found


def moved_by(array: np.ndarray, dy: int, dx: int) -> np.ndarray:
    """``h w`` or ``... h w c`` moved down and right; what comes in is zero."""
    axes = (0, 1) if array.ndim == 2 else (array.ndim - 3, array.ndim - 2)
    moved = np.roll(array, (dy, dx), axes)
    for axis, step in zip(axes, (dy, dx), strict=True):
        gap = [slice(None)] * array.ndim
        gap[axis] = slice(0, step) if step > 0 else slice(array.shape[axis] + step, None)
        if step:
            moved[tuple(gap)] = 0
    return moved


def _fill(seen: np.ndarray, unknown: np.ndarray) -> np.ndarray:
    """Every frame filled from around its holes, ``T h w 3``."""
    frames = torch.from_numpy(np.ascontiguousarray(seen.transpose(0, 3, 1, 2)))
    return harmonic_fill(frames, torch.from_numpy(unknown)[:, None]).permute(0, 2, 3, 1).numpy()


def _smooth(values: np.ndarray, area: np.ndarray) -> np.ndarray:
    """Mean over like-placed pixels of the overlay within a few pixels; 0 outside it."""
    weight = cv2.GaussianBlur(area.astype(np.float64), (0, 0), 2.0)
    mean = cv2.GaussianBlur(np.where(area, values, 0).astype(np.float64), (0, 0), 2.0) / np.maximum(weight, 1e-6)
    return np.where(area, mean, 0)
