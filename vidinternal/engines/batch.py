"""Many clips through one engine: chains, retries, time limits, what is done already, and the account of it all.

Which clips follow which is the plan's (:mod:`vidinternal.engines.chains`). A clip waits for those before it in its
chain and starts from the weights of all of them that are done; so what comes of a batch does not depend on how many
work on it. A clip that had to begin without some of them is made again once they are there. Weights that the plan still
needs stay in the bank whatever its bound; those that are gone all the same are put there again by their clip, from its
workspace, before another starts from them.
"""

from __future__ import annotations

import heapq
import math
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from vidinternal.core.stop import GRACE, Interrupted, Stop
from vidinternal.engines.account import DONE, FINISHED, Account, Row
from vidinternal.engines.base import Engine, Event, Outcome
from vidinternal.engines.receipts import Receipts
from vidinternal.engines.warm import Warm
from vidinternal.runner.job import Job

HELD_SECONDS = 20.0
"""How long a clip may be held by a process that is not ours before that is a failure: a batch that was killed may be
started again before the last of its workers is gone."""
LOST_AGAIN = 2
"""How often a clip is tried again whose worker was lost, beside its retries."""
LEAVE = 5.0
"""Seconds after the grace of a stop that a worker gets before it is killed."""
PAUSE = 1.0
"""Seconds before the first retry; each further one waits twice as long, a minute at most."""
USAGE = 2
"""Exit code of errors that no retry changes: a wrong mask, setting or usage."""


@dataclass(frozen=True)
class Policy:
    """How a batch treats what goes wrong.

    Attributes:
        retries: How often a clip that failed is tried again.
        timeout: Seconds a clip may take in one try, or None.
    """

    retries: int = 0
    timeout: float | None = None


class Watch(Protocol):
    """Gets told how a batch goes on."""

    def progress(self, row: Row, stage: str, share: float, text: str) -> None:
        """A clip at work got on."""
        ...

    def note(self, row: Row, line: str) -> None:
        """Something to know at once of a clip."""
        ...

    def changed(self, row: Row) -> None:
        """A clip began or ended."""
        ...


@dataclass
class Entry:
    """One clip in the plan.

    Attributes:
        job: What is to be done, without its place in a chain.
        row: What is known of it.
        before: Indices of the clips before it in its chain, in order.
        again: Whether it is run though it is done, to put its weights into the bank again.
    """

    job: Job
    row: Row
    before: tuple[int, ...] = ()
    tries: int = 0
    lost: int = 0
    began: float = 0.0
    ending: float | None = None
    held_since: float | None = None
    again: bool | None = None


