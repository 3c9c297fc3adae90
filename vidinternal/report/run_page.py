"""The page of a finished run: what it did to every frame, how sure it is, and how it was made."""

from __future__ import annotations

import html
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from vidinternal.core.clip import Window
from vidinternal.core.contracts import ORIGINS
from vidinternal.core.errors import MediaError
from vidinternal.media.orientation import shown_size
from vidinternal.media.probe import frame_pts, probe_result
from vidinternal.report.batch_page import summary
from vidinternal.report.choose import worst_frames
from vidinternal.report.command import command_of
from vidinternal.report.curves import curves, has_curve
from vidinternal.report.film import ROOM, Film, Reel, Wanted, make_film
from vidinternal.report.intermediate import FrameFacts, Intermediate
from vidinternal.report.page import for_script, markup, pieces
from vidinternal.report.remade import told_rows
from vidinternal.report.timeline import timeline
from vidinternal.report.writing import shown, write_whole
from vidinternal.runner.job import Job, JobResult
from vidinternal.runner.remade import maker_of
from vidinternal.runner.run import Run, open_run

BYTES_A_FRAME = 30
"""What times, quality and filled pixels of one frame take as text."""
SPARE = 1_000_000
"""Bytes of such text and of the record for which a page has room beside its pictures."""
MOST_CURVES = 12
"""Windows whose fit is drawn: the worst ones."""
_KINDS: tuple[dict[str, Any], ...] = (
    {"name": "copied from an earlier frame", "ramp": "#9ecbff,#0a48b2", "ends": "near to far", "kind": 1, "of": 1},
    {"name": "from a later one", "ramp": "#96f0cd,#036c4e", "ends": "near to far", "kind": None, "of": 1},
    {"name": "copied, from several or unknown frames", "colour": "#6482aa", "kind": None, "of": 1},
    {"name": "recovered from under an overlay", "colour": "#b07cf0", "kind": 2, "of": 2},
    {"name": "drawn by the network", "colour": "#f6a821", "kind": 3, "of": 3},
    {"name": "continued from its neighbours", "colour": "#e5537a", "kind": 4, "of": 4},
)
_LAYERS = {"m": "Mask", "k": "Made of", "e": "Error to expect", "r": "Reference flow", "l": "Learned flow"}


def write_run_page(job: Job, result: JobResult, path: Path, up: str = "") -> int:
    """Write the HTML page of a run; what is no longer in its workspace is named on the page.

    Args:
        job: The job, as it was run.
        result: What came of it.
        path: The HTML file.
        up: Link to the page of the batch it belongs to.

    Returns:
        Its size in bytes.

    Raises:
        UsageError: Jinja or matplotlib is not installed.
        MediaError: The source or the result cannot be read.
        ResourceError: The page cannot be written.
    """
    run = open_run(job)
    page = RunPage(run, result, command_of(job, path if not up else None))
    return write_whole(path, pieces("page.html", ("page.js", "mark.js"), {**page.context(), "up": up}))


