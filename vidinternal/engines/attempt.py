"""One try at one job, wherever it runs: a failure of the clip becomes an outcome instead of ending the process."""

from __future__ import annotations

import traceback

from vidinternal.core.errors import ResourceError, UserError
from vidinternal.core.stop import Stop
from vidinternal.engines.base import Outcome
from vidinternal.engines.staging import StagedJob, run_staged
from vidinternal.runner.job import Job, Observer
from vidinternal.runner.split import PartJob, run_part
from vidinternal.runner.workspace import HeldError

DEFECT = 70
"""Exit code of what is a defect of ours: EX_SOFTWARE of ``sysexits.h``."""


def attempt(job: Job, observer: Observer | None = None, stop: Stop | None = None) -> Outcome:
    """Run one job in this process; a failure of this clip becomes an outcome instead of ending the batch.

    Raises:
        Interrupted: ``stop`` was asked.
    """
    from vidinternal.engines.reporting import run_and_report  # noqa: PLC0415 - workers import torch after their setup

    try:
        if isinstance(job, PartJob):
            return Outcome(job.inputs.source, run_part(job, observer, stop))
        return Outcome(job.inputs.source, run_and_report(job, observer, stop or Stop()))
    except HeldError as error:
        return Outcome(job.inputs.source, None, error.message, error.exit_code, held=True)
    except UserError as error:
        return Outcome(job.inputs.source, None, error.message, error.exit_code)


def safe_attempt(job: Job, observer: Observer | None = None, stop: Stop | None = None) -> Outcome:
    """As :func:`attempt`; what the system refuses and defects of ours become outcomes too.

    Raises:
        Interrupted: ``stop`` was asked.
    """
    try:
        if isinstance(job, StagedJob):
            return run_staged(job, observer, stop, attempt)
        return attempt(job, observer, stop)
    except (OSError, MemoryError) as error:
        where = str(getattr(error, "filename", None) or job.inputs.source)
        got = getattr(error, "strerror", None) or str(error) or "no memory left"
        told = ResourceError(where, expected="a file, folder or memory that can be used", got=got)
        return Outcome(job.inputs.source, None, told.message, told.exit_code)
    except Exception as error:  # noqa: BLE001 - one clip never stops the others; the traceback is kept
        last = f"{type(error).__name__}: {error}".splitlines()[0]
        told = f"{job.inputs.source}\n  got:      an error in vidinternal itself: {last}"
        return Outcome(job.inputs.source, None, told, DEFECT, traceback.format_exc())
