"""Jobs whose clip, mask or result is at a URL: fetched before, put there after, on whatever machine they run."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from vidinternal.core.durable import make_folder, read_sealed, write_sealed
from vidinternal.core.errors import UserError
from vidinternal.core.stop import Stop
from vidinternal.engines.base import Outcome
from vidinternal.engines.remote import Place
from vidinternal.learn.warm_start.bank import Bank
from vidinternal.runner.job import Job, Observer

Try = Callable[[Job, "Observer | None", "Stop | None"], Outcome]


@dataclass(frozen=True)
class StagedJob(Job):
    """A job with URLs; its paths are where things are put on the machine that does it.

    Attributes:
        source_url: Of the clip; empty where ``inputs.source`` is a file that is there.
        mask_url: Of the mask; the same.
        output_url: Where the result goes; empty where ``inputs.destination`` is its place.
        bank_url: Where weights pass from machine to machine; empty where the bank is on a disk all share.
    """

    source_url: str = ""
    mask_url: str = ""
    output_url: str = ""
    bank_url: str = ""


def stage_root(workspace: Path | None) -> Path:
    """Where clips are put that come from URLs; the same on every machine."""
    return workspace or Path(tempfile.gettempdir()) / f"vidinternal-{os.getuid()}"


def stage_folder(root: Path, *urls: str) -> Path:
    """The folder of one clip there."""
    return root / hashlib.sha256("\n".join(urls).encode()).hexdigest()[:16]


def run_staged(job: StagedJob, observer: Observer | None, stop: Stop | None, attempt: Try) -> Outcome:
    """Fetch what the job needs, do it, put its result where it belongs; what failed stays for the next try."""
    inputs = job.inputs
    try:
        if job.source_url:
            _fetched(job.source_url, inputs.source)
        if job.mask_url and inputs.mask is not None:
            _fetched(job.mask_url, inputs.mask)
        groups, bank = _starts(job)
        with _passing_weights(job.bank_url, bank, groups) as hold:
            outcome = attempt(replace(job, hold=hold or job.hold), observer, stop)
            if outcome.result is None:
                return outcome
            group = (outcome.result.record.get("warm_start") or {}).get("group")
            if job.bank_url and bank is not None and group:
                _put_group(job.bank_url, bank, group)
        if job.output_url:
            _put_result(job.output_url, inputs.destination)
    except UserError as error:
        return Outcome(inputs.source, None, error.message, error.exit_code)
    shutil.rmtree(_own_folder(job), ignore_errors=True)
    return outcome


def _put_result(url: str, made: Path) -> None:
    """Put a result where it belongs, and before it all that lies beside it for people: sheets, events, layers."""
    beside = Place(f"{url.rpartition('/')[0]}")
    for path in sorted(made.parent.rglob("*")):
        named = path.relative_to(made.parent)
        if path.is_file() and path != made and not any(part.startswith(".") for part in named.parts):
            beside.below(named.as_posix()).put(path)
    Place(url).put(made)


def _own_folder(job: StagedJob) -> Path:
    """The folder that holds what was staged for this job alone."""
    return (job.inputs.source if job.source_url else job.inputs.destination).parent.parent


def _fetched(url: str, to: Path) -> None:
    """Fetch a file unless it is there as it is at its URL now."""
    seen = to.with_name(f".{to.name}.key")
    key = Place(url).key()
    known, _ = read_sealed(seen)
    if key is not None and to.exists() and known == {"key": key}:
        return
    with suppress(FileNotFoundError):
        seen.unlink()
    shutil.rmtree(to, ignore_errors=True) if to.is_dir() else to.unlink(missing_ok=True)
    Place(url).fetch(to)
    if key is not None:
        write_sealed(seen, {"key": key})


def _starts(job: Job) -> tuple[list[str], Path | None]:
    """The groups of weights that a job names, and the bank they are to be in."""
    # by the field alone: one stage of a pipeline carries weights on, whatever its name
    named = {s.partition("=")[0].rpartition(".")[2]: s.partition("=")[2] for s in job.sets}
    groups = named.get("starts", "").strip("[]")
    bank = named.get("bank")
    return [g.strip() for g in groups.split(",") if g.strip()], Path(bank) if bank else None


def _files_of_group(names: Sequence[str], group: str) -> list[str]:
    return [n for n in names if n.rpartition("/")[2].startswith(f"{group}-")]


@contextmanager
def _passing_weights(url: str, folder: Path | None, groups: Sequence[str]) -> Iterator[str]:
    """Have these groups in this machine's bank for as long as the block lasts.

    Gives the name by which weights of the job's own are held there until they are at their URL.
    """
    if not url or folder is None:
        yield ""
        return
    bank, hold = Bank(folder), f"staged-{uuid.uuid4().hex}"
    try:
        names = Place(url).names() if groups else {}
        files = sorted((n for g in groups for n in _files_of_group(list(names), g)), reverse=True)
        bank.pin(hold, [PurePosixPath(n).stem for n in files if n.startswith("entries/")])
        for name in files:  # weights first: an entry speaks of weights that are there
            if not (folder / name).exists():
                make_folder((folder / name).parent)
                Place(names[name]).fetch(folder / name)
        yield hold
    finally:
        bank.unpin_all(hold)


def _put_group(url: str, bank: Path, group: str) -> None:
    for folder in ("weights", "entries"):
        for path in sorted((bank / folder).glob(f"{group}-*")):
            if not path.name.startswith("."):
                Place(url).below(f"{folder}/{path.name}").put(path)