@dataclass
class Batch:
    """A batch at work.

    Attributes:
        entries: All clips.
        engine: Runs them.
        account: Their rows.
        receipts: What is done.
        policy: Retries and time.
        warm: How weights pass from clip to clip.
        watch: Gets told; None tells nobody.
        stop: Whether somebody asked to stop.
    """

    entries: Sequence[Entry]
    engine: Engine
    account: Account
    receipts: Receipts
    policy: Policy = field(default_factory=Policy)
    warm: Warm | None = None
    watch: Watch | None = None
    stop: Stop = field(default_factory=Stop)

    def __post_init__(self) -> None:
        """Begin with everything waiting."""
        self._next = {entry.before[-1]: k for k, entry in enumerate(self.entries) if entry.before}
        self._ready: deque[int] = deque()
        self._later: list[tuple[float, int]] = []
        self._running: dict[int, Entry] = {}
        self._stopped: list[str] = []
        self._told_to_stop = False
        for index, entry in enumerate(self.entries):
            if not entry.before:
                self._enter(index)

    def _enter(self, index: int) -> None:
        """All clips before this one have come to their end."""
        if self.entries[index].row.status != "waiting":
            self._leave(index)
        elif self.entries[index].before and self.warm is not None and self.warm.crowded():
            self._ready.appendleft(index)
        else:
            self._ready.append(index)

    def _leave(self, index: int) -> None:
        """A clip has come to its end: the next of its chain may begin."""
        if index in self._next:
            self._enter(self._next[index])
        elif self.warm is not None:
            self.warm.release([self.entries[k].row for k in (*self.entries[index].before, index)])

    def run(self) -> None:
        """Run all clips to their end; the rows say what came of them.

        Raises:
            Interrupted: ``stop`` was asked; once everything at work has come to a stop.
        """
        self.account.write()
        try:
            while self._ready or self._later or self._running:
                self._submit()
                if self.stop.asked and not self._running:
                    raise Interrupted(self._where())
                for event in self.engine.events(0.2):
                    self._heard(event)
                self._end_overdue()
                self.account.write(now=False)
            if self._stopped:
                raise Interrupted(self._where())
        finally:
            self.engine.close()
            for entry in self._running.values():
                entry.row.status = "waiting"
            self.account.write()

    def _where(self) -> str:
        done = sum(e.row.status in DONE for e in self.entries)
        stopped = f"; {'; '.join(self._stopped)}" if self._stopped else ""
        return f"{done} of {len(self.entries)} clips done{stopped}"

    def _submit(self) -> None:
        if self.stop.asked:
            if not self._told_to_stop:
                self._told_to_stop = True
                self.engine.stop()
            return
        now = time.monotonic()
        while self._later and self._later[0][0] <= now:
            self._ready.append(heapq.heappop(self._later)[1])
        while self._ready:
            index = self._ready[0]
            if self.entries[index].tries == 0 and self._done_already(self.entries[index]):
                self._ready.popleft()
                self._changed(self.entries[index].row)
                self._leave(index)
            elif self.engine.room():
                self._ready.popleft()
                gone = self._gone(self.entries[index])
                self._begin(index if gone is None else gone, self.entries[index if gone is None else gone])
            else:
                break

    def _starts(self, entry: Entry) -> list[Row]:
        """The clips before it whose weights are there."""
        rows = [self.entries[k].row for k in entry.before]
        return [row for row in rows if row.status in DONE and row.group]

    def _gone(self, entry: Entry) -> int | None:
        """The first clip before it that is done and whose weights are gone; when they are back this one comes."""
        for index in entry.before:
            other = self.entries[index]
            if self.warm is None or other.row.status not in DONE or not other.row.group:
                continue
            if self.warm.lacks(other.row) and other.again is None:
                other.again = True
                return index
        return None

    def _done_already(self, entry: Entry) -> bool:
        row = entry.row
        if entry.again or not self.receipts.done(entry.job, row):
            return False
        missed = [start.name for start in self._starts(entry) if start.name not in row.started_from]
        if missed:
            self.receipts.forget(row)
            row.status, row.notes = "waiting", [f"made again: it began without the weights of {', '.join(missed)}"]
        return not missed

    def _begin(self, index: int, entry: Entry) -> None:
        row, job = entry.row, entry.job
        starts = self._starts(entry)
        row.started_from = [start.name for start in starts]
        if self.warm is not None:
            job = self.warm.job(job, [start.group for start in starts], followed=index in self._next)
        entry.tries += 1
        entry.began = math.inf if self.engine.queues else time.monotonic()
        entry.ending = None
        row.attempts, row.status = entry.tries, "running"
        self._running[index] = entry
        self._changed(row)
        self.engine.submit(index, job)

    def _heard(self, event: Event) -> None:
        entry = self._running.get(event.ticket)
        if entry is None:
            return
        if event.kind == "progress":
            entry.began = min(entry.began, time.monotonic())
            if self.watch is not None:
                self.watch.progress(entry.row, event.stage, event.share, event.text)
            return
        if event.kind == "note":
            if self.watch is not None:
                self.watch.note(entry.row, event.text)
            return
        del self._running[event.ticket]
        if entry.ending is not None and event.kind != "ended":
            self._timed_out(entry)
        elif event.kind == "ended" and event.outcome is not None:
            self._ended_with(event.ticket, entry, event.outcome)
        elif event.kind == "lost":
            self._lost(event.ticket, entry, event.text)
        else:
            self._stopped.append(f"{entry.row.name}: {event.text}")
            entry.row.status = "waiting"
        self._changed(entry.row)
        if entry.row.status in FINISHED:
            self._leave(event.ticket)

    def _ended_with(self, index: int, entry: Entry, outcome: Outcome) -> None:
        row = entry.row
        if outcome.held and self._held(entry):
            entry.tries -= 1
            self._again(index, entry, PAUSE / 2)
            return
        row.take(outcome)
        if outcome.result is not None:
            self.receipts.keep(entry.job, row)
        elif outcome.exit_code != USAGE and entry.tries <= self.policy.retries + entry.lost:
            row.notes.append(f"try {entry.tries} failed: {row.reason}")
            self._again(index, entry, min(60.0, PAUSE * 2 ** (entry.tries - 1)))

    def _held(self, entry: Entry) -> bool:
        """Whether to wait for who holds a clip: long for a copy of it in this batch, a while for anybody else."""
        now = time.monotonic()
        entry.held_since = entry.held_since or now
        return bool(self._running) or now - entry.held_since < HELD_SECONDS

    def _lost(self, index: int, entry: Entry, why: str) -> None:
        entry.lost += 1
        entry.row.notes.append(f"try {entry.tries}: {why}; begun again where it was")
        if entry.lost <= LOST_AGAIN + self.policy.retries:
            self._again(index, entry, 0.0)
            return
        entry.row.fail(
            f"{entry.row.source}: {why}, {entry.lost} times\n"
            "  expected: a worker that stays until its clip is done\n"
            f"  got:      {why}\n"
            "  try:      a smaller --memory or fewer --jobs, if the system ended it for want of memory"
        )

    def _timed_out(self, entry: Entry) -> None:
        limit = self.policy.timeout or 0.0
        entry.row.fail(
            f"{entry.row.source}: not done in time\n"
            f"  expected: an end within --timeout {limit:g}s\n"
            f"  got:      still at work after {limit:g} s; what was made is kept\n"
            "  try:      the same command with a longer --timeout goes on where it was, or --budget bounds the work"
        )

    def _again(self, index: int, entry: Entry, after: float) -> None:
        entry.row.status = "waiting"
        heapq.heappush(self._later, (time.monotonic() + after, index))

    def _end_overdue(self) -> None:
        if self.policy.timeout is None:
            return
        now = time.monotonic()
        for index, entry in self._running.items():
            if entry.ending is None and now - entry.began > self.policy.timeout:
                entry.ending = now
                self.engine.end(index, at_once=False)
            elif entry.ending is not None and now - entry.ending > GRACE + LEAVE:
                self.engine.end(index, at_once=True)

    def _changed(self, row: Row) -> None:
        if self.watch is not None:
            self.watch.changed(row)
        self.account.write(now=False)


def exit_code(rows: Sequence[Row]) -> int:
    """0 when nothing failed, else 1."""
    return 1 if any(row.status == "failed" for row in rows) else 0
