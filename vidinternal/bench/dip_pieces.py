"""Rows of bench ``dip`` for pictures that a run cuts: every piece is fitted by itself, and the whole is judged."""

from __future__ import annotations

from dataclasses import replace
from statistics import fmean
from typing import Any

from torch import Tensor

from vidinternal.bench.base import BenchOptions
from vidinternal.bench.dip_cases import Picture
from vidinternal.bench.dip_rows import FAITHFUL_ROW, Curve, fit, settings
from vidinternal.core.imaging import TILE
from vidinternal.methods import image_method
from vidinternal.stages.lift.tiles import Tile, plan, together


def learned(row: str, case: Picture, options: BenchOptions) -> tuple[dict[str, Any], Tensor, Curve]:
    """Run one row on one case: the row, the picture, the curve; ours by pieces where a run makes it so.

    The curve of pieces is that of the whole: every look is laid together of all pieces at that iteration, of one that
    was over before at its last. The published schedule fits every picture whole.
    """
    tiles = pieces(row, case, options)
    if len(tiles) == 1:
        return fit(row, case, options)
    parts = [fit(row, _piece(case, tile), options, keep=True) for tile in tiles]
    return _joined(case, tiles, parts)


def pieces(row: str, case: Picture, options: BenchOptions) -> tuple[Tile, ...]:
    """How a run cuts the picture that is seen; one where it stays whole."""
    scale, side = _scale(case), TILE
    if row == FAITHFUL_ROW:
        side = 0
    elif case.task in ("denoise", "upscale"):
        side = image_method("dip", case.task).tile(settings(row, case, options))
    height, width = (int(n) for n in case.seen.shape[-2:])
    return plan(height, width, lambda h, w: (scale * h, scale * w), side**2)


def _piece(case: Picture, tile: Tile) -> Picture:
    size = _size(case, tile)
    return replace(
        case,
        name=f"{case.name}/{tile.index}",
        truth=tile.cut_result(case.truth, size),
        seen=tile.cut(case.seen),
        missing=None if case.missing is None else tile.cut_result(case.missing, size),
        whole=False,
    )


def _joined(
    case: Picture, tiles: tuple[Tile, ...], parts: list[tuple[dict[str, Any], Tensor, Curve]]
) -> tuple[dict[str, Any], Tensor, Curve]:
    """The row, the picture and the curve of the whole."""
    rows, curves = [row for row, _, _ in parts], [curve for _, _, curve in parts]
    height, width = (int(n) for n in case.truth.shape[-2:])

    def whole(made: list[Tensor]) -> Tensor:
        return together(list(zip(tiles, made, strict=True)), (height, width), lambda t: _size(case, t))

    picture = whole([made for _, made, _ in parts])
    seconds = sum(row["seconds"] for row in rows)
    curve = Curve(case, curves[0].rule, curves[0].every, spent=seconds)
    for look in sorted({iteration for c in curves for iteration in c.levels}):
        last = [max(i for i in c.levels if i <= look) for c in curves]
        curve.levels[look] = case.score(
            whole([(c.kept or {})[i].float() / 255 for c, i in zip(curves, last, strict=True)])
        )
        curve.times[look] = sum(c.times[i] for c, i in zip(curves, last, strict=True))
    early = [stored for c in curves if (stored := c.stored()) is not None]
    level = case.score(whole(early)) if len(early) == len(curves) else None
    best = max(curve.levels.values())
    found = {
        "psnr": case.score(picture),
        "best": best,
        "best_iteration": max(curve.levels, key=curve.levels.__getitem__),
        "early": level,
        "early_iteration": round(fmean(row["early_iteration"] for row in rows)),
        "early_stop": None,
        "gap": None if level is None else best - level,
        "iterations": round(fmean(row["iterations"] for row in rows)),
        "seconds": seconds,
        "ms": 1000 * seconds / sum(row["iterations"] for row in rows),
        "stopped": ", ".join(sorted({row["stopped"] for row in rows})),
        "pieces": len(tiles),
        "curve": {str(i): [round(v, 3), round(curve.times[i], 2)] for i, v in curve.levels.items()},
    }
    named = {
        "case": case.case,
        "task": case.task,
        "size": case.size,
        "method": rows[0]["method"],
        "paper": case.paper(),
    }
    return {**named, **found}, picture, curve


def _scale(case: Picture) -> int:
    return case.truth.shape[-1] // case.seen.shape[-1]


def _size(case: Picture, tile: Tile) -> tuple[int, int]:
    """Rows and columns of what becomes of a tile."""
    return _scale(case) * tile.height, _scale(case) * tile.width
