"""Curves as PNG, for benches whose result is a curve and not a table."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise UsageError("plot", expected="matplotlib", got="none", hint="pip install 'vidinternal[report]'") from error
    figure = Figure(figsize=(7, 4.5), dpi=110, layout="constrained")
    plane = figure.add_subplot(title=axes.title, xlabel=axes.x, ylabel=axes.y)
    for number, (name, points) in enumerate(lines.items()):
        color = f"C{number % 10}"
        if len(points) == 1:
            plane.axhline(points[0][1], label=name, color=color, linestyle=":", linewidth=1)
        else:
            plane.plot(*zip(*points, strict=True), label=name, color=color, marker="o")
    if axes.log != "none":
        plane.set_xscale("log")
    if axes.log == "both":
        plane.set_yscale("log")
    plane.grid(visible=True, alpha=0.3)
    plane.legend(fontsize="small")
    out = io.BytesIO()
    figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()
