"""Coverage-guided fuzzing of our own parsers with Atheris (https://github.com/google/atheris).

Atheris takes the process over and ends it, so each parser gets a process of its own.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

PARSERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "region": (".txt", ("0,0,8,8", "40,400,560,60@00:00:02-00:00:05", "1,2,3,4@10-20")),
    "time": (".txt", ("120", "00:01:02.500")),
    "budget": (".txt", ("90s", "1h30m")),
    "set": (".txt", ("masks.dilate=4", "flow.strides=[1, 3]")),
    "pipeline": (".yaml", ("version: 1\nname: p\nstages:\n  - stage: decode\n  - stage: shots\n",)),
    "mask": (".png", ()),
}
"""Parsers by the name of their target, with the suffix of their files and texts to begin with."""
SUMMARY = Path(__file__).with_name("guided.json")


def guided(seconds: float) -> int:
    """Fuzz every parser for its share of the time and write the summary; 0 when nothing was found."""
    if importlib.util.find_spec("atheris") is None:
        sys.stdout.write("atheris is not installed: pip install '.[dev]'\n")
        return 2
    found: dict[str, dict[str, int]] = {}
    for kind in PARSERS:
        with tempfile.TemporaryDirectory() as folder:
            begin(kind, Path(folder))
            command = [sys.executable, "-m", "tests.fuzz.guided", kind, f"-max_total_time={seconds / len(PARSERS):.0f}"]
            limits = [
                "-seed=1",
                "-verbosity=0",
                f"-artifact_prefix={folder}/found-",
                "-timeout=10",
                "-rss_limit_mb=4096",
                "-max_len=4096",
                "-print_final_stats=1",
            ]
            done = subprocess.run([*command, *limits, folder], capture_output=True, text=True, check=False)
        runs = re.search(r"number_of_executed_units: (\d+)", done.stderr)
        found[kind] = {"inputs": int(runs[1]) if runs else 0, "exit_code": done.returncode}
        sys.stdout.write(f"{kind}: {found[kind]}\n{done.stderr[-1500:] if done.returncode else ''}")
    SUMMARY.write_text(json.dumps({"seconds": seconds, "parsers": found}, indent=1) + "\n", encoding="utf-8")
    return any(f["exit_code"] for f in found.values())


def begin(kind: str, folder: Path) -> None:
    """Write the first inputs of a parser."""
    suffix, texts = PARSERS[kind]
    for number, text in enumerate(texts):
        (folder / f"{number}{suffix}").write_text(text, encoding="utf-8")
    if kind == "mask":
        from tests.fuzz.seeds import masks

        sound = Path(tempfile.mkdtemp(dir=folder.parent))
        for seed in masks(sound):
            if seed.name.endswith(suffix):
                (folder / seed.name).write_bytes(seed.data)


def _fuzz(arguments: list[str]) -> None:
    atheris: Any = importlib.import_module("atheris")  # an extra that not every machine has

    kind = arguments.pop(1)
    with atheris.instrument_imports(include=["vidinternal", "yaml", "imagesize"]):
        from tests.fuzz.targets import judge_bytes
    suffix, texts = PARSERS[kind]
    judge_bytes(kind, texts[0].encode() if texts else b"", suffix)  # what it imports is imported now
    atheris.Setup(arguments, lambda data: judge_bytes(kind, data, suffix) and None)
    atheris.Fuzz()


if __name__ == "__main__":
    _fuzz(sys.argv)