class RunPage:
    """Everything the page of a run shows.

    Args:
        run: The run; its artifacts are read from its workspace, a window at a time.
        result: What came of it.
        command: The command that makes it again.
    """

    def __init__(self, run: Run, result: JobResult, command: str) -> None:
        self.run, self.record, self.command = run, result.record, command
        self.remade = maker_of(run.spec) is not None
        decode = run.spec.stage("decode")
        self.kept = Intermediate(run, decode.scan(run.info) if decode is not None else "progressive")  # pyright: ignore[reportAttributeAccessIssue]
        self.facts: list[FrameFacts] = list(self.kept.survey())
        self.worst = worst_frames([f.quality for f in self.facts])
        self.left = self._left()
        self.raw = json.dumps(self.record, indent=1)
        self.no_film = ""
        self.film = self._film(result.destination)

    def _film(self, destination: Path) -> Film:
        known = [f.quality for f in self.facts if f.quality is not None]
        largest = max(0.02, min(1.0, 2.5 * 10 ** (-min(known) / 20))) if known else 0.02
        starts = [s.start for s in self.kept.windows.shots] if self.kept.windows else [0]
        # what is told of every frame of a very long clip takes room as well; pictures take a third more as text
        told = len(html.escape(self.raw)) + BYTES_A_FRAME * len(self.facts)
        room = max(ROOM // 2, ROOM - 3 * max(0, told - SPARE) // 4)
        wanted = Wanted((*self.worst, *(i for i in self.left if i not in self.worst)), starts, largest, room)
        try:
            return make_film(Reel(self.run.info, probe_result(destination, self.run.info)), self.kept, wanted)
        except MediaError as error:
            self.no_film = f"The pictures cannot be shown: {error.message}"
            return Film((16, 9), 0)

    def _left(self) -> dict[int, str]:
        """What the frames that most likely show something left behind look like, by frame, each from another part."""
        told = {e["frame"]: ", ".join(e["looks_like"]) for e in self.record.get("leftovers", ())}
        scores: list[float | None] = [None] * max(len(self.facts), *(i + 1 for i in told), 0) if told else []
        for entry in self.record.get("leftovers", ()):
            scores[entry["frame"]] = -entry.get("score", 0.0)
        return {index: told[index] for index in sorted(worst_frames(scores))}

    def context(self) -> dict[str, Any]:
        """What the template asks for."""
        windows = self.kept.windows
        width, height = shown_size(self.run.info)
        return {
            "title": shown(Path(self.record["output"]["path"]).name),
            "record": self.record,
            "command": self.command,
            "folder": os.fspath(Path.cwd()),
            "tiles": self._tiles(),
            "missing": self.kept.missing,
            "film": self.film,
            "no_film": self.no_film,
            "sampled": self._sampled(),
            "layers": [
                {"letter": k, "name": v} for k, v in _LAYERS.items() if k.replace("m", "k") in self.film.letters
            ],
            "kinds": self._kinds(),
            "flows": self._flows(),
            "error_told": self._error_told(),
            "timeline": timeline(self.facts, windows, width * height) if windows and self._filled() else None,
            "quality_told": self._quality_told(),
            "worst": [self._mark(index) for index in self.worst],
            "left": [{"index": index, "told": told} for index, told in self.left.items()],
            "left_of": len(self.record.get("leftovers", ())),
            "windows": list(self._windows()),
            "remade": self.remade,
            "markable": not self.remade,
            "told": list(told_rows(self.record)) if self.remade else [],
            **self._curves(),
            "copied": self._copied(),
            "encoded": self._encoded(),
            "items": self._items(),
            "all_ok": all(i["ok"] or i["forgiven"] for i in self._items()),
            "digests": self._digests(),
            "settings": _flat(self.record["settings"]),
            "total": sum(self.record["timings"].values()),
            "raw": self.raw,
            "facts": for_script(self._for_script()),
            "frames": self._frames(),
            "summary": for_script(summary(self.record["source"]["frames"], self._thumbnails())),
        }

    def _filled(self) -> bool:
        """Whether it is known of frames what was filled; not where every picture was made anew."""
        return bool(self.facts) and not self.remade

    def _thumbnails(self) -> tuple[bytes, ...]:
        """WebP of one telling frame before and after; none where there are no pictures."""
        if not self.film.frames:
            return ()
        wanted = self._first()
        frame = min(self.film.frames, key=lambda s: abs(s.index - wanted))
        return frame.pictures["b"], frame.pictures["a"]

    def _first(self) -> int:
        """The frame to open with: the one with most to see."""
        return max(self.facts, key=lambda f: f.masked).index if self.facts else 0

    def _frames(self) -> Iterator[dict[str, Any]]:
        for frame in self.film.frames:
            yield {"index": frame.index, "json": for_script(frame.as_dict())}

    def _for_script(self) -> dict[str, Any]:
        pts, base = frame_pts(self.run.info), self.run.info.time_base
        times = [round(float((p - pts[0]) * base), 4) for p in pts]
        windows = self.kept.windows
        return {
            "frames": [s.index for s in self.film.frames],
            "size": list(self.film.size),
            "source": list(shown_size(self.run.info)),
            "total": len(times),
            "times": times,
            "step": round(times[-1] / (len(times) - 1), 4) if len(times) > 1 else 0.04,
            "quality": [None if f.quality is None else round(f.quality, 2) for f in self.facts],
            "masked": [f.masked for f in self.facts],
            "reach": max((len(w) for w in windows.windows), default=2) if windows else 2,
            "error": self.film.largest_error,
            "first": self._first(),
            "remade": self.remade,
        }

    def _tiles(self) -> list[dict[str, str]]:
        scores = [s["expected_psnr"] for s in self.record["shots"] if s["expected_psnr"] is not None]
        filled = [f for f in self.facts if f.masked]
        verification = self.record["output"].get("verification") or {}
        tiles = []
        if scores:
            span = f"{min(scores):.1f}" if len(scores) == 1 else f"{min(scores):.1f} – {max(scores):.1f}"
            tiles.append({"value": f"{span} dB", "name": "to expect in the hole", "state": ""})
        if verification:
            state = "good" if verification["ok"] else "bad"
            words = "verified" if verification["ok"] else "not as promised"
            what = "samples" if self.remade else "samples outside"
            tiles.append({"value": words, "name": f"frames, times, streams, {what}", "state": state})
        frames = self.record["source"]["frames"]
        known = f"{len(filled)} of {frames}" if self._filled() else str(frames)
        name = "frames had something to fill" if self._filled() else "frames"
        if self.remade:
            was, now = ("×".join(map(str, shown_size(clip))) for clip in (self.run.info, self.run.out))
            name = f"frames made anew, {now}" + (f" from {was}" if was != now else "")
        tiles.append({"value": known, "name": name, "state": ""})
        tiles.append({"value": _duration(self.record["seconds"]), "name": f"on {self.record['device']}", "state": ""})
        return tiles

    def _sampled(self) -> str:
        film = self.film
        width, height = max((shown_size(clip) for clip in (self.run.info, self.run.out)), key=math.prod)
        small = f"Pictures are {film.size[0]}×{film.size[1]} of {width}×{height} pixels, lightly compressed."
        if len(film.frames) >= film.total:
            return f"Every one of the {film.total} frames is on this page. {small}"
        return (
            f"{len(film.frames)} of {film.total} frames are on this page, so that it stays small: passages around the "
            f"worst frames, the starts of shots, and frames spread evenly between. Playing skips the rest. {small}"
        )

    def _kinds(self) -> list[dict[str, Any]]:
        sums = [sum(f.origins[k] for f in self.facts) for k in range(len(ORIGINS))]
        total = sum(sums)
        share = {k: f"{n / total:.1%}" for k, n in enumerate(sums) if total}
        here = [k for k in _KINDS if sums[k["of"]] or not total]
        return [{"ramp": None, "colour": "", "ends": "", **k, "share": share.get(k["kind"])} for k in here]

    def _flows(self) -> dict[str, str]:
        made_here = "estimated for this page at low resolution: the run kept none of its own"
        reference = made_here if self.film.flow_made_here else "as the run used it, inside its work area; grey outside"
        told = {"r": reference, "l": "as the method's own network sees it, inside its work area; grey outside"}
        return {k: v for k, v in told.items() if k in self.film.letters}

    def _doubts(self) -> set[str]:
        shots = self.record["shots"]
        return {(w.get("doubt") or {}).get("told", "") for s in shots for w in s["windows"]} - {""}

    def _error_told(self) -> str:
        if "spread" in self._doubts():
            return "from the method's own doubt, calibrated on holes hidden on known places"
        return "from the distance to what was known, calibrated on holes hidden on known places"

    def _quality_told(self) -> str:
        if not any(f.quality is not None for f in self.facts):
            return "No quality is known: nothing was held out to measure it on (inpaint.copies)."
        if "spread" in self._doubts():
            return "From the method's own doubt at every filled pixel, calibrated on holes hidden on known places."
        return "From copies of the hole that were hidden on known places of the same frames."

    def _mark(self, index: int) -> dict[str, Any]:
        left = round(100 * (index + 0.5) / max(1, len(self.facts)), 3)
        return {"index": index, "left": left, "quality": f"{self.facts[index].quality:.1f}"}

    def _windows(self) -> Iterator[dict[str, Any]]:
        """A row for each window; only those that filled something have an account in the record."""
        for number, (shot, window, facts) in enumerate(_accounts(self.record, self.kept)):
            expected, seam = facts.get("expected_psnr"), shot["seam_codes"]
            overlap = window.overlap if window else 0
            first, end = (window.start, window.end) if window else shot["frames"]
            yield {
                "shot": shot["shot"],
                "window": (window.index if window else number) + 1,
                "frames": f"{first}–{end - 1}",
                "pixels": "all" if self.remade else f"{facts.get('hole_pixels', 0):,}",
                "expected": "–" if expected is None else _range(expected, facts.get("expected_range")),
                "method": facts.get("method", "–"),
                "stopped": facts.get("stopped", facts.get("skipped", "–")),
                "iterations": facts.get("iterations", 0),
                "seconds": f"{facts.get('seconds', 0):.1f}",
                "seam": f"{overlap} frames, {seam:.2f} codes over the shot" if overlap and seam is not None else "–",
            }

    def _curves(self) -> dict[str, Any]:
        found = [
            (facts["expected_psnr"] if facts.get("expected_psnr") is not None else 99.0, number, window, facts)
            for number, (_, window, facts) in enumerate(_accounts(self.record, self.kept))
            if has_curve(facts.get("history", ()))
        ]
        chosen = sorted(sorted(found, key=lambda f: f[0])[:MOST_CURVES], key=lambda f: f[1])
        drawn = []
        for _, number, window, facts in chosen:
            name = f"Window {number + 1}" + (f", frames {window.start}–{window.end - 1}" if window else "")
            terms = ", ".join(facts["history"][-1]["terms"])
            panels = [markup(svg) for svg in curves(facts["history"], f"window-{number}")]
            drawn.append({"name": name, "panels": panels, "told": f"{name}: {terms} and held-out score over the fit"})
        told = f"The {MOST_CURVES} windows of lowest expected quality of {len(found)}."
        return {"curves": drawn, "curves_left": told if len(found) > len(drawn) else ""}

    def _copied(self) -> list[str]:
        output = self.record["output"]
        lines = list(output.get("copied", ()))
        smart = output.get("smart") or {}
        if smart.get("frames_copied"):
            lines.append(f"video: {smart['frames_copied']} frames in {smart['gops_copied']} groups of pictures")
        return lines

    def _encoded(self) -> str:
        whole = (self.record["output"].get("smart") or {}).get("whole_because")
        return f"All of the video was encoded anew: {whole}." if whole else ""

    def _items(self) -> Sequence[Mapping[str, Any]]:
        return (self.record["output"].get("verification") or {}).get("items", ())

    def _digests(self) -> dict[str, str]:
        files = {name: self.record.get(name) or {} for name in ("source", "mask", "output")}
        rows = {name: f"{f['path']} · {f['digest']}" for name, f in files.items() if f.get("path")}
        return {**rows, "program": self.record["code"]}


Told = tuple[Mapping[str, Any], Window | None, Mapping[str, Any]]
"""A shot, a window of it and the window's account, as they stand in the record."""


def _accounts(record: Mapping[str, Any], kept: Intermediate) -> Iterator[Told]:
    """Shot, window and account of every window that has one; the window is None where it is no longer known which."""
    for shot in record["shots"]:
        windows = [w for w in kept.windows.windows if w.shot == shot["shot"]] if kept.windows else []
        accounts = shot["windows"]
        if len(windows) != len(accounts):  # windows in which nothing is masked have no account
            masked = {f.index for f in _masked(kept)} if windows else set()
            windows = [w for w in windows if any(i in masked for i in range(w.start, w.end))]
        known = windows if len(windows) == len(accounts) else [None] * len(accounts)
        yield from ((shot, window, facts) for window, facts in zip(known, accounts, strict=True))


def _masked(kept: Intermediate) -> Iterator[FrameFacts]:
    return (f for f in kept.survey() if f.masked)


def _flat(settings: Mapping[str, Any]) -> dict[str, str]:
    return {f"{stage}.{name}": json.dumps(value) for stage, own in settings.items() for name, value in own.items()}


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _range(expected: float, ends: list[float] | None) -> str:
    """An expected PSNR and, where it is known, the interval that holds four holes in five."""
    return f"{expected:.2f}" if ends is None else f"{expected:.2f} ({ends[0]:.0f}–{ends[1]:.0f})"
