"""Stage ``inpaint``: one registered method fills the holes of a window and scores itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field, PositiveInt
from torch import Tensor

from vidinternal.core.config import StrictModel
from vidinternal.core.contracts import FitContext, FitResult
from vidinternal.core.errors import ConfigError
from vidinternal.learn.warm_start.bank import DEFAULT_LIMIT
from vidinternal.learn.warm_start.describe import describe
from vidinternal.learn.warm_start.pool import Pool
from vidinternal.methods import card
from vidinternal.ops.resample import working_size
from vidinternal.stages.artifacts import Fill, MaskTrack
from vidinternal.stages.base import Scope, Stage, StageContext
from vidinternal.stages.fill_window import FillRequest
from vidinternal.stages.out_of_memory import fill_in_memory
from vidinternal.stages.work_area import load_work_area


class Config(StrictModel):
    """Which method, at what size, scored or not."""

    method: str = "internal"
    """Inpainting method."""
    max_side: int = Field(default=0, ge=0)
    """Longest side to work at, pixels; 0 = what the method is made for: the paper's modes 448, all others full size."""
    copies: int = Field(default=2, ge=0, le=4)
    """Copies of the hole hidden on known places to score the fill without ground truth; 0 = no score."""
    init: Literal["cold", "previous", "nearest", "mean", "ema", "last_k", "meta", "bank"] = "nearest"
    """What training starts from: nothing, earlier windows and `bank` by some scheme, or what sample clips taught."""
    bank: Path | None = None
    """Folder that keeps the weights of finished windows for other clips; empty = only this clip's own are used."""
    bank_limit: PositiveInt = DEFAULT_LIMIT
    """Bytes that folder may hold; what has not been used for longest is removed."""
    starts: tuple[str, ...] | None = None
    """Groups of the bank to start from, as `run.json` names them; empty = all that is in it when the job begins."""


class Inpaint(Stage):
    """Fills holes."""

    name = "inpaint"
    scope = Scope.WINDOW
    summary = "Fills the masked pixels with one of the inpainting methods and scores the fill on hidden known pixels."
    reads = ("frames", "masks", "flow")
    writes = ("fill",)
    recalls = ("fill",)
    task = "inpaint"
    timed = True
    carries = True
    places = ("bank", "bank_limit", "starts")
    Config = Config

    def preflight(self, context: StageContext) -> tuple[str, ...]:
        """Refuse a start from a bank that is not given.

        Raises:
            ConfigError: ``init`` or ``starts`` ask for a bank and there is none.
        """
        del context
        for name, asked in (("init: bank", self.config.init == "bank"), ("starts", bool(self.config.starts))):
            if asked and self.config.bank is None:
                hint = "--set inpaint.bank=FOLDER"
                raise ConfigError(f"inpaint.{name}", expected="a weight bank", got="no inpaint.bank", hint=hint)
        return ()

    def run(self, inputs: Mapping[str, Any], context: StageContext) -> Mapping[str, Any]:
        """Return ``fill`` of this window; empty where nothing is masked."""
        track: MaskTrack = inputs["masks"]
        if track.box is not None and not track.to_fill().any():
            told = {"skipped": "all of it was recovered", "hole_pixels": 0, **_recovered(track)}
            facts = {"method": self.config.method, **told}
            return {"fill": Fill(track.recovered, track.box, facts=facts)}
        if track.box is None or self.options is None:
            return {"fill": Fill(None, None, facts={"method": self.config.method, "skipped": "nothing masked"})}
        side = min(context.info.width, context.info.height)
        request = FillRequest(self.config.method, self.options, self.config.max_side, self.config.copies, side)
        area, masks = load_work_area(inputs["frames"], context.this_window(), track)
        about, pool = self._pool(area, masks, context)
        fit = FitContext(
            seed=context.seed,
            device=context.device,
            budget=context.budget,
            progress=context.progress,
            starts=pool,
            checkpoint=context.checkpoint,
            preview=context.preview,
        )
        scale = 1.0 if context.memory is None else context.memory.scale(track)
        result, facts = fill_in_memory((area, masks), inputs["flow"].fields, request, fit, scale)
        facts = {**facts, "hole_pixels": int(track.to_fill().sum()), **about}
        facts |= _recovered(track)
        facts["notes"] = [*facts["notes"], *_unfit(pool, result)]
        facts |= {"warm": result.warm, "trained": bool(result.weights)}
        provenance = None if result.provenance is None else result.provenance.to(torch.int16)
        filled = track.with_recovered(result.frames.cpu())
        told = {"origin": result.origin, "error": result.spread, "learned_flow": result.learned_flow}
        return {"fill": Fill(filled, track.box, provenance, result.weights or {}, facts, **told)}

    def _pool(self, area: Tensor, masks: Tensor, context: StageContext) -> tuple[dict[str, Any], Pool | None]:
        """What the window looks like, for the account, and what it may start from; nothing where nothing is trained."""
        chosen = card(self.config.method, "inpaint")
        if not chosen.trains:
            return {}, None
        seen = describe(area, masks)
        if self.config.init == "cold":
            return {"description": list(seen)}, None
        size = working_size(area.shape[-2], area.shape[-1], self.config.max_side or chosen.work_side)
        scheme = "nearest" if self.config.init == "bank" else self.config.init
        return {"description": list(seen)}, Pool(scheme, context.finished, chosen.name, size, seen)


def _recovered(track: MaskTrack) -> dict[str, int]:
    """Masked pixels that nobody had to fill, and those of them that other places show, for the account."""
    counts = {"recovered_pixels": track.where, "seen_pixels": track.seen}
    return {name: int(where.sum()) for name, where in counts.items() if where is not None}


def _unfit(pool: Pool | None, result: FitResult) -> tuple[str, ...]:
    """What to tell where a start was asked for and there is none for the network at work."""
    if pool is None or not result.weights or result.signature is None or pool.has(result.signature):
        return ()
    if pool.scheme == "meta":
        return (f"cold start: init=meta has no weights for {result.signature}",)
    return (f"cold start: none of {len(pool.finished)} finished windows has this network",) if pool.finished else ()


STAGE = Inpaint
