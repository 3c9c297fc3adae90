"""Canvases to GIF, APNG and animated WebP: every frame stays one, and keeps its delay.

A frame is written as the smallest rectangle that differs from the canvas before it; APNG and WebP replace the samples
there, GIF draws over them. What is not in the rectangle is not coded again.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from PIL import Image

from vidinternal.core.errors import MediaError
from vidinternal.media.stills import gif_file, png_file, webp_file
from vidinternal.media.stills.gif_file import GifFacts, GifPatch
from vidinternal.media.stills.plan import StillPlan
from vidinternal.media.stills.png_file import PngPatch
from vidinternal.media.stills.webp_file import WebpFacts, WebpPatch
from vidinternal.media.stills.write import encode_png, look_up, packed, pillow_image, webp_options

_COLORS = 256


@dataclass
class AnimationWriter:
    """Takes canvases one by one; :meth:`finish` gives the file.

    Attributes:
        plan: What is written.
        size: Width and height.
        quantised: Frames of a GIF in which colours of the fill gave way to near ones.
        furthest: Largest difference of a code of such a colour.
    """

    plan: StillPlan
    size: tuple[int, int]
    quantised: int = 0
    furthest: int = 0
    _patches: list[PngPatch | WebpPatch | GifPatch] = field(default_factory=list)
    _before: np.ndarray | None = None

    def add(self, planes: tuple[np.ndarray, ...], new: np.ndarray) -> None:
        """Take the next canvas.

        Args:
            planes: Its planes, in the plan's layout.
            new: ``H W`` bool, the pixels that are not the source's.

        Raises:
            MediaError: A frame of a GIF has more known colours than it can hold.
        """
        stack = np.stack(planes, axis=-1)
        delay = self.plan.delays[len(self._patches)]
        if self.plan.kind == "gif":
            self._patches.append(self._gif(stack, new, delay))
        else:
            x0, y0, x1, y1 = changed_box(self._before, stack, 2 if self.plan.kind == "webp" else 1)
            cut = np.ascontiguousarray(stack[y0:y1, x0:x1])
            if self.plan.kind == "apng":
                png = encode_png(tuple(np.ascontiguousarray(c) for c in np.moveaxis(cut, -1, 0)), self.plan.pix_fmt)
                self._patches.append(PngPatch((x0, y0), png, delay))
            else:
                file = io.BytesIO()
                pillow_image(cut).save(file, "WEBP", **webp_options(self.plan.quality))
                milliseconds = int(Fraction(*delay) * 1000)
                self._patches.append(WebpPatch((x0, y0), (x1 - x0, y1 - y0), file.getvalue(), milliseconds))
            self._before = stack

    def finish(self, source: bytes, said: object) -> bytes:
        """The whole file.

        Args:
            source: A file of the same kind whose colour profile, texts and so on are carried over; or nothing.
            said: Its headers, or None.
        """
        pngs = [p for p in self._patches if isinstance(p, PngPatch)]
        webps = [p for p in self._patches if isinstance(p, WebpPatch)]
        gifs = [p for p in self._patches if isinstance(p, GifPatch)]
        if self.plan.kind == "apng":
            return png_file.write_animation(self.size, self.plan.plays, pngs, source)
        if self.plan.kind == "webp":
            background = said.background if isinstance(said, WebpFacts) else b"\xff\xff\xff\xff"
            alpha = self.plan.pix_fmt == "rgba"
            facts = WebpFacts(*self.size, alpha, self.plan.quality is None, (), self.plan.plays, background)
            return webp_file.write_animation(facts, webps, source)
        if isinstance(said, GifFacts):
            loops, comments = said.loops, said.comments
        else:
            loops, comments = (None if self.plan.plays == 1 else max(0, self.plan.plays - 1)), ()
        return gif_file.write_gif(GifFacts(*self.size, (), loops, comments), gifs)

    def _gif(self, stack: np.ndarray, new: np.ndarray, delay: tuple[int, int]) -> GifPatch:
        """One frame with a palette of its own: the known colours all, the fill's as far as there is room."""
        ticks = int(Fraction(*delay) * 100)
        if stack.shape[2] == 4:  # what is transparent can only be left so, on a canvas that was cleared before
            made = self._indexed(stack[..., :3], new, stack[..., 3] > 0)
            return self._patch(made, (0, 0), True, ticks, stack)
        x0, y0, x1, y1 = changed_box(self._before, stack, 1)
        cut, fresh = stack[y0:y1, x0:x1], new[y0:y1, x0:x1]
        made = self._indexed(cut, fresh, np.ones(fresh.shape, bool))
        if self._before is not None and (made is None or made.furthest):
            drawn = (cut != self._before[y0:y1, x0:x1]).any(axis=-1)
            made = self._indexed(cut, fresh, drawn) or made
        return self._patch(made, (x0, y0), False, ticks, stack)

    def _patch(
        self, made: _Indexed | None, place: tuple[int, int], clears: bool, ticks: int, stack: np.ndarray
    ) -> GifPatch:
        if made is None:
            raise MediaError(
                f"frame {len(self._patches)}",
                expected="at most 256 known colours in a frame of a GIF",
                got=f"{len(np.unique(packed(stack)))}",
                hint="an .apng or .webp output, which hold every colour",
            )
        self.quantised += bool(made.furthest)
        self.furthest = max(self.furthest, made.furthest)
        if not clears:
            after = stack.copy() if self._before is None else self._before.copy()
            rows, columns = made.indices.shape
            inside = after[place[1] : place[1] + rows, place[0] : place[0] + columns]
            drawn = np.ones(made.indices.shape, bool) if made.transparent is None else made.indices != made.transparent
            inside[drawn] = made.palette[made.indices[drawn]]
            self._before = after
        return GifPatch(place, made.indices, made.palette, made.transparent, clears, ticks)

    def _indexed(self, colors: np.ndarray, new: np.ndarray, drawn: np.ndarray) -> _Indexed | None:
        """Indices into a palette of the colours drawn; None where the known ones alone do not fit."""
        room = _COLORS - (not drawn.all())
        known, fill = _unique(colors[drawn & ~new]), _unique(colors[drawn & new])
        if len(known) > room:
            return None
        fill = fill[~np.isin(packed(fill), packed(known))]
        chosen = fill
        if len(known) + len(fill) > room:
            chosen = _best(colors[drawn & new], room - len(known))
        palette = np.concatenate([known, chosen])
        if len(palette) == 0:
            palette = np.zeros((1, 3), np.uint8)
        indices = np.full(drawn.shape, len(palette), np.int64)
        furthest = 0
        if chosen is fill:
            found = look_up(colors[drawn][None], palette)
            indices[drawn] = 0 if found is None else found[0]
        else:
            old, fresh = drawn & ~new, drawn & new
            found = look_up(colors[old][None], palette) if old.any() else None
            indices[old] = 0 if found is None else found[0]
            indices[fresh], furthest = _nearest(colors[fresh], palette)
        transparent = None if drawn.all() else len(palette)
        if transparent is not None:
            palette = np.concatenate([palette, np.zeros((1, 3), np.uint8)])
        return _Indexed(indices.astype(np.uint8), palette, transparent, furthest)


