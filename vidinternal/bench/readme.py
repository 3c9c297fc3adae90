"""Puts the newest measured tables and curves into a document: ``python -m vidinternal.bench.readme README.md``."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from vidinternal.bench.base import load, newest, render, results_folder
from vidinternal.bench.drawn import DRAWINGS
from vidinternal.core.errors import UsageError

_BLOCK = re.compile(r"(<!-- bench:(?P<bench>[a-z_]+) -->\n)(?P<table>.*?)(<!-- /bench:(?P=bench) -->)", re.DOTALL)

_DRAWING = re.compile(r"!\[[^\]]*\]\((?P<path>[^)\s]*bench_(?P<bench>[a-z]+)\.png)\)")


def updated(text: str, results: Path) -> str:
    """Return ``text`` with the newest table in every ``<!-- bench:NAME -->`` ... ``<!-- /bench:NAME -->`` block.

    Args:
        text: A Markdown document.
        results: Folder of result files.

    Raises:
        UsageError: There is no block, or no result for one.
    """
    if not _BLOCK.search(text):
        raise UsageError("benchmark table", expected="<!-- bench:NAME --> ... <!-- /bench:NAME -->", got="none")
    return _BLOCK.sub(lambda m: f"{m[1]}{render(load(newest(m['bench'], results)))}\n{m[4]}", text)


def drawings(text: str, results: Path) -> dict[str, bytes]:
    """The PNG of every ``![...](.../bench_NAME.png)`` of ``text``, drawn of the newest result, by its path.

    Raises:
        UsageError: There is no result for one, or nothing is drawn of that bench.
    """
    found: dict[str, bytes] = {}
    for match in _DRAWING.finditer(text):
        draw = DRAWINGS.get(match["bench"])
        if draw is None:
            raise UsageError(match["path"], expected=f"a bench of {', '.join(sorted(DRAWINGS))}", got=match["bench"])
        found[match["path"]] = draw(load(newest(match["bench"], results)))
    return found


def main(document: Path, results: Path | None = None) -> None:
    """Rewrite the tables of a document in place, and the drawings beside it that it shows."""
    results = results or results_folder()
    text = updated(document.read_text(encoding="utf-8"), results)
    for path, png in drawings(text, results).items():
        (document.parent / path).write_bytes(png)
    document.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
