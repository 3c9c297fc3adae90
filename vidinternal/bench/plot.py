"""Curves as PNG, for benches whose result is a curve and not a table."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vidinternal.core.errors import UsageError

Curve = Sequence[tuple[float, float]]
"""Points ``(x, y)`` in the order of ``x``."""


@dataclass(frozen=True)
class Axes:
    """What stands at the axes.

    Attributes:
        title: Above the plot.
        x: Quantity and unit.
        y: Quantity and unit.
        log: Whether both axes are logarithmic, or the x axis alone, or none: ``both``, ``x`` or ``none``.
    """

    title: str
    x: str
    y: str
    log: str = "none"


def curves(lines: Mapping[str, Curve], axes: Axes) -> bytes:
    """A PNG with one line a curve; a curve of a single point is a level that does not depend on ``x``.

    Raises:
        UsageError: Matplotlib is not installed.
    """
    figure, plane = _sheet(axes)
    for number, (name, line) in enumerate(lines.items()):
        color = f"C{number % 10}"
        if len(line) == 1:
            plane.axhline(line[0][1], label=name, color=color, linestyle=":", linewidth=1)
        else:
            plane.plot(*zip(*line, strict=True), label=name, color=color, marker="o")
    measured = sorted({x for line in lines.values() if len(line) > 1 for x, _ in line})
    if axes.log != "none" and measured:
        plane.set_xticks(measured, [f"{x:g}" for x in measured])
        plane.set_xticks([], minor=True)
    return _png(figure, plane)


def points(clouds: Mapping[str, Curve], axes: Axes) -> bytes:
    """A PNG with one colour a cloud of points, and the line on which both quantities are equal.

    Raises:
        UsageError: Matplotlib is not installed.
    """
    figure, plane = _sheet(axes)
    for name, cloud in clouds.items():
        plane.scatter(*zip(*cloud, strict=True), label=name, s=14)
    every = [value for cloud in clouds.values() for point in cloud for value in point]
    if every:
        plane.plot((min(every), max(every)), (min(every), max(every)), color="0.6", linewidth=1)
    return _png(figure, plane)


def _sheet(axes: Axes) -> tuple[Any, Any]:
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 - an extra
        from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter  # noqa: PLC0415
    except ImportError as error:
        raise UsageError("plot", expected="matplotlib", got="none", hint="pip install 'vidinternal[report]'") from error
    figure = Figure(figsize=(7, 4.5), dpi=110, layout="constrained")
    plane = figure.add_subplot(title=axes.title, xlabel=axes.x, ylabel=axes.y)
    if axes.log != "none":
        plane.set_xscale("log")
    if axes.log == "both":
        plane.set_yscale("log")
        plane.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        plane.yaxis.set_minor_locator(NullLocator())
        plane.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    plane.grid(visible=True, alpha=0.3)
    return figure, plane


def _png(figure: Any, plane: Any) -> bytes:
    if plane.get_legend_handles_labels()[0]:
        plane.legend(fontsize="small")
    out = io.BytesIO()
    figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()