@dataclass(frozen=True)
class _Indexed:
    indices: np.ndarray
    palette: np.ndarray
    transparent: int | None
    furthest: int


def changed_box(before: np.ndarray | None, now: np.ndarray, step: int) -> tuple[int, int, int, int]:
    """Smallest rectangle ``x0 y0 x1 y1`` that holds every difference; its corner lies on multiples of ``step``.

    Args:
        before: ``H W C``, or None for the whole.
        now: ``H W C``.
        step: 1, or 2 for even columns and rows.
    """
    height, width = now.shape[:2]
    if before is None:
        return 0, 0, width, height
    differs = (before != now).any(axis=-1)
    if not differs.any():
        return 0, 0, 1, 1
    rows, columns = np.flatnonzero(differs.any(axis=1)), np.flatnonzero(differs.any(axis=0))
    x0, y0 = int(columns[0]) // step * step, int(rows[0]) // step * step
    return x0, y0, int(columns[-1]) + 1, int(rows[-1]) + 1


def _unique(colors: np.ndarray) -> np.ndarray:
    """``N 3`` colours, each once."""
    return np.unique(colors.reshape(-1, 3), axis=0)


def _best(colors: np.ndarray, count: int) -> np.ndarray:
    """Up to ``count`` colours that stand for many, by median cut."""
    if count < 1:
        return np.zeros((0, 3), np.uint8)
    line = np.ascontiguousarray(colors.reshape(1, -1, 3))
    image = Image.frombytes("RGB", (line.shape[1], 1), line.tobytes())
    cut = image.quantize(count, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    return _unique(np.array(cut.getpalette("RGB"), np.uint8).reshape(-1, 3)[:count])


def _nearest(colors: np.ndarray, palette: np.ndarray) -> tuple[np.ndarray, int]:
    """Index of the nearest palette entry for ``N 3`` colours, and the largest difference of a code."""
    once, back = np.unique(colors, axis=0, return_inverse=True)
    choice = np.empty(len(once), np.int64)
    table = palette.astype(np.int32)
    for start in range(0, len(once), 4096):
        part = once[start : start + 4096].astype(np.int32)
        choice[start : start + 4096] = np.square(part[:, None] - table[None]).sum(axis=-1).argmin(axis=1)
    furthest = int(np.abs(once.astype(np.int32) - table[choice]).max(initial=0))
    return choice[back.reshape(-1)], furthest
