"""Bench ``subtitles``: real text burnt into clean clips, and how well the program finds and removes it.

The program gets a lossy file and nothing else. The other rows are given the true boxes, or the pixels that the program
found, and are judged on the pictures they make, not on a file.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, median
from typing import Any

from vidinternal.bench.base import SAMPLE_CLIPS, BenchOptions, BenchResult, Column
from vidinternal.bench.subtitles.cases import CRF, UNTOUCHED_STYLES, BurntCase, cases, chosen, plans
from vidinternal.bench.subtitles.draw import STYLES
from vidinternal.bench.subtitles.ours import read_area, run_ours
from vidinternal.bench.subtitles.read import Reader, Readings, reader
from vidinternal.bench.subtitles.rows import ON_FOUND, ROWS, UNTOUCHED, Removed, run_row
from vidinternal.bench.subtitles.score import judge
from vidinternal.bench.subtitles.sheet import sheet
from vidinternal.core.contracts import Progress, no_progress
from vidinternal.core.errors import UsageError, UserError, nearest

OURS = "remove_subtitles"
"""The row of the program itself."""
DEFAULTS = {"width": 640, "height": 360, "frames": 40, "seconds": 60.0}
"""What the options are where nobody gave them."""
DEFAULT_CASES = (
    "flower/outlined",
    "flower/italic",
    "person/boxed",
    "person/karaoke",
    "person-pan/italic",
    "bottles/shadowed",
    "bunny/plain",
    "snow/outlined",
    "flower-pan/logo",
    "bunny@720/outlined",
    "snow@1080/outlined",
    *(f"{clip}/clean" for clip in ("flower", "person", "bottles", "bunny", "snow")),
    *(f"{clip}/sign" for clip in ("flower", "person", "bottles", "bunny", "snow", "flower-pan", "person-pan")),
)
"""Every style, script and layout once or more."""
MEASURES = (
    "mask_recall",
    "mask_precision",
    "text_psnr",
    "glyph_psnr",
    "text_ssim",
    "warping_error_e3",
    "residue",
    "seconds_per_frame",
    "scan_fps",
)
COLUMNS = (
    Column("method", "method"),
    Column("event_f1", "event F1", 3),
    Column("timing", "timing off, frames: median/max"),
    Column("mask_recall", "pixels found", 3),
    Column("mask_precision", "pixels right", 3),
    Column("text_psnr", "box PSNR dB", 2),
    Column("glyph_psnr", "glyph PSNR dB", 2),
    Column("text_ssim", "box SSIM", 3),
    Column("warping_error_e3", "warping error ×10³", 2),
    Column("residue", "edges left", 3),
    Column("read", "still read"),
    Column("cer", "CER", 3),
    Column("changed_clean", "changed without overlay"),
    Column("seconds_per_frame", "s/frame", 2),
    Column("scan_fps", "search, frames/s", 1),
    Column("failures", "failures"),
)


def run(options: BenchOptions, progress: Progress = no_progress) -> BenchResult:
    """Run the program and the cheap rows on all cases.

    Args:
        options: Size, most frames, clips; ``seconds`` is the program's ``--budget``; ``methods`` picks rows by name.
        progress: Tells how far it is.

    Raises:
        UsageError: A clip or every font is missing, or no case or row fits the options.
    """
    options = with_defaults(options)
    wanted, left_out = chosen(options)
    names, read = row_names(options), reader()
    rows: list[dict[str, Any]] = []
    pictures: dict[str, bytes] = {}
    for place, case in enumerate(cases(wanted, options)):
        progress(place / len(wanted), case.name)
        with tempfile.TemporaryDirectory(prefix="vidinternal-bench-") as folder:
            found, picture = run_case(case, names if case.overlays else (OURS,), Path(folder), options, read)
        rows += found
        if picture is not None:
            pictures[case.name] = picture
    progress(1.0, "done")
    facts = {"false_alarms": false_alarms(rows), "against": against(rows), "ocr": read is not None}
    return BenchResult(
        bench="subtitles",
        options=options.model_dump(mode="json"),
        columns=COLUMNS,
        summary=summary(rows),
        rows=rows,
        facts=facts,
        notes=(*_notes(options, rows, facts), *left_out),
        pictures=pictures,
    )


def with_defaults(options: BenchOptions) -> BenchOptions:
    """The options with this bench's own defaults where nothing was given.

    Raises:
        UsageError: A side is odd.
    """
    own = {k: v for k, v in DEFAULTS.items() if k not in options.model_fields_set}
    options = options.model_copy(update=own)
    if options.width % 2 or options.height % 2:
        size = f"{options.width}x{options.height}"
        raise UsageError("bench subtitles", expected="even width and height, as 4:2:0 has them", got=size)
    return options if options.cases else options.model_copy(update={"cases": default_cases(options)})


def default_cases(options: BenchOptions) -> tuple[str, ...]:
    """Names of the cases that are run where none are asked for: one style a clip, one logo, every clip clean."""
    if options.clips.resolve() == SAMPLE_CLIPS.resolve():
        return DEFAULT_CASES
    every = plans(options)
    clips = list(dict.fromkeys(p.sample.name for p in every))
    styles = {clip: list(STYLES)[k % len(STYLES)] for k, clip in enumerate(clips)}
    own = (p for p in every if not p.rows)
    picked = (p for p in own if p.style in (*UNTOUCHED_STYLES, styles[p.sample.name]) or p == _first_logo(every))
    return tuple(p.name for p in picked)


def _first_logo(every: Sequence[Any]) -> Any:
    return next(p for p in every if p.style == "logo")


def row_names(options: BenchOptions) -> tuple[str, ...]:
    """The rows to run.

    Raises:
        UsageError: There is no row of a name that was asked for.
    """
    known = (OURS, *ROWS, *ON_FOUND, UNTOUCHED)
    for name in options.methods:
        if name not in known:
            raise UsageError(f"row '{name}'", expected="a row", got=repr(name), hint=nearest(name, known))
    if not options.methods:
        return known
    needs = OURS not in options.methods and any(name in ON_FOUND for name in options.methods)
    return tuple(n for n in known if n in options.methods or (needs and n == OURS))


def run_case(
    case: BurntCase, names: Sequence[str], folder: Path, options: BenchOptions, read: Reader | None
) -> tuple[list[dict[str, Any]], bytes | None]:
    """One case: its rows of the table, and a strip to look at where there is something to see."""
    source = case.write(folder)
    if not case.overlays:
        return [_clean_row(case, source, folder, options)], None
    seen = read_area(source, case.area)
    readings = None if read is None else Readings(case, seen.numpy(), read)
    rows, results = [], {}
    for name in names:
        row: dict[str, Any] = {"case": case.name, "method": name}
        try:
            found = None if OURS not in results else results[OURS].masks
            own = name == OURS
            removed = run_ours(case, source, folder, options) if own else run_row(name, case, seen, found)
        except UserError as error:
            rows.append(row | {"failed": error.message})
            continue
        results[name] = removed
        row |= judge(removed, case) | {"notes": list(removed.notes)}
        if readings is not None:
            row["read"], row["read_of"] = readings.left(removed.frames.numpy())
        rows.append(row)
    return rows, sheet(case, seen, results)


def _clean_row(case: BurntCase, source: Path, folder: Path, options: BenchOptions) -> dict[str, Any]:
    """What the program does to a clip without any overlay."""
    row: dict[str, Any] = {"case": case.name, "method": OURS, "clean": True}
    try:
        removed: Removed = run_ours(case, source, folder, options)
    except UserError as error:
        return row | {"failed": error.message}
    return row | {
        "false_events": len(removed.events or ()),
        "false_pixels": 0 if removed.masks is None else int(removed.masks.sum()),
        "changed_clean": removed.changed,
        "seconds_per_frame": round(removed.seconds / len(case.clean), 3),
        "scan_fps": removed.scan,
    }


def summary(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One line a row, the best box PSNR first; a row that failed a case comes last, without means."""
    table = []
    for method in dict.fromkeys(r["method"] for r in rows):
        mine = [r for r in rows if r["method"] == method]
        burnt = [r for r in mine if not r.get("clean") and "failed" not in r]
        failures = sum("failed" in r for r in mine)
        entry: dict[str, Any] = {"method": method, "cases": len(mine), "failures": failures}
        if failures or not burnt:
            table.append(entry)
            continue
        for key in MEASURES:
            values = [r[key] for r in burnt if r.get(key) is not None]
            entry[key] = fmean(values) if values else None
        table.append(entry | _counted(mine, burnt))
    return sorted(table, key=lambda e: e.get("text_psnr", float("-inf")), reverse=True)


