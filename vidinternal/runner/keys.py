"""What a stage's result depends on, its digest, and why a result is made again."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from vidinternal import methods
from vidinternal.core.hints import gather
from vidinternal.runner.job import Job
from vidinternal.runner.spec import PipelineSpec, stage_settings
from vidinternal.runner.workspace import CODE_PACKAGES, digest, file_digest
from vidinternal.stages.base import JobInputs, Stage

PACKAGE = "vidinternal"
ROOT = Path(__file__).resolve().parents[1]
LIBRARIES = {
    "av": "av",
    "cv2": "opencv-python",
    "decord": "decord2",
    "kornia": "kornia",
    "numpy": "numpy",
    "scenedetect": "scenedetect",
    "scipy": "scipy",
    "torch": "torch",
    "torchvision": "torchvision",
}
"""Modules whose version decides what a stage makes, and the distributions they come from."""
_IMPORT = re.compile(r"^[ \t]*(?:from ([\w.]+) import (\([^)]*\)|[^\n#]+)|import ([^\n#]+))", re.MULTILINE)
_NAMES = {
    "source": "the source",
    "code": "the program",
    "seed": "the seed",
    "device": "the device",
    "budget": "the budget",
    "memory": "the memory allowed",
    "mask": "the mask",
    "regions": "the regions",
    "mask_fit": "--mask-fit",
    "objects": "the hints to objects",
    "hints": "the file of hints, or a picture that it names",
    "events": "the events file",
    "subtitles": "the subtitle file",
    "soft_subs": "--soft-subs",
    "language": "--language",
    "destination": "the destination",
    "starts": "the weights to start from",
}
_SHOWN = ("seed", "device", "budget", "memory", "mask_fit", "destination")

Parts = Mapping[str, Mapping[str, Any]]
"""For every stage, what its result depends on, by name and JSON-ready."""


@cache
def _imports(path: Path) -> frozenset[str]:
    """Every module a file may import, wherever in it the import stands; some more do no harm."""
    found: set[str] = set()
    for module, names, plain in _IMPORT.findall(path.read_text(encoding="utf-8")):
        words = [entry.split()[0] for entry in (names or plain).strip("()").split(",") if entry.split()]
        found |= {module, *(f"{module}.{word}" for word in words)} if module else set(words)
    return frozenset(found)


def _files(module: str) -> Iterator[Path]:
    """The files that importing one of our modules runs: itself and the packages it lies in.

    Those above the stages are left out: they say what is run, not what comes of it.
    """
    names = module.split(".")[1:]
    if names and names[0] not in CODE_PACKAGES:
        return
    for depth in range(len(names) + 1):
        place = ROOT.joinpath(*names[:depth])
        yield from (p for p in (place / "__init__.py", place.with_suffix(".py")) if p.is_file())


def closure(modules: Sequence[str]) -> tuple[frozenset[Path], frozenset[str]]:
    """All of our files that these modules may run, and the foreign modules they may use.

    Args:
        modules: Names such as ``vidinternal.stages.encode``.
    """
    files: set[Path] = set()
    foreign: set[str] = set()
    waiting = list(modules)
    while waiting:
        for path in set(_files(waiting.pop())) - files:
            files.add(path)
            for name in _imports(path):
                if name.split(".")[0] == PACKAGE:
                    waiting.append(name)
                else:
                    foreign.add(name.split(".")[0])
    return frozenset(files), frozenset(foreign)


@cache
def _code_of(modules: tuple[str, ...]) -> str:
    files, foreign = closure(modules)
    files |= {p for f in files if f.name == "__init__.py" for p in f.parent.glob("*.safetensors")}  # shipped weights
    versions = {}
    for module in sorted(foreign & LIBRARIES.keys()):
        try:
            versions[module] = metadata.version(LIBRARIES[module])
        except metadata.PackageNotFoundError:
            versions[module] = ""
    return digest([[[str(p.relative_to(ROOT)), file_digest(p)] for p in sorted(files)], versions])


def stage_code(stage: Stage) -> str:
    """16 hex digits of the code a stage can run with its method: ours by content, libraries by version."""
    modules = [type(stage).__module__, *stage.also_runs()]
    if stage.task is not None:
        modules.append(methods.module_name(stage.config.method, stage.task))
    return _code_of(tuple(modules))


def stage_parts(
    job: Job,
    spec: PipelineSpec,
    device: str,
    again: int = 0,
    memory: str | None = None,
    starts: Sequence[tuple[str, str]] = (),
) -> dict[str, dict[str, Any]]:
    """What every stage's result depends on.

    Args:
        job: The job.
        spec: Its pipeline.
        device: Type of the device.
        again: How often ``--fresh`` has made everything anew.
        memory: The memory allowed, where the windows depend on it; from :func:`vidinternal.runner.memory.memory_part`.
        starts: Entries of the weight bank that windows may start from, and digests of their weights.
    """
    source = file_digest(job.inputs.source)
    parts: dict[str, dict[str, Any]] = {}
    for stage in spec.stages:
        makers = [s.name for s in spec.stages if s.name in parts and set(s.writes) & {*stage.reads, *stage.uses}]
        parts[stage.name] = {
            "settings": {k: v for k, v in stage_settings(stage).items() if k not in stage.places},
            "files": _files_of_settings(stage),
            "upstream": {name: digest(parts[name]) for name in makers},
            "source": source,
            "code": stage_code(stage),
            "seed": job.seed,
            "device": device,
            "again": again,
            **{name: _from_job(job.inputs, name) for name in _read_of_job(stage, memory)},
            **({"budget": job.budget} if stage.timed else {}),
            **({"memory": memory} if stage.sized else {}),
            **({"starts": [list(entry) for entry in starts]} if stage.carries else {}),
        }
    return parts


def _read_of_job(stage: Stage, memory: str | None) -> tuple[str, ...]:
    """Fields of the job that a stage's result depends on; where memory is scarce, windows are cut to fit the holes."""
    return (*stage.from_job, "mask", "regions", "mask_fit") if stage.sized and memory is not None else stage.from_job


