"""Files for people beside the output: what a search found, to look at, to edit and to give back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from vidinternal.core.durable import PART, replacing
from vidinternal.media.stills.image_sequence import names_many

if TYPE_CHECKING:
    from vidinternal.runner.run import Run

_NAMES = {"events.srt": ".srt"}
_EDITED = (".json", ".srt")


def place_of(destination: Path, name: str) -> Path:
    """Where a file for people goes: beside the output, called like it."""
    folder, stem = destination.parent, destination.stem
    if names_many(destination) or "%" in destination.name:
        folder, stem = destination.parent.parent, destination.parent.name
    return folder / (stem + _NAMES.get(name, f".{name}"))


def write_beside(run: Run) -> list[str]:
    """Write the files for people, each in one step; a note for each kind of thing to know.

    A file that a person has changed since is kept under another name; the events file that was given is left alone. A
    private run writes none.
    """
    if run.spec.stage("find") is None or run.job.private:
        return []
    found = run.read("found", None).found
    written: list[Path] = []
    notes: list[str] = []
    for name, content in found.files.items():
        path = place_of(run.job.inputs.destination, name)
        given = run.job.inputs.events
        if not content or (given is not None and given.exists() and path.exists() and given.samefile(path)):
            continue
        if path.is_file() and path.read_bytes() == content:
            written.append(path)
            continue
        if path.is_file() and path.suffix in _EDITED:
            kept = _unused(path)
            path.replace(kept)
            notes.append(f"{path.name} was there with other content: kept as {kept.name}")
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path)
        _write(path, content)
        written.append(path)
    if written:
        notes.append(f"what was found: {', '.join(str(p) for p in written)}")
    return notes


def _unused(path: Path) -> Path:
    number = 1
    while (kept := path.with_name(f"{path.stem}.{number}{path.suffix}")).exists():
        number += 1
    return kept


def _sweep(path: Path) -> None:
    """Remove what a killed run left of this very file."""
    for left in path.parent.glob(f".{path.name}.*{PART}"):
        left.unlink(missing_ok=True)


def _write(path: Path, content: bytes) -> None:
    with replacing(path) as part:
        part.write_bytes(content)


def residue_account(run: Run) -> list[dict[str, Any]]:
    """What was left of overlays after the removal, window by window."""
    if run.spec.stage("residue") is None:
        return []
    windows = run.windows().windows
    return [{"window": w.index, **again.facts} for w in windows if (again := run.read("again", w)).facts]


def told(run: Run) -> list[str]:
    """Notes of what was recovered, of the subtitle track and of what was left."""
    if run.spec.stage("find") is None:
        return []
    facts = run.read("found", None).found.facts
    notes: list[str] = []
    unblended = [e for e in facts.get("unblended", {}).values() if e.get("used")]
    if unblended:
        pixels = sum(e.get("recovered_pixels", 0) for e in unblended)
        notes.append(f"{len(unblended)} half-transparent overlays were taken off instead of filled, {pixels} pixels")
    if run.job.inputs.soft_subs and run.spec.stage("encode"):
        soft = run.read("result", None).facts.get("soft_subs")
        notes.append(
            f"{soft['texts']} texts were added as a subtitle track"
            + (f" ({soft['language']})" if soft["language"] else "")
            if soft
            else "--soft-subs: no text was recognised, so no subtitle track was added; pip install 'vidinternal[ocr]'"
        )
    for row in residue_account(run):
        frames = ", ".join(f"{a}-{b}" if a != b else str(a) for a, b in row["frames"])
        if not row["redone"]:
            notes.append(f"traces of an overlay are left in frames {frames}")
            continue
        after = ", ".join(f"{a}-{b}" if a != b else str(a) for a, b in row["frames_after"])
        rest = f"; still some in frames {after}" if after else "; nothing is left"
        notes.append(f"traces of an overlay in frames {frames} were filled once more{rest}")
    return notes
