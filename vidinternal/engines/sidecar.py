"""What belongs to one clip of a folder: masks found by its name, and a sidecar file with settings of its own.

Beside ``clip.mp4``: ``clip.yaml`` or ``clip.vidinternal.yaml``; ``clip.mask.mp4`` (any video), ``clip.mask.png`` (any
image) or the folder ``clip.mask/``. What a sidecar says is meant for this clip alone, so it counts before what the
command line says for all of them; a mask found by name counts where neither names one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from vidinternal.core.budget import parse_seconds
from vidinternal.core.errors import PipelineError, UsageError, UserError, nearest
from vidinternal.core.hints import parse_hint
from vidinternal.core.timecode import parse_region
from vidinternal.media.soft_subs import language_code
from vidinternal.media.stills.image_sequence import IMAGE_SUFFIXES, image_kind, is_pattern
from vidinternal.runner.job import Job
from vidinternal.runner.spec import describe, read_pipeline
from vidinternal.runner.yaml_lines import KeyPath, line_of, parse

FILES = ("hints", "events", "subtitles")
KEYS = ("mask", "mask_fit", "regions", "objects", *FILES, "soft_subs", "language", "budget", "seed", "settings")
MASK = ".mask"
VIDEOS = (".mp4", ".mkv", ".mov", ".webm", ".avi", ".m4v", ".gif", ".apng", ".webp")


@dataclass(frozen=True)
class Sidecar:
    """What a sidecar file says.

    Attributes:
        path: The file.
        mask: Video, image or folder of images, or None.
        mask_fit: Whether a mask of another size, length or rate is fitted; None = as on the command line.
        regions: ``X,Y,W,H[@START-END]``; None = those of the command line.
        budget: Seconds, or None.
        seed: Root of all randomness, or None.
        sets: ``stage.field=value``.
        inputs: Further fields of :class:`vidinternal.stages.base.JobInputs`; those left out are as on the command line.
    """

    path: Path
    mask: Path | None = None
    mask_fit: bool | None = None
    regions: tuple[str, ...] | None = None
    budget: float | None = None
    seed: int | None = None
    sets: tuple[str, ...] = ()
    inputs: Mapping[str, Any] = field(default_factory=dict)


def stem_of(source: Path) -> Path:
    """The clip's path without its suffix; a folder of images has none to lose."""
    if is_pattern(source):
        return source.parent
    return source if source.is_dir() else source.with_suffix("")


def find_sidecar(source: Path) -> Path | None:
    """The sidecar file of a clip, or None.

    Raises:
        UsageError: There are two.
    """
    stem = stem_of(source)
    found = [p for p in (stem.with_name(f"{stem.name}{s}") for s in (".vidinternal.yaml", ".yaml")) if p.is_file()]
    if len(found) > 1:
        raise UsageError(f"{source}", expected="one sidecar file", got=f"{found[0].name} and {found[1].name}")
    return found[0] if found else None


def find_mask(source: Path) -> Path | None:
    """The mask that belongs to a clip by its name, or None.

    Raises:
        UsageError: There are several.
    """
    stem = stem_of(source)
    suffixes = dict.fromkeys(s for known in (*VIDEOS, *sorted(IMAGE_SUFFIXES)) for s in (known, known.upper()))
    places = [stem.with_name(f"{stem.name}{MASK}{suffix}") for suffix in ("", *suffixes)]
    found = [p for p in places if is_mask_of(p, stem.name)]
    if len(found) > 1:
        raise UsageError(
            f"{source}", expected="one mask by its name", got=", ".join(p.name for p in found), hint="--mask PATH"
        )
    return found[0] if found else None


def is_mask_of(path: Path, name: str) -> bool:
    """Whether a file or folder is, by its name, the mask of the clip called ``name`` without its suffix."""
    if path.name == f"{name}{MASK}":
        return path.is_dir()
    own = path.name == f"{name}{MASK}{path.suffix}"
    return own and (path.suffix.lower() in VIDEOS or image_kind(path) is not None) and path.is_file()


