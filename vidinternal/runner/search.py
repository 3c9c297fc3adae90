"""What a search through the clip found, for a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vidinternal.runner.run import Run


def searched(run: Run) -> dict[str, Any]:
    """The facts of the search; empty where the pipeline has none."""
    return {} if run.spec.stage("find") is None else dict(run.read("found", None).found.facts)


def search_notes(run: Run) -> list[str]:
    """Notes of the search."""
    return [str(note) for note in searched(run).get("notes", ())]
