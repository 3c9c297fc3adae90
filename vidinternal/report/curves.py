"""Curves of a fit: every term of the objective and the held-out score against the iterations, as SVG for a page."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

from vidinternal.core.errors import UsageError

COLOURS = ("#3b82f6", "#f59e0b", "#10b981", "#ef4444", "#8b5cf6", "#06b6d4")
"""Of the terms in order; told apart on light and on dark ground."""
Line = tuple[str, Sequence[tuple[float, float | None]]]
"""A name and points; None where nothing is known."""
_INK = "#0a0b0c"  # stands for the page's own colour of text
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.size": 10,
    "axes.edgecolor": _INK,
    "axes.labelcolor": _INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "grid.alpha": 0.13,
    "grid.color": _INK,
    "legend.frameon": False,
    "text.color": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
}


def has_curve(history: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a fit was looked at often enough for a curve."""
    return len(history) >= 2


def curves(history: Sequence[Mapping[str, Any]], name: str) -> list[str]:
    """SVG elements: the terms of the objective and, where the fit was scored, the held-out score.

    Args:
        history: Looks at one fit as they stand in the record: ``iteration``, ``seconds``, ``terms``, ``holdout_psnr``.
        name: Different for every fit of a page.

    Raises:
        UsageError: Matplotlib is not installed.
    """
    by_iteration = history[-1]["iteration"] > history[0]["iteration"]
    at = [look["iteration" if by_iteration else "seconds"] for look in history]
    terms = dict.fromkeys(term for look in history for term in look["terms"])
    lines = [(t, [(x, look["terms"].get(t)) for x, look in zip(at, history, strict=True)]) for t in terms]
    scores = [(x, look["holdout_psnr"]) for x, look in zip(at, history, strict=True)]
    along = "iteration" if by_iteration else "seconds"
    drawn = [_drawn(f"{name}-terms", "terms of the objective", along, lines)] if lines else []
    if sum(score is not None for _, score in scores) > 1:
        drawn.append(_drawn(f"{name}-score", "held-out score, dB", along, [("score", scores)]))
    return drawn


def _drawn(salt: str, title: str, along: str, lines: Sequence[Line]) -> str:
    """One panel; ``salt`` makes the names inside it its own."""
    try:
        import matplotlib as mpl  # noqa: PLC0415 - an extra, and slow to load
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ModuleNotFoundError as error:
        hint = "pip install 'vidinternal[report]'"
        raise UsageError("--report", expected="matplotlib", got="not installed", hint=hint) from error
    with mpl.rc_context({**_STYLE, "svg.hashsalt": salt}):
        figure = Figure(figsize=(4.4, 2.4), layout="constrained")
        panel = figure.subplots()
        _draw(panel, lines)
        panel.set_title(title, loc="left", fontsize=10)
        panel.set_xlabel(along)
        panel.grid(True)
        out = io.StringIO()
        nothing = dict.fromkeys(("Date", "Creator", "Type", "Format"))
        figure.savefig(out, format="svg", transparent=True, metadata=nothing)
    return _inline(out.getvalue())


def _draw(panel: Any, lines: Sequence[Line]) -> None:
    first = 2 if len(lines) == 1 else 0
    for (name, points), colour in zip(lines, COLOURS[first:] + COLOURS * len(lines), strict=False):
        known = [(x, value) for x, value in points if value is not None]
        panel.plot([x for x, _ in known], [v for _, v in known], color=colour, marker="o", markersize=3, label=name)
    values = [v for _, points in lines for _, v in points if v is not None]
    if len(lines) > 1 and values and min(values) > 0 and max(values) / min(values) > 5:
        panel.set_yscale("log")
    else:
        panel.ticklabel_format(useOffset=False)
    if [name for name, _ in lines] != ["score"]:
        panel.legend(ncols=min(4, len(lines)), fontsize=9, loc="best")


def _inline(svg: str) -> str:
    """The element alone, as wide as its place, in the page's colour of text; nothing in it is looked up elsewhere."""
    element = svg[svg.index("<svg") :]
    element = re.sub(r"<metadata>.*?</metadata>", "", element, flags=re.DOTALL)
    opening, rest = element.split(">", 1)
    box = re.search(r'viewBox="[^"]*"', opening)
    return f'<svg {box[0] if box else ""} role="img">{rest}'.replace(_INK, "currentColor").strip()
