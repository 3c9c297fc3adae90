"""The drawings of benches, made of nothing but a kept result: the same for a fresh run and for the README."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from vidinternal.bench.plot import Axes, Curve, curves, points

Record = Mapping[str, Any]
"""A result as :meth:`vidinternal.bench.base.BenchResult.as_dict` gives it: ``summary``, ``rows``, ``options``."""


def quality(record: Record) -> bytes:
    """Hole PSNR against time: a curve for each method that trains, a level for each that does not."""
    times = sorted(record["options"]["times"])
    lines = {e["method"]: _after(e, times) or [(times[0], e["any"])] for e in record["summary"]}
    return curves(lines, Axes("quality against time", "seconds", "hole PSNR, dB", log="x"))


def _after(entry: Mapping[str, Any], times: list[float]) -> Curve:
    return [(t, entry[f"after_{t:g}"]) for t in times if entry.get(f"after_{t:g}") is not None]


def scaling(record: Record) -> bytes:
    """Seconds against how many times as many frames, hole pixels and pixels, both logarithmic."""
    lines = {
        f"{e['method']}, {e['axis']}": [(int(k[1:]), v) for k, v in e.items() if k[0] == "x" and k[1:].isdigit()]
        for e in record["summary"]
    }
    return curves(lines, Axes("cost", "times as much", "seconds", log="both"))


def inpaint(record: Record) -> bytes:
    """The self-score against the truth, a point for every method and case."""
    clouds: dict[str, list[tuple[float, float]]] = {}
    for row in record["rows"]:
        if row.get("self_score") is not None:
            clouds.setdefault(row["method"], []).append((row["hole_psnr"], row["self_score"]))
    return points(clouds, Axes("self-score", "truth, dB", "self-score, dB"))


DRAWINGS: Mapping[str, Callable[[Record], bytes]] = {"quality": quality, "scaling": scaling, "inpaint": inpaint}
"""What is drawn of which bench."""
