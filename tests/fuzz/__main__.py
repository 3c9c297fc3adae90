"""The long versions of what CI runs short.

``python -m tests.fuzz media [COUNT [SEED]]``   broken clips of every container
``python -m tests.fuzz texts [COUNT [SEED]]``   broken pipelines, settings, regions, times, budgets
``python -m tests.fuzz masks [COUNT [SEED]]``   broken masks
``python -m tests.fuzz all``                    all three with the numbers of the committed summary, which it writes
``python -m tests.fuzz atheris [SECONDS]``      coverage-guided, on our own parsers; needs atheris
``python -m tests.fuzz awkward FOLDER``         every file of a folder through the command line; writes a table
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzz.hunt import Account, hunt, mask_cases, media_cases, text_cases

MAKERS = {"media": media_cases, "texts": text_cases, "masks": mask_cases}
COUNTS = {"media": 2400, "texts": 1600, "masks": 800}
SEED = 1
SUMMARY = Path(__file__).with_name("summary.json")


def run(what: str, count: int, seed: int) -> Account:
    """One hunt in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        account = hunt(list(MAKERS[what](Path(folder), count, seed)))
    took = time.monotonic() - began
    sys.stdout.write(
        f"{what}: {account.cases} cases, seed {seed}, {dict(account.outcomes)}, {len(account.defects)} defects, "
        f"{took:.0f} s, slowest {account.slowest:.1f} s\n"
    )
    for defect in account.defects:
        sys.stdout.write(f"{defect['case']}\n{defect['what']}\n")
    return account


def main(arguments: list[str]) -> int:
    """Run what was asked for; 0 when nothing was found."""
    what = arguments[0] if arguments else ""
    if what in MAKERS:
        count, seed = (int(arguments[k]) if len(arguments) > k else d for k, d in ((1, COUNTS[what]), (2, SEED)))
        return bool(run(what, count, seed).defects)
    if what == "all":
        found = {name: run(name, count, SEED) for name, count in COUNTS.items()}
        SUMMARY.write_text(
            json.dumps({"seed": SEED} | {k: a.as_dict() for k, a in found.items()}, indent=1) + "\n", encoding="utf-8"
        )
        return any(a.defects for a in found.values())
    if what == "atheris":
        from tests.fuzz.guided import guided

        return guided(float(arguments[1]) if len(arguments) > 1 else 60.0)
    if what == "awkward" and len(arguments) == 2:
        from tests.fuzz.awkward import write_table

        return write_table(Path(arguments[1]))
    sys.stdout.write(__doc__ or "")
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
