"""What every bench takes and gives: options, a result, its tables and its dated file."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt

import vidinternal
from vidinternal.bench.machine import commit, machine
from vidinternal.core.config import StrictModel
from vidinternal.core.errors import UsageError
from vidinternal.runner.record import versions
from vidinternal.runner.workspace import code_digest

SCHEMA = 1
"""Version of the JSON files; a change of meaning raises it."""

_ROOT = Path(vidinternal.__file__).resolve().parents[1]


SAMPLE_CLIPS = _ROOT / "clips"
"""Where the project's own clips are."""


class BenchOptions(StrictModel):
    """How big, how long, on what."""

    width: int = Field(default=192, ge=48)
    """Pixels; the clips are cropped to the shape and shrunk by area averaging."""
    height: int = Field(default=112, ge=48)
    """Pixels."""
    frames: int = Field(default=20, ge=2)
    """Frames of each case."""
    seconds: PositiveFloat = 20.0
    """Wall time a method that trains gets for a case, its optical flow included; others take what they take."""
    times: tuple[PositiveFloat, ...] = Field(default=(5.0, 15.0, 60.0, 240.0), min_length=1)
    """Wall times of bench ``quality``."""
    iterations: PositiveInt = 300
    """Optimiser steps where a bench compares at equal steps instead of equal time."""
    minutes: PositiveFloat = 10.0
    """Length of the long clip of bench ``memory``."""
    copies: int = Field(default=2, ge=0, le=4)
    """Copies of the hole hidden on known places for the self-score."""
    seed: int = 0
    """Root of all randomness."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to compute."""
    methods: tuple[str, ...] = ()
    """Only these methods; empty = all that need nothing beside the clip."""
    cases: tuple[str, ...] = ()
    """Only the cases whose name holds one of these words; empty = all."""
    clips: Path = SAMPLE_CLIPS
    """Folder with the clips: the sample clips, or any other, of which every video is then taken from its start."""
    masks: Path | None = None
    """Folder with mask videos of moving objects; each clip gets one of them in turn as a further hole, ``object``."""
    pairs: Path | None = None
    """Folder with hazy pictures ``NAME_hazy*.png`` and what they show without haze, ``NAME_truth.png``."""
    stills: Path | None = None
    """Folder with pictures that bench ``double_dip`` mixes two by two; without, frames of the clips are."""
    seeds: PositiveInt = 1
    """Times that a method that trains is run on every case, each time with another seed."""


@dataclass(frozen=True)
class Column:
    """One column of a printed table.

    Attributes:
        key: Key of the row.
        title: What stands above it.
        digits: Digits after the point; None for text and whole numbers.
    """

    key: str
    title: str
    digits: int | None = None

    def cell(self, row: Mapping[str, Any]) -> str:
        """The text of one cell; a dash where the row has nothing to say."""
        value = row.get(self.key)
        if value is None:
            return "–"
        return f"{value:.{self.digits}f}" if self.digits is not None else str(value)


@dataclass(frozen=True)
class BenchResult:
    """A bench that was run.

    Attributes:
        bench: Its name.
        options: As JSON.
        columns: Columns of the summary.
        summary: One row a method, best first.
        rows: One row a method and case.
        facts: What else was found, JSON-ready.
        notes: Sentences that belong under the table.
        made: When, ISO 8601, UTC.
        pictures: PNG strips to look at, by case; not part of the JSON.
    """

    bench: str
    options: Mapping[str, Any]
    columns: tuple[Column, ...]
    summary: Sequence[Mapping[str, Any]]
    rows: Sequence[Mapping[str, Any]]
    facts: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    made: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    pictures: Mapping[str, bytes] = field(default_factory=dict)

    def text(self) -> str:
        """The summary as a Markdown table with its notes."""
        return render(self.as_dict())

    def as_dict(self) -> dict[str, Any]:
        """Everything but the pictures, with what is needed to judge or repeat it."""
        return {
            "schema": SCHEMA,
            "bench": self.bench,
            "made": self.made,
            "machine": machine(self.options.get("device", "cpu")),
            "versions": versions(),
            "commit": commit(_ROOT),
            "code": code_digest(),
            "options": {k: v for k, v in self.options.items() if k not in ("clips", "masks", "pairs", "stills")},
            "columns": [asdict(c) for c in self.columns],
            "summary": [dict(row) for row in self.summary],
            "rows": [dict(row) for row in self.rows],
            "facts": dict(self.facts),
            "notes": list(self.notes),
        }

    def save(self, folder: Path | None = None) -> Path:
        """Write ``<date>--<bench>--<machine>.json``, and the pictures into a folder of that name, if there are any.

        Args:
            folder: Where; None = the kept results of a checkout, or ``bench_results`` here when installed.

        Returns:
            The JSON file.
        """
        folder = folder or results_folder()
        folder.mkdir(parents=True, exist_ok=True)
        record = self.as_dict()
        path = folder / f"{self.made[:10]}--{self.bench}--{slug(record['machine']['name'])}.json"
        aside = path.with_suffix(f".{os.getpid()}.part")
        aside.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        aside.replace(path)
        return path

    def save_pictures(self, folder: Path) -> tuple[Path, ...]:
        """Write one PNG a case and return their paths."""
        folder.mkdir(parents=True, exist_ok=True)
        paths = tuple(folder / f"{slug(name)}.png" for name in self.pictures)
        for path, png in zip(paths, self.pictures.values(), strict=True):
            path.write_bytes(png)
        return paths


def slug(name: str) -> str:
    """Lower-case letters, digits and single hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def results_folder() -> Path:
    """Where results are kept: in the package of a checkout, else ``bench_results`` in the current folder."""
    kept = Path(__file__).parent / "results"
    return kept if (_ROOT / "pyproject.toml").is_file() else Path("bench_results")


def render(record: Mapping[str, Any]) -> str:
    """A record's summary as a Markdown table, the conditions above it and the notes below.

    Args:
        record: As :meth:`BenchResult.as_dict` gives it or a file holds it.
    """
    columns = [Column(**c) for c in record["columns"]]
    options, host = record["options"], record["machine"]
    lines = [
        f"Measured {record['made'][:10]} on {host['name']} ({host['device']}, {host['threads']} threads), "
        f"{options['frames']} frames of {options['width']}x{options['height']}, seed {options['seed']}.",
        "",
        "| " + " | ".join(c.title for c in columns) + " |",
        "|" + "---|" * len(columns),
    ]
    lines += ["| " + " | ".join(c.cell(row) for c in columns) + " |" for row in record["summary"]]
    if record["notes"]:
        lines += ["", *record["notes"]]
    return "\n".join(lines)


def load(path: Path) -> dict[str, Any]:
    """Read a result file.

    Raises:
        UsageError: It is none, or of a later schema.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise UsageError(str(path), expected="a bench result", got=str(error)) from error
    schema = record.get("schema") if isinstance(record, dict) else None
    if schema != SCHEMA:
        raise UsageError(str(path), expected=f"a bench result of schema {SCHEMA}", got=f"schema {schema}")
    return record


def newest(bench: str, folder: Path) -> Path:
    """The latest result file of a bench.

    Raises:
        UsageError: There is none.
    """
    found = [(load(path)["made"], path) for path in folder.glob(f"*--{bench}--*.json")]
    if not found:
        raise UsageError(
            f"results of bench '{bench}' in {folder}",
            expected=f"a file *--{bench}--*.json",
            got="none",
            hint=f"vidinternal bench {bench}",
        )
    return max(found)[1]
