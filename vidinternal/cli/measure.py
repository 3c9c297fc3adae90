"""``compare`` and ``bench``: how good a result is, and how methods stand side by side."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from vidinternal.bench.base import BenchOptions
    from vidinternal.core.clip import ReadPolicy


_DAMAGE = typer.Option(help="The clip's damaged frames, as decode.damage: stop, repair or keep.", metavar="POLICY")


def compare(
    result: Annotated[Path, typer.Argument(help="The file to judge.", exists=True)],
    reference: Annotated[Path, typer.Argument(help="The truth, or the source.", exists=True)],
    mask: Annotated[Path | None, typer.Option(help="Where changes were asked for; white = hole.", exists=True)] = None,
    damage: Annotated[str, _DAMAGE] = "stop",
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
) -> None:
    """PSNR and SSIM whole, in the hole and outside; changed samples; timestamps, streams, warping error."""
    from vidinternal.runner.compare import compare as measure

    comparison = measure(result, reference, mask, policy=_policy(damage))
    typer.echo(json.dumps(comparison.as_dict(), indent=2) if as_json else comparison.text())


def verify(
    result: Annotated[Path, typer.Argument(help="The file to check.", exists=True)],
    source: Annotated[Path, typer.Argument(help="What it was made from.", exists=True)],
    mask: Annotated[Path | None, typer.Option(help="Where changes were asked for; white = hole.", exists=True)] = None,
    region: Annotated[
        list[str] | None,
        typer.Option(help="X,Y,W,H[@START-END] in pixels and frames or HH:MM:SS; repeatable.", metavar="REGION"),
    ] = None,
    dilate: Annotated[int, typer.Option(help="Pixels added around both, as masks.dilate did.", min=0)] = 0,
    least_psnr: Annotated[
        float | None, typer.Option(help="dB that a lossy result must hold outside the mask; 50 unless given.", min=0)
    ] = None,
    lossless: Annotated[
        bool, typer.Option("--lossless", help="No sample outside the mask may differ; always so for FFV1.")
    ] = False,
    soft_subs: Annotated[
        bool, typer.Option("--soft-subs", help="Expect the one subtitle track more that --soft-subs added.")
    ] = False,
    remade: Annotated[
        bool, typer.Option("--remade", help="Every picture was made anew, of any size (upscale, denoise, ...).")
    ] = False,
    damage: Annotated[str, _DAMAGE] = "stop",
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
) -> None:
    """Frames, times, streams, tags and the samples outside the mask, each as in the source; leaves with 1 if not."""
    from vidinternal.core.errors import UsageError
    from vidinternal.core.timecode import parse_region
    from vidinternal.media.verify_samples import Limit, Remade
    from vidinternal.runner.asked_mask import Asked
    from vidinternal.runner.verify import verify_files

    if lossless and least_psnr is not None:
        raise UsageError("--lossless and --least-psnr", expected="one of them", got="both")
    limit = Limit(lossless=True) if lossless else None if least_psnr is None else Limit(least_psnr=least_psnr)
    if remade:
        limit = replace(limit or Limit(), remade=Remade())
    asked = Asked(mask, tuple(parse_region(r) for r in region or []), dilate)
    found = verify_files(result, source, asked, limit, policy=_policy(damage), soft=soft_subs)
    typer.echo(json.dumps(found.as_dict(), indent=2) if as_json else found.text())
    if not found.ok:
        raise typer.Exit(1)


def _policy(damage: str) -> ReadPolicy:
    from vidinternal.core.clip import ReadPolicy
    from vidinternal.core.errors import UsageError

    for known in ("stop", "repair", "keep"):
        if damage == known:
            return ReadPolicy(damage=known)
    raise UsageError("--damage", expected="stop, repair or keep", got=repr(damage))


def bench(
    name: Annotated[str | None, typer.Argument(help="Which bench; none lists them.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="field=value of the bench's options; repeatable.")
    ] = None,
    pictures: Annotated[Path | None, typer.Option(help="Folder for PNG strips to look at.")] = None,
    save: Annotated[bool, typer.Option(help="Keep the result as dated JSON with the project.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
) -> None:
    """Side-by-side tables on this machine; the result is kept as dated JSON."""
    from tqdm import tqdm

    from vidinternal.bench import names, run_bench

    if name is None:
        typer.echo("\n".join(names()))
        return
    options = _bench_options({"device": device}, settings or [])
    with tqdm(total=1.0, desc=name, disable=as_json or not sys.stderr.isatty(), bar_format=_BAR) as bar:

        def progress(share: float, text: str) -> None:
            bar.set_postfix_str(text, refresh=False)
            bar.update(max(0.0, share - bar.n))

        result = run_bench(name, options, progress)
    typer.echo(json.dumps(result.as_dict(), indent=2) if as_json else result.text())
    if pictures is not None:
        result.save_pictures(pictures)
    if save:
        typer.echo(f"kept as {result.save()}", err=as_json)


_BAR = "{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining} {postfix}"


def _bench_options(given: dict[str, Any], settings: list[str]) -> BenchOptions:
    from pydantic import ValidationError

    from vidinternal.bench.base import BenchOptions
    from vidinternal.core.errors import UsageError, nearest
    from vidinternal.runner.yaml_lines import parse

    for text in settings:
        field, equals, raw = text.partition("=")
        if not equals or field not in BenchOptions.model_fields:
            hint = nearest(field, BenchOptions.model_fields)
            raise UsageError(f"--set {text}", expected="field=value", got=repr(text), hint=hint)
        given[field] = parse(raw, f"--set {text}")[0]
    try:
        return BenchOptions.model_validate_json(json.dumps(given))
    except ValidationError as error:
        problem = error.errors()[0]
        where = f"--set {'.'.join(str(p) for p in problem['loc'])}"
        raise UsageError(where, expected=problem["msg"], got=repr(problem["input"])) from error
