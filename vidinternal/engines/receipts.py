"""Receipts: what is done is known without reading clips again.

A clip's receipt holds a fingerprint of all that its result depends on. Files are in it by size, inode and the times at
which content and inode changed, to the nanosecond and compared for equality alone, so that a clock that jumps does no
harm. Where anything differs, the job is run, which decides by contents; a receipt only ever saves work.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from vidinternal.core.durable import PART, make_folder, read_sealed, write_sealed
from vidinternal.core.errors import MediaError, UserError
from vidinternal.engines.account import Row
from vidinternal.engines.plain import job_value
from vidinternal.engines.remote import Place
from vidinternal.engines.staging import StagedJob
from vidinternal.engines.warm import spec_of
from vidinternal.media.stills.image_sequence import names_many, sequence_files
from vidinternal.runner.job import Job
from vidinternal.runner.record import versions
from vidinternal.runner.spec import PipelineSpec
from vidinternal.runner.workspace import code_digest, digest

_KEPT = (
    "seconds",
    "expected_psnr",
    "worst",
    "started_from",
    "group",
    "weights",
    "notes",
    "record",
    "verified",
    "bitrate",
)
_ELSEWHERE = ("workspace", "fresh", "bank_url", "processes", "private", "hold", "inputs", "pipeline", "sets")


class Receipts:
    """The receipts of one output folder.

    Args:
        folder: Where they are kept; None keeps none and knows of none.
        environment: What else results depend on, such as threads.

    Attributes:
        publish: Called with every receipt's file once it is written; to copy it to where others look for it.
    """

    def __init__(self, folder: Path | None, environment: str = "") -> None:
        self.folder, self._environment = folder, environment
        self.publish: Callable[[Path], None] | None = None

    def done(self, job: Job, row: Row) -> bool:
        """Whether a clip's result is there and nothing it depends on has changed; then its row is filled in."""
        if self.folder is None or job.fresh or (job.report is not None and not job.report.is_file()):
            return False
        value, _ = read_sealed(self._path(row))
        if value is None or value["output"] is None:
            return False
        if value["output"] != output_looks(job) or value["fingerprint"] != self._fingerprint(job):
            return False
        for name in _KEPT:
            setattr(row, name, value["row"][name])
        row.status = "already done"
        return True

    def keep(self, job: Job, row: Row) -> None:
        """Note that a clip is done; where there is no room for that, its run will find out by contents."""
        if self.folder is None:
            return
        kept = {name: value for name, value in asdict(row).items() if name in _KEPT}
        seen = {"fingerprint": self._fingerprint(job), "output": output_looks(job), "row": kept}
        with suppress(OSError, UserError):
            make_folder(self.folder)
            write_sealed(self._path(row), seen)
            if self.publish is not None:
                self.publish(self._path(row))

    def forget(self, row: Row) -> None:
        """The clip is made again."""
        if self.folder is not None:
            self._path(row).unlink(missing_ok=True)

    def sweep(self) -> None:
        """Remove what a killed batch left half written; only while the output folder is locked."""
        if self.folder is not None and self.folder.is_dir():
            for left in self.folder.glob(f".*{PART}"):
                left.unlink(missing_ok=True)

    def _path(self, row: Row) -> Path:
        assert self.folder is not None
        return self.folder / f"{hashlib.sha256(row.output.encode(errors='surrogateescape')).hexdigest()[:24]}.json"

    def _fingerprint(self, job: Job) -> str:
        given = job_value(job)
        inputs = {f.name: getattr(job.inputs, f.name) for f in fields(job.inputs) if f.name != "destination"}
        files = {name: looks(value) for name, value in inputs.items() if isinstance(value, Path)}
        if isinstance(job, StagedJob):
            urls = {"source": job.source_url, "mask": job.mask_url}
            files |= {name: [Place(url).key()] for name, url in urls.items() if url}
        spec = spec_of(job.pipeline, job.sets)
        plain = {name: value for name, value in given.items() if name not in _ELSEWHERE}
        made_by = [code_digest(), versions(), self._environment]
        return digest([plain, given["inputs"], files, spec.settings(), _files_of(spec), made_by])


def output_looks(job: Job) -> list[Any] | None:
    """What tells whether a result is what it was, where it belongs; None where it is not."""
    if isinstance(job, StagedJob) and job.output_url:
        key = Place(job.output_url).key()
        return None if key is None else [key]
    return looks(job.inputs.destination)


def _files_of(spec: PipelineSpec) -> list[Any]:
    """How the files look that settings name, such as weights."""
    models = [m for s in spec.stages for m in (s.config, s.options) if m is not None]
    values = [getattr(m, name) for m in models for name in type(m).model_fields]
    return [looks(value) for value in values if isinstance(value, Path)]


def looks(path: Path) -> list[Any] | None:
    """What tells whether a file, a folder of files or a sequence of images is what it was; None where it is not."""
    try:
        if names_many(path):
            return [[p.name, looks(p)] for p in sequence_files(path)]
        if path.is_dir():
            return [[p.name, looks(p)] for p in sorted(path.iterdir()) if p.is_file()]
        found = path.stat()
    except (OSError, MediaError):
        return None
    return json.loads(json.dumps([found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_dev]))
