"""The record of a run: versions, seeds, digests, settings, timings, scores, citations."""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from vidinternal import methods
from vidinternal.runner.beside import residue_account, told
from vidinternal.runner.damage import damage_account, damage_notes
from vidinternal.runner.layers import layer_places
from vidinternal.runner.leftovers import left_behind, leftover_notes
from vidinternal.runner.remade import made_facts, remade_notes
from vidinternal.runner.search import search_notes, searched
from vidinternal.runner.starts import account
from vidinternal.runner.workspace import code_digest, file_digest
from vidinternal.stages.artifacts import Fill, Patches

if TYPE_CHECKING:
    from vidinternal.core.clip import Window
    from vidinternal.runner.run import Run

_PACKAGES = ("torch", "torchvision", "av", "decord2", "kornia", "opencv-python", "pillow", "numpy")
_PACKAGES += ("scipy", "scenedetect")
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
    scores = []
    for shot in windows.shots:
        mine = [w for w in windows.windows if w.shot == shot.index]
        filled = [facts for w in mine if (facts := _fill_facts(run, w) or made_facts(run, w)) is not None]
        seams = [seam for w in mine if (seam := _seam(run, w)) is not None]
        scored = [f for f in filled if f.get("expected_psnr") is not None]
        pixels = sum(f["hole_pixels"] for f in scored)
        expected = sum(f["expected_psnr"] * f["hole_pixels"] for f in scored) / pixels if pixels else None
        ends = [sum(f["expected_range"][k] * f["hole_pixels"] for f in scored) / pixels for k in (0, 1) if pixels]
        scores.append(
            {
                "shot": shot.index,
                "frames": [shot.start, shot.end],
                "masked_pixels": sum(f["hole_pixels"] + f.get("recovered_pixels", 0) for f in filled),
                "expected_psnr": None if expected is None else round(expected, 2),
                "expected_range": [round(end, 2) for end in ends] or None,
                "seam_codes": round(sum(seams) / len(seams), 3) if seams else None,
                "windows": filled,
            }
        )
    return scores


def _fill_facts(run: Run, window: Window) -> dict[str, Any] | None:
    """The account of one window's fill; its pictures are let go of at once."""
    if run.spec.stage("inpaint") is None:
        return None
    fill: Fill = run.read("fill", window)
    return (
        None
        if fill.frames is None
        else {
            "frames": [window.start, window.end],
            **{name: value for name, value in fill.facts.items() if name != "description"},  # for the weight bank
        }
    )


def _seam(run: Run, window: Window) -> float | None:
    if run.spec.stage("composite") is None:
        return None
    patches: Patches = run.read("patches", window)
    return patches.seam


def memory_notes(shots: Sequence[Mapping[str, Any]]) -> list[str]:
    """What was made smaller for want of memory, one line a kind, with the number of windows."""
    told: dict[str, int] = {}
    for shot in shots:
        for facts in shot["windows"]:
            if facts.get("memory"):
                told[facts["memory"]] = told.get(facts["memory"], 0) + 1
    return [f"{count} window{'s' * (count != 1)}: {line}" for line, count in told.items()]


def verification_lines(result: Mapping[str, Any]) -> dict[str, str]:
    """What was found in the file written, and what its bitrate came to, a line each; empty without a file."""
    found = result.get("verification") or {}
    rate, quality = found.get("bitrate", {}).get("line", ""), found.get("quality_note", "")
    again = result.get("rewritten", ())
    return {"verified": found.get("line", ""), "bitrate": "; ".join(filter(None, (rate, *again, quality)))}


def _told_by_writing(before: Sequence[str], result: Mapping[str, Any]) -> list[str]:
    """What only the writing of images can tell, such as how many were copied; of a film all is told before."""
    return [] if "rate" in result else [n for n in result.get("notes", ()) if n not in before]


def describe_run(run: Run, notes: Sequence[str]) -> dict[str, Any]:
    """Everything worth knowing of a finished run, JSON-ready."""
    job = run.job.inputs
    used = [methods.card(s.config.method, s.task) for s in run.spec.stages if s.task]
    shots = shot_scores(run)
    seen = sum(w.get("seen_pixels", 0) for s in shots for w in s["windows"])
    if seen:
        share = 100 * seen / sum(s["masked_pixels"] for s in shots)
        notes = [*notes, f"{share:.0f} % of the masked pixels are known: bare before or after, or on a black bar"]
    named = {key for shot in shots for facts in shot["windows"] for key in facts.get("papers", ())}
    papers = sorted({c.paper for c in used if c.paper} | {key for key in named if key in citations()})
    if run.spec.stage("inpaint") and not any(s["masked_pixels"] for s in shots):
        notes = [*notes, "nothing is masked in any frame: the picture was written as it is"]
    result = run.read("result", None).facts if run.spec.stage("encode") else {}
    left = left_behind(run)
    return {
        "record_version": RECORD_VERSION,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "pipeline": run.spec.name,
        "source": {"path": str(job.source), "digest": file_digest(job.source), "frames": len(run.handles["frames"])},
        "mask": {
            "path": str(job.mask) if job.mask else None,
            "digest": file_digest(job.mask) if job.mask else None,
            "regions": [repr(r) for r in job.regions],
            "objects": list(job.objects),
            "hints": str(job.hints) if job.hints else None,
        },
        "found": searched(run),
        "leftovers": left,
        "output": {
            "path": str(job.destination),
            "digest": file_digest(job.destination),
            "size": [run.out.width, run.out.height],
            **result,
        },
        **verification_lines(result),
        "settings": run.spec.settings(),
        "seed": run.job.seed,
        "device": str(run.device),
        "budget_seconds": run.job.budget,
        "memory": None if run.memory is None else asdict(run.memory),
        "seconds": round(run.budget.elapsed(), 3),
        "timings": run.timings,
        "keys": dict(run.keys),
        "code": code_digest(),
        "versions": versions(),
        "shots": shots,
        "layers": {name: str(place) for name, place in layer_places(run).items()},
        "damage": damage_account(run),
        "citations": {key: citations()[key] for key in papers},
        "notes": [
            *notes,
            *_told_by_writing(notes, result),
            *search_notes(run),
            *leftover_notes(left),
            *told(run),
            *damage_notes(run),
            *memory_notes(shots),
            *(note for note in remade_notes(run, shots) if note not in notes),
        ],
        "residue": residue_account(run),
        "resumed": list(run.said),
        "warm_start": account(run),
        "workspace": str(run.workspace.folder),
    }
