"""Jobs on clips, masks and results at URLs, from what a person named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path, PurePosixPath
from typing import Any

from vidinternal.core.errors import UsageError
from vidinternal.core.hints import parse_hint
from vidinternal.engines.folders import Choice
from vidinternal.engines.inputs import expand
from vidinternal.engines.remote import Place, RemoteClip, is_url, remote_clips
from vidinternal.engines.sidecar import FILES, with_sidecar
from vidinternal.engines.staging import StagedJob, stage_folder, stage_root
from vidinternal.media.stills.image_sequence import names_many
from vidinternal.runner.job import Job

_OPTIONS = {"objects": "--object KIND=FILE@FRAME"}
"""How a file is given on the command line, where that is not ``--NAME FILE``."""


@dataclass(frozen=True)
class Named:
    """What a person named.

    Attributes:
        inputs: Files, folders, globs, URLs.
        output: A file or folder, or the URL of one.
        mask: A path or URL, or None.
    """

    inputs: Sequence[str]
    output: str
    mask: str | None = None

    @property
    def remote(self) -> bool:
        """Whether any of it is a URL."""
        return any(is_url(text) for text in (*self.inputs, self.output, self.mask or ""))


def url_jobs(named: Named, choice: Choice, template: Job) -> list[tuple[str, Job, tuple[str, ...]]]:
    """A job for every clip.

    Args:
        named: What was named; something of it is a URL.
        choice: Which clips of folders are meant.
        template: What all jobs have in common.

    Returns:
        Names below the folder given, jobs, and notes on what belongs to each.

    Raises:
        UsageError: Nothing is found, or two results would have one name.
    """
    clips: list[tuple[PurePosixPath, RemoteClip | Path]] = []
    for text in named.inputs:
        if is_url(text):
            clips += [(clip.relative, clip) for clip in remote_clips(text, choice)]
        else:
            clips += [(PurePosixPath(relative), source) for source, relative in expand([text], choice)]
    single = len(clips) == 1 and not named.output.endswith("/") and bool(PurePosixPath(named.output).suffix)
    made = []
    taken: set[str] = set()
    for relative, clip in clips:
        output = named.output if single else f"{named.output.rstrip('/')}/{relative}"
        if output in taken:
            got = f"{relative} twice"
            raise UsageError(f"-o {named.output}", expected="a different name for every result", got=got)
        taken.add(output)
        made.append((str(relative), *_job(clip, output, named.mask, template)))
    return made


def _job(clip: RemoteClip | Path, output: str, mask: str | None, template: Job) -> tuple[Job, tuple[str, ...]]:
    source_url = clip.url if isinstance(clip, RemoteClip) else ""
    source = stage_folder(stage_root(template.workspace), source_url or str(clip), output)
    own = source
    job = StagedJob(**{f.name: getattr(template, f.name) for f in fields(Job)})
    inputs: dict[str, Any] = {"source": clip if isinstance(clip, Path) else own / "in" / clip.relative.name}
    staged: dict[str, Any] = {"source_url": source_url}
    if isinstance(clip, Path) and names_many(clip):
        raise UsageError(str(clip), expected="a film, where the result goes to a URL", got="numbered images")
    inputs["destination"] = Path(output)
    if is_url(output):
        staged["output_url"] = output
        inputs["destination"] = own / "out" / PurePosixPath(output).name
    mask_url = mask if mask is not None and is_url(mask) else ""
    if mask is not None:
        inputs["mask"] = own / "in" / f"mask-{PurePosixPath(mask).name}" if mask_url else Path(mask)
    notes: tuple[str, ...] = ()
    if isinstance(clip, RemoteClip):
        if clip.sidecar:
            Place(clip.sidecar).fetch(own / "in" / PurePosixPath(clip.sidecar).name)
        if clip.mask and mask is None:
            mask_url = clip.mask
            inputs["mask"] = own / "in" / PurePosixPath(clip.mask.rstrip("/")).name
            notes = (f"mask by its name: {inputs['mask'].name}",)
    made, found = with_sidecar(replace(job, inputs=replace(template.inputs, **inputs), **staged))
    if isinstance(clip, RemoteClip):
        _check_files(clip, made, template)
    chosen = made.inputs.mask
    if isinstance(clip, RemoteClip) and chosen is not None and chosen != inputs.get("mask"):
        mask_url = _beside(clip, chosen, own / "in")  # named in the sidecar
    assert isinstance(made, StagedJob)
    return replace(made, mask_url=mask_url, workspace=template.workspace), (*found, *notes)


def _beside(clip: RemoteClip, chosen: Path, staged: Path) -> str:
    """The URL of a mask that a clip's sidecar names.

    Args:
        clip: The clip.
        chosen: The mask as a path from where the sidecar was staged.
        staged: That folder.

    Raises:
        UsageError: It does not lie in the clip's folder or below it.
    """
    named = chosen.relative_to(staged) if chosen.is_relative_to(staged) else chosen
    if named.is_absolute() or ".." in named.parts:
        raise UsageError(
            f"{clip.sidecar}: mask",
            expected="at a URL, a file in the clip's folder or below it",
            got=str(named),
            hint="--mask URL",
        )
    return f"{clip.url.rpartition('/')[0]}/{named.as_posix()}"


def _check_files(clip: RemoteClip, made: Job, template: Job) -> None:
    """Refuse a sidecar at a URL that names files of which only the mask is fetched.

    Raises:
        UsageError: It names another.
    """
    named = [name for name in FILES if getattr(made.inputs, name) != getattr(template.inputs, name)]
    own = made.inputs.objects != template.inputs.objects
    if own and any(parse_hint(text).path is not None for text in made.inputs.objects):
        named.append("objects")
    if named:
        raise UsageError(
            clip.sidecar or clip.url,
            expected="at a URL, no file beside it but a mask",
            got=" and ".join(named),
            hint=" ".join(_OPTIONS.get(name, f"--{name} FILE") for name in named),
        )
