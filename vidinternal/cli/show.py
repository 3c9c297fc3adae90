"""``check``, ``pipelines``, ``stages``, ``methods``, ``doctor``: what there is and whether it holds together."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from vidinternal.core.errors import UserError

JsonFlag = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]


def check(
    pipeline: Annotated[
        str | None, typer.Argument(help="A pipeline's name or path; none checks all named ones.")
    ] = None,
    settings: Annotated[list[str] | None, typer.Option("--set", help="stage.field=value; repeatable.")] = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of pipeline files.")] = False,
) -> None:
    """Find every mistake of a pipeline without touching a frame."""
    from vidinternal.runner.spec import describe, json_schema, pipeline_names, read_pipeline

    if schema:
        typer.echo(json.dumps(json_schema(), indent=2))
        return
    wrong = 0
    for name in [pipeline] if pipeline else pipeline_names():
        spec, findings = read_pipeline(name, settings or [])
        if spec is None:
            wrong += len(findings)
            typer.echo(describe(name, findings), err=True)
        else:
            typer.echo(f"{name}: fine ({' -> '.join(s.name for s in spec.stages)})")
    if wrong:
        raise typer.Exit(2)


def pipelines(as_json: JsonFlag = False) -> None:
    """Pipelines that come with the project."""
    from vidinternal.runner.spec import load_pipeline, pipeline_names

    specs = [load_pipeline(name) for name in pipeline_names()]
    if as_json:
        rows = [{"name": s.name, "description": s.description, "settings": s.settings()} for s in specs]
        typer.echo(json.dumps(rows, indent=2))
        return
    for spec in specs:
        typer.echo(f"{spec.name:<20} {spec.description}")
        typer.echo(f"{'':<20} {' -> '.join(s.name for s in spec.stages)}")


def _fields(model: Any) -> list[dict[str, Any]]:
    properties = model.model_json_schema().get("properties", {})
    return [
        {
            "name": name,
            "type": str(field.annotation).replace("typing.", "").replace("<class '", "").replace("'>", ""),
            "default": json.loads(json.dumps(field.default, default=str)) if not field.is_required() else None,
            "description": properties.get(name, {}).get("description", ""),
        }
        for name, field in model.model_fields.items()
    ]


def _echo_fields(model: Any) -> None:
    for field in _fields(model):
        typer.echo(f"    {field['name']} = {field['default']}  [{field['type']}]")
        if field["description"]:
            typer.echo(f"        {' '.join(field['description'].split())}")


def stages(as_json: JsonFlag = False) -> None:
    """Stages pipelines are made of, with their settings and defaults."""
    from vidinternal.stages import names, stage_class

    classes = [stage_class(n) for n in names()]
    if as_json:
        rows = [
            {"name": c.name, "summary": c.summary, "reads": c.reads, "writes": c.writes, "settings": _fields(c.Config)}
            for c in classes
        ]
        typer.echo(json.dumps(rows, indent=2))
        return
    for stage in classes:
        typer.echo(f"{stage.name}: {stage.summary}")
        typer.echo(f"    reads {', '.join(stage.reads) or 'the source'}; writes {', '.join(stage.writes)}")
        _echo_fields(stage.Config)


def methods(
    name: Annotated[str | None, typer.Argument(help="Show one method with its settings.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Methods by task, with their paper; give a name to see its settings and defaults."""
    from vidinternal.core.errors import UsageError, nearest
    from vidinternal.methods import cards

    chosen = [c for c in cards() if name in (None, c.name)]
    if not chosen:
        raise UsageError(
            f"method '{name}'", expected="a method", got=repr(name), hint=nearest(str(name), [c.name for c in cards()])
        )
    if as_json:
        rows = [
            {
                "name": c.name,
                "task": c.task,
                "summary": c.summary,
                "paper": c.paper,
                "trains": c.trains,
                "needs": c.needs,
                "settings": _fields(c.config),
            }
            for c in chosen
        ]
        typer.echo(json.dumps(rows, indent=2))
        return
    for card in chosen:
        paper = f" [{card.paper}]" if card.paper else ""
        typer.echo(f"{card.task:<8} {card.name:<18} {card.summary}{paper}")
        if name:
            _echo_fields(card.config)


def doctor(as_json: JsonFlag = False) -> None:
    """What is installed, what is missing, what will be used."""
    from vidinternal.runner.doctor import examine

    findings = examine()
    if as_json:
        typer.echo(json.dumps([f.__dict__ for f in findings], indent=2))
    else:
        for finding in findings:
            typer.echo(f"{'ok  ' if finding.fine else 'MISS'}  {finding.name:<22} {finding.note}")
    if any(f.required and not f.fine for f in findings):
        raise UserError("something that is required is missing", hint="pip install vidinternal")
