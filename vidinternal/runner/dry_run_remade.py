"""What making every picture of a clip anew would take: the method is tried for a few seconds on the first window."""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from vidinternal.core.budget import Budget
from vidinternal.runner.estimate import writing_seconds
from vidinternal.runner.remade import maker_of

if TYPE_CHECKING:
    from vidinternal.runner.run import Run

TRIAL_SECONDS = 4.0
"""How long the method is tried."""


class _TrialOver(Exception):
    """Ends a trial from inside the progress callback."""


def trial_seconds(run: Run) -> float | None:
    """Seconds that the run is expected to take, its writing included; None where the trial could not tell.

    What a take's first picture costs more than the others is taken to be spread over the window; nothing is kept.
    """
    stage, windows = maker_of(run.spec), run.windows()
    if stage is None:
        return None
    first, share, started = windows.windows[0], 0.0, time.monotonic()

    def watch(done: float, _text: str) -> None:
        nonlocal share
        share = max(share, done)
        if time.monotonic() - started > TRIAL_SECONDS and share > 0:
            raise _TrialOver

    with tempfile.TemporaryDirectory(prefix="vidinternal-") as folder:
        context = replace(run.context(stage, first, Budget(), 0.0, 0.0), progress=watch, scratch=Path(folder))
        try:
            stage.run(run.inputs(stage, first), context)
            share = 1.0
        except _TrialOver:
            pass
    if share <= 0:
        return None
    frames = len(run.handles["frames"])
    rate = (time.monotonic() - started) / share / len(windows.owned(first))
    return writing_seconds(run.info, frames, run.spec) + rate * frames
