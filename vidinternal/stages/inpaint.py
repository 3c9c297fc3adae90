"""Stage ``inpaint``: one registered method fills the holes of a window and scores itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from pydantic import Field

from vidinternal.core.config import StrictModel
from vidinternal.core.contracts import FitContext
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
    warm_start: bool = True
    """Whether a method that trains starts from the weights of the window before."""


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
    Config = Config

    def run(self, inputs: Mapping[str, Any], context: StageContext) -> Mapping[str, Any]:
        """Return ``fill`` of this window; empty where nothing is masked."""
        track: MaskTrack = inputs["masks"]
        if track.box is not None and not track.to_fill().any():
            facts = {"method": self.config.method, "skipped": "all of it was recovered"}
            return {"fill": Fill(track.recovered, track.box, facts=facts)}
        if track.box is None or self.options is None:
            return {"fill": Fill(None, None, facts={"method": self.config.method, "skipped": "nothing masked"})}
        earlier: Fill | None = inputs["previous:fill"] if self.config.warm_start else None
        fit = FitContext(
            seed=context.seed,
            device=context.device,
            budget=context.budget,
            progress=context.progress,
            start=earlier.weights if earlier and earlier.weights else None,
            start_signature=earlier.facts.get("signature") if earlier else None,
            checkpoint=context.checkpoint,
            preview=context.preview,
        )
        request = FillRequest(self.config.method, self.options, self.config.max_side, self.config.copies)
        area, masks = load_work_area(inputs["frames"], context.this_window(), track)
        scale = 1.0 if context.memory is None else context.memory.scale(track)
        result, facts = fill_in_memory((area, masks), inputs["flow"].fields, request, fit, scale)
        facts = {**facts, "hole_pixels": int(track.to_fill().sum()), "warm": fit.start is not None}
        provenance = None if result.provenance is None else result.provenance.to(torch.int16)
        filled = track.with_recovered(result.frames.cpu())
        told = {"origin": result.origin, "error": result.spread, "learned_flow": result.learned_flow}
        return {"fill": Fill(filled, track.box, provenance, result.weights or {}, facts, **told)}


STAGE = Inpaint
