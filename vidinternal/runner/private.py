"""``--private``: what a run leaves beside its output is removed, since weights and caches hold the clip.

Files are unlinked, not overwritten: what a disk keeps of unlinked files is beyond a program's reach.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from vidinternal.core.errors import ResourceError
from vidinternal.runner.job import JobResult
from vidinternal.runner.resources import size_text

if TYPE_CHECKING:
    from vidinternal.runner.run import Run


@dataclass(frozen=True)
class Removed:
    """What was taken away.

    Attributes:
        folder: The clip's workspace.
        files: How many files.
        bytes: Their size.
    """

    folder: Path
    files: int
    bytes: int

    def __str__(self) -> str:
        return (
            f"private: {self.files} intermediate files ({size_text(self.bytes)}), weights among them, were removed "
            f"from {self.folder}; they were unlinked, not overwritten"
        )


@contextmanager
def kept_for_now(run: Run) -> Iterator[None]:
    """Where a private run does not come to its end, say what stays and what removes it."""
    try:
        yield
    except BaseException:
        if run.job.private:
            run.say(
                f"private: what was made so far is kept in {run.workspace.folder} for the same command to go on with, "
                "and removed when it is done"
            )
        raise


def finished(run: Run, result: JobResult) -> JobResult:
    """The result of a run; of a private one, after everything but its output has been removed.

    Raises:
        ResourceError: Something could not be removed.
    """
    if not run.job.private or run.job.report is not None:
        return result  # a page is made from the intermediate results first
    removed = remove_traces(run.workspace.folder, run.ledger.path)
    return replace(result, record={**result.record, "notes": [*result.record["notes"], str(removed)]})


def remove_traces(folder: Path, memory: Path) -> Removed:
    """Remove a clip's workspace and the job's memory, and the folders above that are left empty.

    Args:
        folder: The clip's workspace.
        memory: The file that is remembered of the job, in a folder beside the workspace.

    Raises:
        ResourceError: Something could not be removed; says what is left.
    """
    files = [p for p in (*folder.rglob("*"), memory) if p.is_file() and not p.is_symlink()]
    removed = Removed(folder, len(files), sum(p.stat().st_size for p in files))
    try:
        shutil.rmtree(folder)
        memory.unlink(missing_ok=True)
    except OSError as error:
        raise ResourceError(
            f"{folder}: --private could not remove everything",
            expected="a folder whose files may be removed",
            got=error.strerror or str(error),
            hint=f"remove {folder} yourself: it holds the clip",
        ) from error
    for empty in (memory.parent, folder.parent):
        with suppress(OSError):  # other clips' results are in it
            empty.rmdir()
    return removed
