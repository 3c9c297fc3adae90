"""How the time of a run is shared out among the windows of a stage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vidinternal.core.budget import Budget
from vidinternal.core.errors import BudgetError
from vidinternal.runner.estimate import writing_seconds

if TYPE_CHECKING:
    from vidinternal.core.clip import Window
    from vidinternal.runner.run import Run
    from vidinternal.stages.base import Stage

LEAST_SECONDS = 1.0
"""What a window gets when the others have used up the time: enough for the cheapest fill."""


def window_weights(run: Run, stage: Stage, todo: Sequence[Window]) -> dict[int, float]:
    """Share of a stage's time that each window gets: its masked pixels where a timed stage fills, else its frames."""
    if not stage.timed:
        return {w.index: float(len(w)) for w in todo}
    if "masks" not in stage.reads:  # every picture is made anew, by one window alone
        return {w.index: float(len(run.windows().owned(w))) for w in todo}
    return masked_pixels(run, todo)


def masked_pixels(run: Run, todo: Sequence[Window]) -> dict[int, float]:
    """Masked pixels of each window that are to be filled, by its index."""
    return {w.index: float(run.read("masks", w).to_fill().sum()) for w in todo}


def time_for(run: Run, fraction: float) -> Budget:
    """Time for a window: a fraction of what is left after the writing, and a second when none is.

    Raises:
        BudgetError: Nothing is left, and nothing has been filled that would be lost.
    """
    if run.budget.seconds is None:
        return Budget()
    reserve = writing_seconds(run.info, len(run.handles["frames"]), run.spec)
    left = run.budget.remaining() - reserve
    if left <= 0 and run.filled:
        return Budget(LEAST_SECONDS)
    if left <= 0:
        raise BudgetError(
            f"{run.job.inputs.source}: no time left to make anything",
            expected=f"a budget above about {run.budget.elapsed() + reserve:.0f} s for this clip",
            got=f"{run.budget.seconds:.0f} s",
            hint="give a longer --budget; what is done so far is kept and resumed",
        )
    return Budget(left * fraction)
