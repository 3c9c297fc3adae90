"""Jobs and outcomes as plain JSON: what travels to other processes and machines, never objects or tensors."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from vidinternal.engines.base import Outcome
from vidinternal.engines.staging import StagedJob
from vidinternal.runner.job import Job, JobResult
from vidinternal.runner.split import PartJob

KINDS: dict[str, type[Job]] = {"job": Job, "staged": StagedJob, "part": PartJob}


@cache
def _jobs(kind: str) -> TypeAdapter[Any]:
    return TypeAdapter(KINDS[kind])


def _kind(job: Job) -> str:
    return next(name for name, kind in KINDS.items() if type(job) is kind)


def job_value(job: Job) -> dict[str, Any]:
    """A job, JSON-ready."""
    return _jobs(_kind(job)).dump_python(job, mode="json")


def job_text(job: Job) -> str:
    """A job as JSON."""
    return json.dumps({"kind": _kind(job), "job": job_value(job)})


def job_from(text: str | bytes) -> Job:
    """The job that :func:`job_text` wrote."""
    value = json.loads(text)
    return _jobs(value["kind"]).validate_python(value["job"])


def outcome_value(outcome: Outcome) -> dict[str, Any]:
    """An outcome, JSON-ready."""
    result = outcome.result
    made = None
    if result is not None:
        made = {
            "status": result.status,
            "destination": str(result.destination),
            "record": result.record,
            "record_path": str(result.record_path),
        }
    return {
        "source": str(outcome.source),
        "result": made,
        "error": outcome.error,
        "exit_code": outcome.exit_code,
        "trace": outcome.trace,
        "held": outcome.held,
    }


def outcome_from(value: dict[str, Any]) -> Outcome:
    """The outcome that :func:`outcome_value` described."""
    made = value["result"]
    result = None
    if made is not None:
        result = JobResult(made["status"], Path(made["destination"]), made["record"], Path(made["record_path"]))
    return Outcome(Path(value["source"]), result, value["error"], value["exit_code"], value["trace"], value["held"])
