"""Pipeline files: YAML to typed stages, every mistake found and told with its line, without touching a frame."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from vidinternal import methods, stages
from vidinternal.core.config import StrictModel
from vidinternal.core.errors import PipelineError, UsageError, nearest
from vidinternal.runner.yaml_lines import KeyPath, line_of, parse
from vidinternal.stages.artifacts import KINDS
from vidinternal.stages.base import Stage, settings_model

SCHEMA_VERSION = 1
_TOP = {"version", "name", "description", "stages"}
_SOURCE_TREE = Path(__file__).resolve().parents[2] / "pipelines"
PIPELINES = _SOURCE_TREE if _SOURCE_TREE.is_dir() else Path(sys.prefix) / "share" / "vidinternal" / "pipelines"
"""Where named pipelines live: in the source tree, or where an installation puts them."""


@dataclass(frozen=True)
class Finding:
    """One thing wrong with a pipeline.

    Attributes:
        line: 1-based line of the file, or None for what a ``--set`` brought in.
        message: What was expected, what came, and the nearest valid name.
    """

    line: int | None
    message: str


@dataclass(frozen=True)
class PipelineSpec:
    """A pipeline that holds together.

    Attributes:
        name: Its name on the command line.
        description: One line for people.
        stages: The stages in order, with their settings.
        where: The file it came from.
    """

    name: str
    description: str
    stages: tuple[Stage, ...]
    where: str

    def stage(self, name: str) -> Stage | None:
        """The stage of that name, or None."""
        return next((s for s in self.stages if s.name == name), None)

    def settings(self) -> dict[str, dict[str, Any]]:
        """Every setting of every stage with defaults filled in, JSON-ready."""
        return {s.name: stage_settings(s) for s in self.stages}


def stage_settings(stage: Stage) -> dict[str, Any]:
    """The settings of one stage and its method, flat as in YAML, JSON-ready."""
    options = stage.options.model_dump(mode="json") if stage.options else {}
    return {**stage.config.model_dump(mode="json"), **options}


def pipeline_names() -> tuple[str, ...]:
    """Names of the pipelines that come with the project."""
    return tuple(sorted(p.stem for p in PIPELINES.glob("*.yaml")))


def find_pipeline(name: str) -> Path:
    """The file of a pipeline given by name or path.

    Raises:
        PipelineError: There is none; the message names the nearest.
    """
    path = Path(name)
    if path.suffix in (".yaml", ".yml"):
        if path.is_file():
            return path
        raise PipelineError(f"pipeline {name}", expected="an existing YAML file", got="nothing at that path")
    if name not in pipeline_names():
        raise PipelineError(
            f"pipeline '{name}'",
            expected="a name from `vidinternal pipelines` or the path of a .yaml file",
            got=repr(name),
            hint=nearest(name, pipeline_names()),
        )
    return PIPELINES / f"{name}.yaml"


def apply_sets(value: Any, sets: Sequence[str]) -> None:
    """Write ``stage.field=value`` settings into a parsed pipeline, in place.

    Raises:
        UsageError: The text has no ``stage.field=value`` form, or the pipeline has no such stage.
    """
    for text in sets:
        target, equals, raw = text.partition("=")
        stage, dot, field = target.partition(".")
        if not (equals and dot and stage and field):
            raise UsageError(f"--set {text}", expected="stage.field=value, e.g. masks.dilate=4", got=repr(text))
        entries = value.get("stages") if isinstance(value, dict) else None
        rows = entries if isinstance(entries, list) else []
        named = {e["stage"]: e for e in rows if isinstance(e, dict) and isinstance(e.get("stage"), str)}
        if stage not in named:
            raise UsageError(
                f"--set {text}",
                expected="a stage of this pipeline",
                got=repr(stage),
                hint=nearest(stage, [str(s) for s in named]),
            )
        named[stage][field] = parse(raw, f"--set {target}")[0]


def read_pipeline(name: str, sets: Sequence[str] = ()) -> tuple[PipelineSpec | None, list[Finding]]:
    """Read a pipeline and find everything wrong with it.

    Args:
        name: A name from ``pipelines/`` or the path of a YAML file.
        sets: ``stage.field=value`` settings that override the file's.

    Returns:
        The pipeline, or None when something is wrong, and all findings.

    Raises:
        UserError: The file cannot be found or is not YAML, or a ``--set`` is malformed.
    """
    path = find_pipeline(name)
    value, lines = parse(_text(path), str(path))
    overridden = {tuple(s.partition("=")[0].split(".", 1)) for s in sets}
    apply_sets(value, sets)
    findings = _check_top(value, lines)
    if findings:
        return None, findings
    built: list[Stage] = []
    for index, entry in enumerate(value["stages"]):
        stage = _build_stage(entry, ("stages", index), lines, overridden, findings)
        if stage is not None:
            built.append(stage)
    if not findings:
        findings += _check_wiring(built, lines)
    if findings:
        return None, findings
    spec = PipelineSpec(value["name"], value.get("description", ""), _resolve(built), str(path))
    return spec, []


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        got = getattr(error, "strerror", None) or str(error)
        raise PipelineError(f"pipeline {path}", expected="a text file in UTF-8", got=got) from error


def load_pipeline(name: str, sets: Sequence[str] = ()) -> PipelineSpec:
    """Read a pipeline or say everything that is wrong with it.

    Raises:
        PipelineError: With one line per finding.
    """
    spec, findings = read_pipeline(name, sets)
    if spec is None:
        raise PipelineError(describe(name, findings), hint=f"vidinternal check {name}")
    return spec


def describe(name: str, findings: Iterable[Finding]) -> str:
    """Findings as text, one line each."""
    return "\n".join(f"{name}{f':{f.line}' if f.line else ''}: {f.message}" for f in findings)


def _check_top(value: Any, lines: dict[KeyPath, int]) -> list[Finding]:
    if not isinstance(value, dict):
        return [Finding(1, f"expected a mapping with {', '.join(sorted(_TOP))}, got {type(value).__name__}")]
    findings = [
        Finding(line_of((str(key),), lines), f"unknown key '{key}'; {nearest(str(key), _TOP)}")
        for key in value.keys() - _TOP
    ]
    if value.get("version") != SCHEMA_VERSION:
        findings.append(
            Finding(line_of(("version",), lines), f"expected version: {SCHEMA_VERSION}, got {value.get('version')!r}")
        )
    if not isinstance(value.get("name"), str):
        findings.append(Finding(line_of(("name",), lines), f"expected name: text, got {value.get('name')!r}"))
    if not isinstance(value.get("stages"), list) or not value["stages"]:
        findings.append(Finding(line_of(("stages",), lines), "expected stages: a list of at least one stage"))
    return findings


def _build_stage(
    entry: Any,
    path: KeyPath,
    lines: dict[KeyPath, int],
    overridden: set[tuple[str, ...]],
    findings: list[Finding],
) -> Stage | None:
    def found(key: str, message: str) -> None:
        from_set = isinstance(entry, dict) and (entry.get("stage"), key) in overridden
        findings.append(Finding(None if from_set else line_of((*path, key), lines), message))

    if not isinstance(entry, dict) or not isinstance(entry.get("stage"), str):
        found("stage", f"expected 'stage: NAME' with its settings, got {entry!r}; {nearest('', stages.names())}")
        return None
    name = entry["stage"]
    if name not in stages.names():
        found("stage", f"unknown stage '{name}'; {nearest(name, stages.names())}")
        return None
    stage_type = stages.stage_class(name)
    card = None
    if stage_type.task is not None:
        chosen = entry.get("method", stage_type.Config.model_fields["method"].default)
        known = {c.name: c for c in methods.cards(stage_type.task)}
        if not isinstance(chosen, str) or chosen not in known:
            found("method", f"stage '{name}': unknown method {chosen!r}; {nearest(str(chosen), known)}")
            return None
        card = known[chosen]
    given = {k: v for k, v in entry.items() if k != "stage"}
    fields = settings_model(stage_type, card).model_fields.keys() - {"stage"}
    own = {k: v for k, v in given.items() if k in stage_type.Config.model_fields}
    rest = {k: v for k, v in given.items() if k not in own}
    for key in [k for k in rest if k not in fields]:
        found(str(key), f"stage '{name}' has no setting '{key}'; {nearest(str(key), fields)}")
        del rest[key]
    config = _validate(stage_type.Config, own, name, found)
    options = _validate(card.config, rest, f"{name} ({card.name})", found) if card else None
    if config is None or (card and options is None):
        return None
    return stage_type(config, options)


def _validate(model: type[StrictModel], given: Mapping[str, Any], owner: str, found: Any) -> StrictModel | None:
    try:
        return model.model_validate_json(_as_json(given), strict=True)
    except ValidationError as error:
        for problem in error.errors():
            place = ".".join(str(p) for p in problem["loc"]) or owner
            key = str(problem["loc"][0]) if problem["loc"] else ""
            told = problem["msg"].removeprefix("Value error, ")  # what our own validators raise
            found(key, f"{owner}.{place}: {told}, got {problem['input']!r}")
        return None


def _as_json(given: Mapping[str, Any]) -> bytes:
    # JSON mode lets pydantic be strict and still take lists for tuples and text for paths, as YAML writes them.
    # Without "constants" a .nan would become null, which some settings take for "not given".
    config = ConfigDict(ser_json_inf_nan="constants", ser_json_bytes="hex")
    return TypeAdapter(dict[str, Any], config=config).dump_json({str(k): v for k, v in given.items()})


def _check_wiring(built: Sequence[Stage], lines: dict[KeyPath, int]) -> list[Finding]:
    findings: list[Finding] = []
    written: dict[str, str] = {}
    for index, stage in enumerate(built):
        line = line_of(("stages", index), lines)
        if stage.name == "find":
            findings.append(Finding(line, "stage 'find' comes by itself where masks.method searches; leave it out"))
        if stage.name in [s.name for s in built[:index]]:
            findings.append(Finding(line, f"stage '{stage.name}' stands in this pipeline twice"))
        for artifact in stage.reads:
            if artifact not in written:
                makers = [n for n in stages.names() if artifact in stages.stage_class(n).writes]
                findings.append(
                    Finding(
                        line,
                        f"stage '{stage.name}' reads '{artifact}', which no earlier stage writes; "
                        f"put {' or '.join(makers) or 'a stage that writes it'} before it",
                    )
                )
        for artifact in stage.writes:
            if artifact in written:
                both = f"stage '{stage.name}' writes '{artifact}', which stage '{written[artifact]}' writes already"
                findings.append(Finding(line, f"{both}; run the second pipeline on the result of the first"))
        written |= dict.fromkeys(stage.writes, stage.name)
    return findings


def _resolve(built: Sequence[Stage]) -> tuple[Stage, ...]:
    """Fill in what one stage leaves to another: the strides of flow that are wanted, the search before the masks."""
    inpaint = next((s for s in built if s.name == "inpaint"), None)
    masks, shots = (next((s for s in built if s.name == name), None) for name in ("masks", "shots"))
    resolved: list[Stage] = []
    for stage in built:
        if stage.name == "flow" and stage.config.strides is None:
            wanted = methods.card(inpaint.config.method, "inpaint").flow_strides if inpaint else ()
            resolved.append(type(stage)(stage.config.model_copy(update={"strides": wanted}), stage.options))
        else:
            resolved.append(stage)
        if stage.name == "decode" and masks is not None and methods.card(masks.config.method, "masks").searches:
            # It comes before the clip is cut into windows, whose size depends on what is found.
            find = stages.stage_class("find")
            told = {"method": masks.config.method} | ({"cuts": shots.config.detector} if shots else {})
            resolved.append(find(find.Config.model_validate(told), masks.options))
    for stage in resolved:
        redone = ("masks", "flow", "inpaint", "composite")
        vars(stage)["chain"] = tuple(s for s in resolved if stage.name != "residue" or s.name in redone)
    return tuple(resolved)


def json_schema() -> dict[str, Any]:
    """JSON Schema of pipeline files, for editors."""
    entries: list[dict[str, Any]] = []
    for name in stages.names():
        stage_type = stages.stage_class(name)
        cards = methods.cards(stage_type.task) if stage_type.task else (None,)
        for card in cards:
            schema = settings_model(stage_type, card).model_json_schema()
            schema.setdefault("properties", {})["stage"] = {"const": name}
            schema["required"] = ["stage"] + (["method"] if card else [])
            entries.append(schema)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "vidinternal pipeline",
        "type": "object",
        "required": ["version", "name", "stages"],
        "additionalProperties": False,
        "properties": {
            "version": {"const": SCHEMA_VERSION},
            "name": {"type": "string"},
            "description": {"type": "string"},
            "stages": {"type": "array", "minItems": 1, "items": {"oneOf": entries}},
        },
        "description": f"Artifacts that pass between stages: {', '.join(KINDS)}.",
    }