def _from_job(inputs: JobInputs, name: str) -> Any:
    """One field of the job's inputs, JSON-ready; a file that is read by its content."""
    value = getattr(inputs, name)
    if name in ("objects", "hints") and value:
        objects, path = (inputs.objects, None) if name == "objects" else ((), inputs.hints)
        named = [p for p in gather(objects, path).files() if p.is_file()]
        return [*map(repr, objects), *(file_digest(p) for p in (*named, path) if p is not None)]
    if isinstance(value, Path):
        if name == "destination":
            return str(value.resolve())
        return file_digest(value) if value.exists() else None  # its stage refuses it, before any work
    if isinstance(value, tuple):
        return [repr(entry) for entry in value]
    return value if value is None or isinstance(value, bool | int | float | str) else repr(value)


def _files_of_settings(stage: Stage) -> dict[str, str | None]:
    """Digests of the files that settings name, such as weights; None where there is no such file."""
    found = {}
    for model in (stage.config, stage.options):
        for name in type(model).model_fields.keys() - {*stage.places} if model is not None else ():
            value = getattr(model, name)
            if isinstance(value, Path):
                found[name] = file_digest(value) if value.exists() else None
    return found


def stage_keys(parts: Parts) -> dict[str, str]:
    """The key of every stage's results."""
    return {stage: digest([stage, made_of]) for stage, made_of in parts.items()}


def reasons(before: Parts, now: Parts, redone: Sequence[str]) -> list[str]:
    """Why stages are made again, one line for each that changed itself and one for those that follow.

    Args:
        before: What the results of the last run depended on.
        now: What they depend on now.
        redone: The stages that have no result for what they depend on now, in order.
    """
    told: dict[str, list[str]] = {}
    follow: list[str] = []
    for stage in redone:
        if stage not in before:
            continue
        changes = _changes(stage, before[stage], now[stage])
        for change in changes:
            told.setdefault(change, []).append(stage)
        if not changes and before[stage] != now[stage]:
            follow.append(stage)
    lines = [f"made again: {', '.join(stages)}: {change}" for change, stages in told.items()]
    if follow:
        lines.append(f"made again: {', '.join(follow)}: made from what changed")
    return lines


def _changes(stage: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    old, new = before.get("settings", {}), now["settings"]
    # another method has other settings altogether
    names = ["method"] if old.get("method") != new.get("method") else dict.fromkeys((*new, *old))
    changes = [
        f"setting {stage}.{name} was {_plain(old, name)}, is now {_plain(new, name)}"
        for name in names
        if old.get(name) != new.get(name)
    ]
    files = now["files"]
    changes += [
        f"the file of setting {stage}.{name} changed"
        for name in files
        if old.get(name) == new.get(name) and before.get("files", {}).get(name) != files[name]
    ]
    for name, words in _NAMES.items():
        if name in now and before.get(name) != now[name]:
            shown = f" was {before.get(name)}, is now {now[name]}" if name in _SHOWN else " changed"
            changes.append(words + shown)
    if before.get("again") != now["again"]:
        changes.append("--fresh")
    return changes


def _plain(settings: Mapping[str, Any], name: str) -> str:
    value = settings.get(name)
    return "not there" if name not in settings else value if isinstance(value, str) else json.dumps(value)
