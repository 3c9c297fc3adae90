"""Shots of a clip whose pictures are made anew, side by side: the stage that trains is told to start cold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from vidinternal.engines.split import independent
from vidinternal.engines.warm import Warm, can_warm, carrying, spec_of
from vidinternal.runner.job import Job
from vidinternal.stages.base import JobInputs


@pytest.mark.parametrize(("pipeline", "method"), [("inpaint", "internal"), ("upscale", "zssr")])
def test_the_stage_that_trains_is_told_where_to_start(pipeline: str, method: str) -> None:
    job = Job(pipeline, JobInputs(Path("a.mkv"), Path("b.mkv")), (f"{pipeline}.method={method}",))
    spec = spec_of(job.pipeline, job.sets)
    assert carrying(spec) == pipeline and can_warm(spec)
    alone, notes = independent(job)
    assert alone.sets[-1] == f"{pipeline}.init=cold" and f"--set {pipeline}.init=cold" in notes[0]
    warm = Warm(Path("bank")).job(job, ["w1", "w2"])
    assert warm.sets[-2:] == (f"{pipeline}.bank=bank", f"{pipeline}.starts=[w1, w2]")


def test_what_trains_nothing_stays_as_it_is() -> None:
    job = Job("upscale", JobInputs(Path("a.mkv"), Path("b.mkv")), ("upscale.method=bicubic",))
    assert independent(job) == (job, ())
    assert not can_warm(spec_of("upscale", replace(job, sets=("upscale.method=lanczos",)).sets))