def read_sidecar(path: Path) -> Sidecar:
    """Read a sidecar file.

    Raises:
        PipelineError: It is not plain YAML, has unknown keys, or values of a wrong kind; one line a finding, with the
            line of the file and the nearest name.
    """
    try:
        value, lines = parse(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        got = getattr(error, "strerror", None) or str(error)
        raise PipelineError(f"sidecar {path}", expected="a text file in UTF-8", got=got) from error
    if value is None:
        return Sidecar(path)
    if not isinstance(value, dict):
        raise PipelineError(f"{path}:1", expected=f"a mapping with {', '.join(KEYS)}", got=type(value).__name__)
    found = _Findings(path, lines)
    for key in value:
        if key not in KEYS:
            found.add((str(key),), f"unknown key '{key}'; {nearest(str(key), KEYS)}")
    made = Sidecar(
        path,
        mask=_file("mask", value.get("mask"), path, found),
        mask_fit=found.kind(value, "mask_fit", bool, "true or false"),
        regions=_regions(value, found),
        budget=_budget(value.get("budget"), found),
        seed=found.kind(value, "seed", int, "a whole number"),
        sets=_sets(value.get("settings"), found),
        inputs=_inputs(value, path, found),
    )
    if found.lines:
        raise PipelineError("\n".join(found.lines))
    return made


class _Findings:
    """What is wrong with a sidecar, one line each."""

    def __init__(self, path: Path, lines: dict[KeyPath, int]) -> None:
        self._path, self._known, self.lines = path, lines, list[str]()

    def add(self, key: KeyPath, text: str) -> None:
        line = line_of(key, self._known)
        self.lines.append(f"{self._path}{f':{line}' if line else ''}: {text}")

    def kind(self, value: Mapping[str, Any], key: str, kind: type, words: str) -> Any:
        given = value.get(key)
        if given is not None and type(given) is not kind:
            self.add((key,), f"{key}: expected {words}, got {given!r}")
            return None
        return given


def _file(key: str, given: Any, path: Path, found: _Findings) -> Path | None:
    """A path, which counts from the sidecar's folder."""
    if given is None:
        return None
    if not isinstance(given, str):
        found.add((key,), f"{key}: expected a path, got {given!r}")
        return None
    return path.parent / given


def _inputs(value: Mapping[str, Any], path: Path, found: _Findings) -> dict[str, Any]:
    """What is said of objects and of burnt-in text."""
    made: dict[str, Any] = {key: _file(key, value.get(key), path, found) for key in FILES}
    made["objects"] = _objects(value.get("objects"), path, found)
    made["soft_subs"] = found.kind(value, "soft_subs", bool, "true or false")
    language = value.get("language")
    if language is not None:
        try:
            made["language"] = language_code(language if isinstance(language, str) else repr(language))
        except UserError as error:
            found.add(("language",), f"language: expected {error.expected}, got {language!r}")
    return {key: own for key, own in made.items() if own is not None}


def _objects(given: Any, path: Path, found: _Findings) -> tuple[str, ...] | None:
    """Hints to objects, as typed; the pictures they name count from the sidecar's folder."""
    if given is None:
        return None
    rows = [given] if isinstance(given, str) else given
    if not isinstance(rows, list):
        found.add(("objects",), f"objects: expected a list of [NAME:]KIND=VALUES[@FRAME], got {given!r}")
        return None
    made: list[str] = []
    for index, row in enumerate(rows):
        text = row if isinstance(row, str) else repr(row)
        try:
            hint = parse_hint(text)
        except UserError as error:
            more = f"; {error.hint}" if error.hint else ""
            found.add(("objects", index), f"objects: expected {error.expected}, got {row!r}{more}")
            continue
        if hint.path is not None:
            kind, _, rest = text.partition("=")
            # the folder's name may have an @ in it, which would be taken for the frame's
            text = f"{kind}={path.parent / rest}{'' if '@' in rest else '@0'}"
        made.append(text)
    return tuple(made)


def _regions(value: Mapping[str, Any], found: _Findings) -> tuple[str, ...] | None:
    given = value.get("regions")
    if given is None:
        return None
    rows = [given] if isinstance(given, str) else given
    if not isinstance(rows, list):
        found.add(("regions",), f"regions: expected a list of X,Y,W,H[@START-END], got {given!r}")
        return None
    for index, row in enumerate(rows):
        try:
            parse_region(row if isinstance(row, str) else repr(row))
        except UserError as error:
            found.add(("regions", index), f"regions: expected {error.expected}, got {row!r}")
    return tuple(str(row) for row in rows)


def _budget(given: Any, found: _Findings) -> float | None:
    if given is None:
        return None
    try:
        return parse_seconds(str(given))
    except UserError as error:
        found.add(("budget",), f"budget: expected {error.expected}, got {given!r}")
        return None


def _sets(given: Any, found: _Findings) -> tuple[str, ...]:
    """``{"masks.dilate": 4}`` or ``{"masks": {"dilate": 4}}`` as settings of the command line."""
    if given is None:
        return ()
    if not isinstance(given, dict):
        found.add(("settings",), f"settings: expected 'stage.field: value' lines, got {given!r}")
        return ()
    sets: list[str] = []
    for name, value in given.items():
        fields = {f"{name}.{field}": v for field, v in value.items()} if isinstance(value, dict) else {name: value}
        for target, plain in fields.items():
            if str(target).count(".") != 1:
                found.add(("settings", str(name)), f"settings: expected stage.field, got '{target}'")
            sets.append(f"{target}={_yaml(plain)}")
    return tuple(sets)


def _yaml(value: Any) -> str:
    import yaml  # noqa: PLC0415

    return yaml.safe_dump(value, default_flow_style=True, width=1 << 30).removesuffix("\n...\n").strip()


def with_sidecar(job: Job) -> tuple[Job, tuple[str, ...]]:
    """A job with what belongs to its clip alone.

    Returns:
        The job, and notes on what was found.

    Raises:
        UserError: Its sidecar cannot be used, or there are several masks or sidecars.
    """
    path = find_sidecar(job.inputs.source)
    if path is not None and path.resolve() == Path(job.pipeline).resolve():
        path = None  # the pipeline itself, called like the clip
    own = Sidecar(Path()) if path is None else read_sidecar(path)
    by_name = None if own.mask or job.inputs.mask else find_mask(job.inputs.source)
    notes = [f"settings of its own: {path.name}"] if path else []
    notes += [f"mask by its name: {by_name.name}"] if by_name else []
    inputs = replace(
        job.inputs,
        mask=own.mask or job.inputs.mask or by_name,
        mask_fit=job.inputs.mask_fit if own.mask_fit is None else own.mask_fit,
        regions=job.inputs.regions if own.regions is None else tuple(parse_region(r) for r in own.regions),
        **own.inputs,
    )
    made = replace(
        job,
        inputs=inputs,
        sets=(*job.sets, *own.sets),
        budget=own.budget or job.budget,
        seed=job.seed if own.seed is None else own.seed,
    )
    if path is not None and own.sets:
        _check_settings(made, path)
    return made, tuple(notes)


def _check_settings(job: Job, path: Path) -> None:
    try:
        _, findings = read_pipeline(job.pipeline, job.sets)
    except UserError as error:
        raise PipelineError(f"{path}: {error.message}") from error
    if findings:
        raise PipelineError(describe(str(path), [replace(f, line=_line(path, f.message)) for f in findings]))


def _line(path: Path, message: str) -> int | None:
    """The line of a sidecar that a finding about its pipeline is about: that of the setting it names in quotes."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        words = line.split(":")[0].strip().strip("'\"").split(".")
        if words[-1] and (f"'{words[-1]}'" in message or f".{words[-1]}:" in message):
            return number
    return None


def with_sidecars(jobs: Sequence[Job]) -> list[tuple[Job, tuple[str, ...]]]:
    """All jobs with what belongs to their clips alone; everything wrong with any of them is told at once.

    Raises:
        PipelineError: One or more sidecars cannot be used; nothing has been begun.
    """
    made: list[tuple[Job, tuple[str, ...]]] = []
    wrong: list[str] = []
    for job in jobs:
        try:
            made.append(with_sidecar(job))
        except UserError as error:
            wrong.append(error.message)
    if wrong:
        raise PipelineError("\n".join(wrong))
    return made
