"""The record of a run: versions, seeds, digests, settings, timings, scores, citations."""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from vidinternal import methods
from vidinternal.runner.workspace import code_digest, file_digest
from vidinternal.stages.artifacts import Fill, Patches

if TYPE_CHECKING:
    from vidinternal.runner.run import Run

_PACKAGES = ("torch", "torchvision", "av", "decord2", "kornia", "opencv-python", "numpy", "scipy", "scenedetect")
RECORD_VERSION = 1


def versions() -> dict[str, str]:
    """Versions of Python, of vidinternal and of the libraries that shape a result; absent ones are left out."""
    found = {"python": platform.python_version()}
    for name in ("vidinternal", *_PACKAGES):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


@cache
def citations() -> Mapping[str, str]:
    """The BibTeX entry of every key in ``core/papers.bib``."""
    text = files("vidinternal.core").joinpath("papers.bib").read_text(encoding="utf-8")
    entries = re.findall(r"@\w+\{(\w+),.*?\n\}", text, re.DOTALL), re.findall(r"@\w+\{\w+,.*?\n\}", text, re.DOTALL)
    return dict(zip(*entries, strict=True))


def shot_scores(run: Run) -> list[dict[str, Any]]:
    """Per shot: frames, masked pixels, expected PSNR in the hole (mean of its windows by masked pixels), seams."""
    windows = run.windows()
    fills = [run.read("fill", w) for w in windows.windows] if run.spec.stage("inpaint") else []
    patches = [run.read("patches", w) for w in windows.windows] if run.spec.stage("composite") else []
    scores = []
    for shot in windows.shots:
        mine = [w.index for w in windows.windows if w.shot == shot.index]
        filled: list[Fill] = [fills[k] for k in mine if fills and fills[k].frames is not None]
        seams: list[Patches] = [patches[k] for k in mine if patches and patches[k].seam is not None]
        scored = [f.facts for f in filled if f.facts.get("expected_psnr") is not None]
        pixels = sum(f["hole_pixels"] for f in scored)
        expected = sum(f["expected_psnr"] * f["hole_pixels"] for f in scored) / pixels if pixels else None
        scores.append(
            {
                "shot": shot.index,
                "frames": [shot.start, shot.end],
                "masked_pixels": sum(f.facts["hole_pixels"] for f in filled),
                "expected_psnr": None if expected is None else round(expected, 2),
                "seam_codes": round(sum(p.seam or 0.0 for p in seams) / len(seams), 3) if seams else None,
                "windows": [dict(f.facts) for f in filled],
            }
        )
    return scores


def describe_run(run: Run, notes: Sequence[str]) -> dict[str, Any]:
    """Everything worth knowing of a finished run, JSON-ready."""
    job = run.job.inputs
    used = [methods.card(s.config.method, s.task) for s in run.spec.stages if s.task]
    papers = sorted({c.paper for c in used if c.paper})
    shots = shot_scores(run)
    if run.spec.stage("inpaint") and not any(s["masked_pixels"] for s in shots):
        notes = [*notes, "nothing is masked in any frame: the picture was written as it is"]
    result = run.read("result", None).facts if run.spec.stage("encode") else {}
    return {
        "record_version": RECORD_VERSION,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "pipeline": run.spec.name,
        "source": {"path": str(job.source), "digest": file_digest(job.source), "frames": len(run.handles["frames"])},
        "mask": {
            "path": str(job.mask) if job.mask else None,
            "digest": file_digest(job.mask) if job.mask else None,
            "regions": [repr(r) for r in job.regions],
        },
        "output": {"path": str(job.destination), "digest": file_digest(job.destination), **result},
        "settings": run.spec.settings(),
        "seed": run.job.seed,
        "device": str(run.device),
        "budget_seconds": run.job.budget,
        "seconds": round(run.budget.elapsed(), 3),
        "timings": run.timings,
        "keys": dict(run.keys),
        "code": code_digest(),
        "versions": versions(),
        "shots": shots,
        "citations": {key: citations()[key] for key in papers},
        "notes": list(notes),
        "workspace": str(run.workspace.folder),
    }
