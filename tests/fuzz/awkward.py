"""Every file of a folder through the command line: each must end in a result or in one clear refusal, in time."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

TABLE = Path(__file__).with_name("awkward.md")
SECONDS = 60.0
REFUSAL_SECONDS = 10.0
_PARTS = ("  expected: ", "  got:      ", "  try:      ")


@dataclass(frozen=True)
class Outcome:
    """How a file ended.

    Attributes:
        name: The file, relative to its folder.
        code: Exit code; None where it took too long.
        line: What was told first, without paths.
        fault: What is wrong with how it ended; empty for a result or one clear refusal.
    """

    name: str
    code: int | None
    line: str
    fault: str = ""


def treat(path: Path, folder: Path, settings: Iterable[str] = ()) -> Outcome:
    """Run the cheapest method on a file, in a process of its own.

    Args:
        path: The file.
        folder: What its name is told relative to.
        settings: More ``--set`` settings.
    """
    name = str(path.relative_to(folder))
    with tempfile.TemporaryDirectory() as place:
        result = Path(place) / "result.mkv"
        options = ["inpaint.method=telea", "inpaint.copies=0", "encode.codec=ffv1", *settings]
        command = [sys.executable, "-m", "vidinternal.cli.main", "run", "inpaint", str(path), "-o", str(result)]
        command += ["--region", "2,2,6,4", *(part for o in options for part in ("--set", o))]
        began = time.monotonic()
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                check=False,
                timeout=SECONDS,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )
        except subprocess.TimeoutExpired:
            return Outcome(name, None, "", f"took longer than {SECONDS:.0f} s")
        took = time.monotonic() - began
        said = done.stderr.decode(errors="replace")
        if done.returncode == 0:
            return Outcome(name, 0, "done", "" if result.is_file() else "no result")
        fault = faults(said, done.returncode, result)
        if not fault and took > REFUSAL_SECONDS:
            fault = f"refused after {took:.0f} s"
        return Outcome(name, done.returncode, refusal(said).replace(f"{path}: ", "").replace(f"{place}/", ""), fault)


def refusal(said: str) -> str:
    """The first line of an error in what a command wrote, with what was expected and what came."""
    lines = said.splitlines()
    first = next((k for k, line in enumerate(lines) if k + 1 < len(lines) and lines[k + 1].startswith(_PARTS)), None)
    if first is None:
        return said.strip().splitlines()[0] if said.strip() else ""
    parts = [line.strip() for line in lines[first + 1 : first + 3] if line.startswith(_PARTS[:2])]
    return "; ".join([lines[first].removeprefix("error: "), *(" ".join(p.split()) for p in parts)])


def faults(said: str, code: int, result: Path) -> str:
    """What is wrong with a refusal: a traceback, another exit code, no or many errors, something written."""
    if "Traceback" in said:
        return "a traceback"
    if code not in (1, 2):
        return f"exit code {code}"
    errors = sum(line.startswith(_PARTS[0]) for line in said.splitlines())
    if errors != 1:
        return f"{errors} errors told"
    left = [p.name for p in (result, *result.parent.glob(".*.part*")) if p.exists() and not p.is_symlink()]
    return f"left behind: {', '.join(left)}" if left else ""


def write_table(folder: Path) -> int:
    """Treat every file of a folder and write the table; 0 when every one ended well."""
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(lambda path: treat(path, folder), files))
    for outcome in outcomes:
        sys.stdout.write(f"{outcome}\n" if outcome.fault else "")
    rows = [f"| {o.name} | {o.code} | {o.line.replace('|', '/')} | {o.fault} |" for o in outcomes]
    head = [
        "# Awkward files through the command line",
        "",
        f"{len(rows)} files; made by `python -m tests.fuzz awkward`.",
        "",
    ]
    table = [*head, "| file | exit code | told | fault |", "|---|---|---|---|", *rows, ""]
    TABLE.write_text("\n".join(table), encoding="utf-8")
    return any(o.fault for o in outcomes)
