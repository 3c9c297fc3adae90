"""The cases of bench ``subtitles``: a clean clip, what is burnt into it, and the file that a program gets to see."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from vidinternal.bench.base import BenchOptions
from vidinternal.bench.cases import Sample, samples, view
from vidinternal.bench.subtitles.draw import LOGO, STYLES, Box, Overlay, burn, draw_text, opacity, placed
from vidinternal.bench.subtitles.fonts import BUILT_IN, FONT_FOLDER, SOURCES, font, missing, texts
from vidinternal.bench.subtitles.sign import with_sign
from vidinternal.core.errors import UsageError
from vidinternal.media.color import to_rgb
from vidinternal.media.decode import ClipReader
from vidinternal.media.probe import probe
from vidinternal.media.synthetic import lossy_film

CRF = 18
"""Constant quality of the file that the program gets."""
SCRIPTS = ("latin", "cyrillic", "cjk", "arabic")
LAYOUTS = ("pair", "fade", "top", "both", "whole")
"""Two sentences one after the other; one that fades in and out; one at the top; two languages, at the top and at the
bottom, whose times overlap; one that never leaves."""
UNTOUCHED_STYLES = ("clean", "sign")
"""Of cases without an overlay."""
TOUCHED = 0.05
"""Opacity above which a pixel counts as touched."""
LETTERS = 0.062
"""Size of letters as a share of the picture's height."""
LARGER = (720, 1080)
"""Heights of the cases that are larger than the bench's own; their pictures are enlarged, so softer than a camera's."""
_MARGIN = 48


