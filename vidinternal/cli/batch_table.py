"""The tables of a batch: a live one while it runs, a final one when it is done."""

from __future__ import annotations

import re
import sys
import time
from dataclasses import dataclass
from types import TracebackType
from typing import IO

from rich.box import SIMPLE
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from vidinternal.cli.progress import STAGE_WEIGHT
from vidinternal.core.errors import one_line
from vidinternal.engines.account import DONE, FINISHED, Account, Row

MOST_ROWS = 60
"""Clips that the final table lists when all is well with them; ``batch.json`` has them all."""
WIDE = 160
"""Columns of a table that goes into a file."""
_SCORE = re.compile(r"(-?\d+(?:\.\d+)?) dB")


@dataclass
class _Work:
    """What a clip at work is doing."""

    row: Row
    began: float
    stage: str = ""
    share: float = 0.0
    text: str = ""
    score: str = ""


class LiveTable:
    """Shows the clips at work, redrawn a few times a second; draws nothing where standard error is no terminal.

    Args:
        account: The batch.
        stages: Names of the pipeline's stages in order.
        quiet: Draw nothing.
        to: Where to draw.
    """

    def __init__(self, account: Account, stages: tuple[str, ...], *, quiet: bool = False, to: IO[str] | None = None):
        self._account, self._began = account, time.monotonic()
        self._weights = {s: STAGE_WEIGHT.get(s, 5) for s in stages}
        self._work: dict[str, _Work] = {}
        stream = to or sys.stderr
        self._live = None
        if not quiet and stream.isatty():
            console = Console(file=stream)
            self._live = Live(console=console, get_renderable=self.render, refresh_per_second=4, transient=True)

    def __enter__(self) -> LiveTable:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def progress(self, row: Row, stage: str, share: float, text: str) -> None:
        """A clip at work got on."""
        work = self._work.get(row.name)
        if work is not None:
            found = _SCORE.search(text)
            work.stage, work.share, work.text = stage, share, text
            work.score = f"{float(found[1]):.1f}" if found else work.score

    def note(self, row: Row, line: str) -> None:
        """A line above the table."""
        if self._live is not None:
            self._live.console.print(Text(f"{row.name}: {line}"))

    def changed(self, row: Row) -> None:
        """A clip began or ended; who ended is told above the table."""
        if row.status == "running":
            self._work[row.name] = _Work(row, time.monotonic())
            return
        self._work.pop(row.name, None)
        if self._live is not None and row.status in FINISHED:
            tail = f": {row.reason}" if row.reason else ""
            self._live.console.print(Text(f"{row.status}  {row.name}{tail}"))

    def render(self) -> Group:
        """The table as it stands now."""
        table = Table(box=SIMPLE, expand=True)
        for title, justify in (("clip", "left"), ("stage", "left"), ("done", "right"), ("ETA", "right")):
            table.add_column(title, justify=justify, no_wrap=True)  # pyright: ignore[reportArgumentType]
        table.add_column("score", justify="right", no_wrap=True)
        for work in list(self._work.values()):
            done = self._done(work)
            left = _left(time.monotonic() - work.began, done)
            table.add_row(Text(_plain(work.row.name)), work.stage, f"{100 * done:.0f} %", left, work.score or "–")
        return Group(table, Text(self.line()))

    def line(self) -> str:
        """The batch in one line: how many clips stand where, and when all will be done."""
        counts = self._account.counts()
        rows = self._account.rows
        made = [r for r in rows if r.status in ("done", "failed")]
        open_ = sum(r.status in ("waiting", "running") for r in rows)
        under_way = sum(self._done(w) for w in list(self._work.values()))
        elapsed = time.monotonic() - self._began
        share = (len(made) + under_way) / (len(made) + open_) if open_ else 1.0
        words = ", ".join(f"{count} {status}" for status, count in counts.items())
        return f"{words} of {len(rows)}; {clock(elapsed)} so far, {_left(elapsed, share)} to go"

    def _done(self, work: _Work) -> float:
        """Share of a clip's work that is done."""
        if work.stage not in self._weights:
            return 0.0
        names = list(self._weights)
        before = sum(self._weights[name] for name in names[: names.index(work.stage)])
        return min(1.0, (before + work.share * self._weights[work.stage]) / sum(self._weights.values()))


def _left(elapsed: float, done: float) -> str:
    return clock(elapsed * (1 - done) / done) if done > 0.01 else "?"


def clock(seconds: float) -> str:
    """``1:02:03`` or ``2:03``."""
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"


def _plain(name: str) -> str:
    return one_line(name)


def final_table(account: Account, to: IO[str] | None = None) -> None:
    """Print what came of every clip: failed and skipped ones with their reasons, then the others, weakest first.

    Args:
        account: The batch.
        to: Where to print; standard output when None.
    """
    stream = to or sys.stdout
    console = Console(file=stream, width=None if stream.isatty() else WIDE, highlight=False, markup=False)
    rows = [r for r in account.rows if r.status not in DONE]
    fine = sorted((r for r in account.rows if r.status in DONE), key=_weakest)
    shown = [*rows, *(fine[:MOST_ROWS] if len(account.rows) > MOST_ROWS else sorted(fine, key=lambda r: r.name))]
    table = Table(box=SIMPLE)
    for title in ("clip", "result", "expected dB", "weakest frames", "seconds", "reason"):
        table.add_column(title, overflow="fold", justify="right" if title in ("expected dB", "seconds") else "left")
    for row in shown:
        table.add_row(
            Text(_plain(row.name)),
            row.status,
            expected(row),
            ", ".join(f"{w['frames'][0]}–{w['frames'][1] - 1}: {w['expected_psnr']:.1f}" for w in row.worst),
            f"{row.seconds:.1f}" if row.status in DONE else "",
            Text(_plain(row.reason)),
        )
    console.print(table)
    if len(shown) < len(account.rows):
        console.print(f"{len(account.rows) - len(shown)} more clips are done; {account.path} lists them all")
    counts = ", ".join(f"{count} {status}" for status, count in account.counts().items())
    console.print(f"{counts}; {len(account.rows)} clips in all")


def _weakest(row: Row) -> tuple[float, str]:
    scores = [s for s in row.expected_psnr if s is not None]
    return (min(scores) if scores else 1e9, row.name)


def expected(row: Row) -> str:
    """The expected quality of a clip: its range over shots, dB; a dash without a score."""
    scores = [s for s in row.expected_psnr if s is not None]
    if not scores:
        return "–"
    low, high = min(scores), max(scores)
    return f"{low:.1f}" if high - low < 0.05 else f"{low:.1f}–{high:.1f}"
