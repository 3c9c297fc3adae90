"""The page of a run that made every picture anew: at the size that was made, without talk of holes."""

from __future__ import annotations

import re
from pathlib import Path

from tests import media_made
from vidinternal.report.remade import told_rows
from vidinternal.report.run_page import write_run_page
from vidinternal.runner.job import Job
from vidinternal.runner.run import run_job
from vidinternal.stages.base import JobInputs


def page(tmp_path: Path, pipeline: str, *sets: str) -> str:
    clip = media_made.clip(tmp_path / "clip.mkv", size=(48, 32), frames=4, smooth=True, rotation=90)
    inputs = JobInputs(clip, tmp_path / "out" / "made.mkv")
    job = Job(pipeline, inputs, ("encode.codec=ffv1", "shots.detector=none", *sets))
    write_run_page(job, run_job(job), tmp_path / "page.html")
    return (tmp_path / "page.html").read_text(encoding="utf-8")


def test_before_and_after_are_shown_at_the_size_that_was_made(tmp_path: Path) -> None:
    text = page(tmp_path, "upscale", "upscale.method=bicubic", "upscale.scale=3")
    assert "aspect-ratio: 96 / 144" in text and "Pictures are 96×144 of 96×144 pixels" in text
    assert "frames made anew, 96×144 from 32×48" in text
    assert '"remade": true' in text or '"remade":true' in text
    for word in ("had something to fill", "Quality to expect, frame by frame", "was measured on copies"):
        assert word not in text
    assert "every sample as it was made" in text and "keys1981cubic" in text
    assert len(re.findall(r'id="frame-\d+"', text)) == 4


def test_layers_and_findings_are_told(tmp_path: Path) -> None:
    text = page(tmp_path, "dehaze", "dehaze.method=dark_channel")
    assert "Layers beside the output" in text and "made.transmission" in text
    assert "What the method found" in text and "flicker" in text


def test_findings_are_told_in_words() -> None:
    windows = [{"method": "x", "tiles": 4, "warm": True, "gain": {"mean": 0.123456, "max": None}, "none": None}]
    rows = list(told_rows({"shots": [{"windows": windows}, {"windows": [{"kernel_side": [3, 5.5]}]}]}))
    assert [(r["window"], r["name"], r["value"]) for r in rows] == [
        ("1", "tiles", "4"),
        ("1", "warm", "yes"),
        ("1", "gain", "mean 0.1235"),
        ("2", "kernel side", "3, 5.5"),
    ]
