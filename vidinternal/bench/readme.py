"""Puts the newest measured table between its markers: ``python -m vidinternal.bench.readme README.md``."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from vidinternal.bench.base import load, newest, render, results_folder
from vidinternal.core.errors import UsageError

_BLOCK = re.compile(r"(<!-- bench:(?P<bench>[a-z_]+) -->\n)(?P<table>.*?)(<!-- /bench:(?P=bench) -->)", re.DOTALL)


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


def main(document: Path, results: Path | None = None) -> None:
    """Rewrite the tables of a document in place."""
    document.write_text(updated(document.read_text(encoding="utf-8"), results or results_folder()), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