def _counted(mine: Sequence[Mapping[str, Any]], burnt: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What is pooled over cases instead of averaged."""
    entry: dict[str, Any] = {}
    if any("event_hits" in r for r in burnt):
        hits, missed = (sum(r[k] for r in burnt) for k in ("event_hits", "event_missed"))
        false = sum(r["event_false"] for r in burnt) + sum(r.get("false_events", 0) for r in mine)
        whole = 2 * hits + missed + false
        entry["event_f1"] = 2 * hits / whole if whole else None
        errors = [e for r in burnt for e in r["timing_errors"]]
        entry["timing"] = f"{median(errors):g}/{max(errors)}" if errors else None
        said = [r for r in burnt if r["cer"] is not None]
        letters = sum(r["cer_letters"] for r in said)
        entry["cer"] = sum(r["cer"] * r["cer_letters"] for r in said) / letters if letters else None
    if any("read" in r for r in burnt):
        entry["read"] = f"{sum(r['read'] for r in burnt)} of {sum(r['read_of'] for r in burnt)}"
    changed = [r["changed_clean"] for r in mine if r.get("changed_clean") is not None]
    entry["changed_clean"] = sum(changed) if changed else None
    return entry


def false_alarms(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Of the clips without an overlay: how many there were, in how many something was found, and how much."""
    clean = [r for r in rows if r.get("clean") and "failed" not in r]
    return {
        "clips": len(clean),
        "with_any": sum(bool(r["false_events"] or r["false_pixels"]) for r in clean),
        "events": sum(r["false_events"] for r in clean),
        "pixels": sum(r["false_pixels"] for r in clean),
    }


def against(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """How the program's box PSNR stands beside box + Telea and beside the best cheap row of each case, in dB."""
    scores: dict[str, dict[str, float]] = {}
    for row in rows:
        if row.get("text_psnr") is not None:
            scores.setdefault(row["case"], {})[row["method"]] = row["text_psnr"]
    found: dict[str, Any] = {}
    rivals = {"telea": ("box + Telea",), "best_of_each": tuple(ROWS), "found": ("found + propagation",)}
    for name, beside in rivals.items():
        gains = []
        for own in scores.values():
            others = [own[b] for b in beside if b in own]
            if OURS in own and others:
                gains.append(own[OURS] - max(others))
        if gains:
            found[name] = {"mean": round(fmean(gains), 2), "worst": round(min(gains), 2), "cases": len(gains)}
    return found


def _notes(options: BenchOptions, rows: Sequence[Mapping[str, Any]], facts: Mapping[str, Any]) -> tuple[str, ...]:
    burnt = len({r["case"] for r in rows if not r.get("clean")})
    words = [
        f"{burnt} cases with overlays, up to {options.frames} frames each; the input of all rows is H.264, crf {CRF}. "
        f"`{OURS}` had {options.seconds:g} s a case, was told nothing and is judged on the file it wrote; the rows "
        "with a box were given the true boxes, the `found` rows the pixels that the program found; they wrote no file. "
        "Clips stand still but for `-pan`; pictures larger than the clips are enlarged.",
        "Box: around every true overlay and 2 pixels more; glyph: opacity above 0.05 and 1 pixel more, which is also "
        "what pixels found and right are counted on. Edges left: 1 as it was, 0 gone. Still read: of the overlays that "
        "the OCR engine reads in the input and not in the clean clip.",
    ]
    beside = {"telea": "box + Telea", "best_of_each": "the best row with a box of each case"}
    for key, what in {**beside, "found": "propagation on the same pixels"}.items():
        if key in facts["against"]:
            own = facts["against"][key]
            words.append(f"Box PSNR against {what}: {own['mean']:+.2f} dB, worst case {own['worst']:+.2f} dB.")
    alarms = facts["false_alarms"]
    if alarms["clips"]:
        words.append(
            f"False alarms on {alarms['clips']} clips without an overlay: in {alarms['with_any']} of them, "
            f"{alarms['events']} events, {alarms['pixels']} masked pixels."
        )
    if not facts["ocr"]:
        words.append("Nothing was read: the extra `ocr` is not installed (pip install 'vidinternal[ocr]').")
    for row in rows:
        if "failed" in row:
            words.append(f"{row['method']} failed on {row['case']}: {' '.join(row['failed'].split())}")
    return tuple(words)
