"""The quality of every frame as a picture of lines in a box 1000 wide and 136 high."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from vidinternal.report.intermediate import FrameFacts
from vidinternal.stages.artifacts import Windows

WIDE, HIGH = 1000.0, 136.0
_TOP, _BOTTOM = 8.0, 128.0  # of the curve
MOST_POINTS = 1000
"""Points of a curve; of more frames the worst of each stretch stands for it."""


def timeline(frames: Sequence[FrameFacts], windows: Windows, pixels: int) -> dict[str, Any] | None:
    """What the page's timeline is drawn from; None where no frame was filled.

    Args:
        frames: Every frame of the clip.
        windows: How the clip is cut.
        pixels: Of one picture.
    """
    if not any(f.masked for f in frames):
        return None
    total = len(frames)
    known = [f.quality for f in frames if f.quality is not None]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    pad = max(0.5, 0.08 * (high - low))
    low, high = low - pad, high + pad
    most = max(f.masked for f in frames) / pixels
    points = list(_stretches(frames))
    return {
        "curve": _curve(points, total, low, high),
        "area": _area(points, total, most * pixels),
        "bands": [
            {"x": _at(s.start, total), "width": _at(len(s), total), "name": f"shot {s.index}: {s.start}-{s.end - 1}"}
            for s in windows.shots
        ],
        "seams": [
            {"x": _at(w.start + w.overlap / 2, total), "name": f"frames {w.start}-{w.start + w.overlap - 1} faded"}
            for w in windows.windows
            if w.overlap
        ],
        "high": f"{high:.1f} dB" if known else "",
        "low": f"{low:.1f} dB" if known else "",
        "last": f"frame {total - 1}",
        "most": f"{most:.1%}",
        "told": _told(known, total),
    }


def _told(known: Sequence[float], total: int) -> str:
    if not known:
        return f"{total} frames; what quality to expect is not known"
    return f"{total} frames; expected in the hole: {min(known):.1f} to {max(known):.1f} dB"


def _at(frame: float, total: int) -> float:
    return round(WIDE * frame / total, 2)


def _stretches(frames: Sequence[FrameFacts]) -> Iterator[tuple[float, float | None, int]]:
    """Middle, worst quality and most filled pixels of stretches of frames."""
    length = max(1, -(-len(frames) // MOST_POINTS))
    for first in range(0, len(frames), length):
        part = frames[first : first + length]
        known = [f.quality for f in part if f.quality is not None]
        yield first + len(part) / 2, min(known) if known else None, max(f.masked for f in part)


def _curve(points: Sequence[tuple[float, float | None, int]], total: int, low: float, high: float) -> str:
    """Path of the quality, interrupted where nothing was filled; a lone frame is a short dash."""
    words, drawing = [], False
    for middle, quality, _ in points:
        if quality is None:
            drawing = False
            continue
        x, y = _at(middle, total), _BOTTOM - (_BOTTOM - _TOP) * (quality - low) / (high - low)
        words.append(f"L{x:g} {y:.1f}" if drawing else f"M{x - 0.01:.2f} {y:.1f}L{x:g} {y:.1f}")
        drawing = True
    return "".join(words)


def _area(points: Sequence[tuple[float, float | None, int]], total: int, most: float) -> str:
    """Path of the filled pixels, from the lower edge to at most a third of the height."""
    words = [f"M0 {HIGH:g}"]
    half = WIDE / max(1, len(points)) / 2
    for middle, _, masked in points:
        x, y = _at(middle, total), HIGH - (HIGH / 3) * masked / max(1.0, most)
        words.append(f"L{max(0.0, x - half):.2f} {y:.1f}L{min(WIDE, x + half):.2f} {y:.1f}")
    return "".join([*words, f"L{WIDE:g} {HIGH:g}Z"])