@dataclass(frozen=True)
class Plan:
    """What a case will be.

    Attributes:
        sample: The clip.
        style: A key of ``STYLES``, or ``logo``; or ``clean`` for nothing at all, ``sign`` for a sign in the scene.
        scripts: Of the sentences; the second is that of the second language.
        layout: One of ``LAYOUTS``; empty for the others.
        rows: Height of the picture; 0 for the bench's own.
    """

    sample: Sample
    style: str
    scripts: tuple[str, ...] = ()
    layout: str = ""
    rows: int = 0

    @property
    def name(self) -> str:
        """``clip/style-scripts-layout``; ``clip@rows/...`` for another size than the bench's."""
        clip = f"{self.sample.name}@{self.rows}" if self.rows else self.sample.name
        return f"{clip}/" + "-".join((self.style, *self.scripts, *([self.layout] if self.layout else [])))

    def options(self, options: BenchOptions) -> BenchOptions:
        """Those of the bench, for a larger picture with half the frames."""
        if not self.rows:
            return options
        wide = round(options.width * self.rows / options.height / 2) * 2
        return options.model_copy(update={"height": self.rows, "width": wide, "frames": max(2, options.frames // 2)})


@dataclass(frozen=True)
class BurntCase:
    """One clip with overlays whose truth is known.

    Attributes:
        name: ``clip/style-scripts-layout``.
        clean: ``T 3 H W`` uint8 RGB without them, for judging alone.
        overlays: What is laid over it.
        rate: Frames per second.
    """

    name: str
    clean: np.ndarray
    overlays: tuple[Overlay, ...]
    rate: Fraction

    @property
    def size(self) -> tuple[int, int]:
        """Height and width, pixels."""
        return self.clean.shape[-2], self.clean.shape[-1]

    def burnt(self, index: int) -> np.ndarray:
        """``3 H W`` float32 RGB of a frame with its overlays."""
        return burn(self.clean[index].astype(np.float32) / 255, self.overlays, index)

    def write(self, folder: Path) -> Path:
        """The file that the program gets: lossy, and nothing in it or its name tells of the truth."""
        frames = (self.burnt(i) for i in range(len(self.clean)))
        return lossy_film(folder / "input.mp4", frames, self.rate, CRF)

    @cached_property
    def touched(self) -> np.ndarray:
        """``T H W`` bool: opacity above :data:`TOUCHED`, one pixel wider on all sides."""
        found = np.zeros((len(self.clean), *self.size), bool)
        for index in range(len(found)):
            hidden = (opacity(self.overlays, index, self.size) > TOUCHED).astype(np.uint8)
            found[index] = cv2.dilate(hidden, np.ones((3, 3), np.uint8)) > 0
        return found

    @cached_property
    def boxes(self) -> np.ndarray:
        """``T H W`` bool: the box around every overlay while it is there, two pixels wider on all sides."""
        found = np.zeros((len(self.clean), *self.size), bool)
        for overlay in self.overlays:
            y0, y1, x0, x1 = grown(overlay.box, 2, self.size)
            found[overlay.start : overlay.end, y0:y1, x0:x1] = True
        return found

    @cached_property
    def area(self) -> Box:
        """What is judged: all overlays with some picture around them.

        Raises:
            UsageError: There is no overlay.
        """
        if not self.overlays:
            raise UsageError(f"case {self.name}", expected="an overlay", got="none")
        corners = np.array([o.box for o in self.overlays])
        low, high = corners.min(axis=0), corners.max(axis=0)
        return grown((int(low[0]), int(high[1]), int(low[2]), int(high[3])), _MARGIN, self.size)

    def times(self, overlay: Overlay) -> range:
        """The frames in which an overlay is there to see, by :data:`TOUCHED`."""
        there = [
            i for i in range(overlay.start, overlay.end) if float(overlay.alpha.max()) * overlay.strength(i) > TOUCHED
        ]
        return range(there[0], there[-1] + 1)


def grown(box: Box, by: int, size: tuple[int, int]) -> Box:
    """A box with some pixels more on all sides, inside a picture of height and width ``size``."""
    y0, y1, x0, x1 = box
    return max(0, y0 - by), min(size[0], y1 + by), max(0, x0 - by), min(size[1], x1 + by)


def plans(options: BenchOptions) -> list[Plan]:
    """Every case there is: each clip with each style, scripts and layouts taken in turn; with a logo; clean."""
    every: list[Plan] = []
    for k, sample in enumerate(samples(options)):
        for j, style in enumerate(STYLES):
            layout = LAYOUTS[(2 * k + j) % len(LAYOUTS)]
            own = [SCRIPTS[(k + j + i) % len(SCRIPTS)] for i in range(2 if layout == "both" else 1)]
            every.append(Plan(sample, style, tuple(own), layout))
        every += [Plan(sample, "logo", ("latin",)), Plan(sample, "clean"), Plan(sample, "sign", ("latin",))]
        every += [Plan(sample, "outlined", ("latin",), "top", rows) for rows in LARGER if rows > options.height]
    return every


def chosen(options: BenchOptions, folder: Path = FONT_FOLDER) -> tuple[list[Plan], tuple[str, ...]]:
    """The cases that the options ask for, and what was left out for want of a font, a line a script.

    Args:
        options: ``cases`` holds words; a case is taken when its name has one of them.
        folder: Where the fonts are.

    Raises:
        UsageError: No case has one of the wanted words in its name, or none of them has its fonts.
    """
    every = plans(options)
    wanted = [p for p in every if not options.cases or any(word in p.name for word in options.cases)]
    if not wanted:
        known = ", ".join(p.name for p in every)
        raise UsageError("bench cases", expected=f"a part of one of: {known}", got=", ".join(options.cases))
    lacking = {s: told for s in SOURCES if (told := missing(s, folder)) is not None}
    there = [p for p in wanted if not lacking.keys() & set(p.scripts)]
    notes = []
    for script, command in lacking.items():
        names = [p.name for p in wanted if script in p.scripts]
        if names:
            notes.append(f"Left out for want of a font for {script} ({command}): {', '.join(names)}.")
    if not there:
        raise UsageError("bench subtitles", expected="fonts", got=" ".join(notes), hint=next(iter(lacking.values())))
    return there, tuple(notes)


def read_clean(sample: Sample, options: BenchOptions, sign: str = "") -> tuple[np.ndarray, Fraction]:
    """``T 3 H W`` uint8 RGB at the bench's size and frames per second; at most ``frames``, fewer of a shorter clip.

    Args:
        sample: The clip.
        options: Its folder, size and length.
        sign: Script of the sign in the scene; empty for none.

    Raises:
        UsageError: The clip is not there, or has fewer than two frames.
    """
    path = options.clips / sample.file
    if not path.is_file():
        raise UsageError(str(path), expected="a sample clip", got="no such file", hint="give the folder of the clips")
    info = probe(path)
    reader = ClipReader(info)
    count = min(options.frames, len(reader) - sample.start)
    if count < 2:
        raise UsageError(f"{path.name}: {count} frames", expected="two or more", got=str(count))
    shape, frames = (options.height, options.width), []
    for row, native in enumerate(reader.frames(sample.start, sample.start + count)):
        rgb = to_rgb(native, info)
        if sign:
            rgb = with_sign(rgb, str(texts()["sign"]), font(sign, max(8, rgb.shape[-2] // 10)))
        rows, columns = view(rgb.shape[-2], rgb.shape[-1], shape, row / (count - 1) if sample.pan else None)
        part = np.ascontiguousarray(rgb[:, rows, columns].transpose(1, 2, 0))
        smaller = part.shape[0] > shape[0]
        scaled = cv2.resize(part, shape[::-1], interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC)
        frames.append((scaled.transpose(2, 0, 1) * 255).round().clip(0, 255).astype(np.uint8))
    return np.stack(frames), info.rate


def cases(wanted: Sequence[Plan], options: BenchOptions) -> Iterator[BurntCase]:
    """The cases, one clip in memory at a time.

    Raises:
        UsageError: A clip or a font is not there.
    """
    read: tuple[tuple[Sample, str, int], np.ndarray, Fraction] | None = None
    for plan in wanted:
        what = plan.sample, plan.scripts[0] if plan.style == "sign" else "", plan.rows
        if read is None or read[0] != what:
            read = (what, *read_clean(plan.sample, plan.options(options), what[1]))
        _, clean, rate = read
        size = clean.shape[-2], clean.shape[-1]
        yield BurntCase(plan.name, clean, overlays(plan, len(clean), size), rate)


def overlays(plan: Plan, frames: int, size: tuple[int, int]) -> tuple[Overlay, ...]:
    """What a case burns in.

    Args:
        plan: What it shall be.
        frames: How long the clip is.
        size: Its height and width.
    """
    if plan.style in UNTOUCHED_STYLES:
        return ()
    if plan.style == "logo":
        return (_overlay(plan, str(texts()["logo"]), range(frames), size, "corner"),)
    sentences = texts()["scripts"]
    said = {s: sentences["latin" if s == BUILT_IN else s] for s in plan.scripts}
    turn = sum(map(ord, plan.name))
    first = said[plan.scripts[0]]

    def at(begin: float, end: float) -> range:
        return range(round(begin * frames), max(round(begin * frames) + 1, round(end * frames)))

    if plan.layout == "pair":
        spans = (at(0.03, 0.48), at(0.54, 0.98))  # nobody shows a line for less than half a second
        return tuple(_overlay(plan, first[(turn + i) % len(first)], s, size) for i, s in enumerate(spans))
    if plan.layout == "both":
        second = said[plan.scripts[1]]
        below = _overlay(plan, first[turn % len(first)], at(0.1, 0.7), size)
        above = _overlay(plan, second[(turn + 1) % len(second)], at(0.35, 0.9), size, "top")
        return below, above
    spans = {"fade": at(0.12, 0.88), "top": at(0.2, 0.8), "whole": range(frames)}
    where = "top" if plan.layout == "top" else "bottom"
    return (_overlay(plan, first[turn % len(first)], spans[plan.layout], size, where),)


def _overlay(plan: Plan, text: str, span: range, size: tuple[int, int], where: str = "bottom") -> Overlay:
    script = plan.scripts[-1] if where == "top" else plan.scripts[0]
    letters = max(8, round(LETTERS * size[0]))
    style = LOGO if plan.style == "logo" else STYLES[plan.style]
    while True:
        alpha, color, sung = draw_text(text, font(script, letters), style)
        if alpha.shape[1] <= 0.92 * size[1] or letters <= 8:
            break
        letters -= 1
    drawn = Overlay(
        kind="logo" if plan.style == "logo" else "text",
        text=text,
        start=span.start,
        end=span.stop,
        box=(0, alpha.shape[0], 0, alpha.shape[1]),
        alpha=alpha,
        color=color,
        sung=sung,
        leftwards=script == "arabic",
        fade=max(2, len(span) // 6) if plan.layout == "fade" else 0,
        boxed=style.box > 0,
    )
    return placed(drawn, size, where)
