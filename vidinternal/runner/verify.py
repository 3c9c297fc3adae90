"""``verify``: the checks a run makes of its result, on any result at any time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from vidinternal.core.clip import ClipInfo, ReadPolicy
from vidinternal.core.contracts import Progress, no_progress
from vidinternal.core.errors import UserError
from vidinternal.media.codecs import CodecName, EncodeSettings, choose
from vidinternal.media.probe import probe
from vidinternal.media.rehearsal import Losses, rehearse
from vidinternal.media.soft_subs import AnyTrack, added_tracks
from vidinternal.media.stream import open_video
from vidinternal.media.verify import Verification, verify
from vidinternal.media.verify_samples import Limit
from vidinternal.runner.asked_mask import Asked, AskedMask
from vidinternal.runner.made_by import made_by

_LOSSLESS = ("ffv1",)
_REMADE = ("picture size", Limit().samples)


def verify_files(
    result: Path,
    source: Path,
    asked: Asked | None = None,
    limit: Limit | None = None,
    progress: Progress = no_progress,
    policy: ReadPolicy | None = None,
    soft: bool = False,
) -> Verification:
    """Hold a file against the source it was made from.

    Where the file's own run stands beside it and made every picture anew, its size is the run's and its samples are
    held against the pictures that the run made, as long as these are kept.

    Args:
        result: The file.
        source: The source.
        asked: Where changes were asked for; nowhere when None.
        limit: What may happen to samples elsewhere; when None, nothing where the result's codec is always lossless, and
            50 dB where it is not. With ``remade`` every picture may be another, of any size.
        progress: Tells how far it is.
        policy: How the source is read; frames that it fills whole may change.
        soft: Whether the result has one text track more than the source, as ``--soft-subs`` adds it.

    Raises:
        MediaError: A file cannot be read.
        MaskError: The mask or a region does not fit the source.
    """
    info = probe(source, policy)
    codec = _codec(result)
    masks = AskedMask(asked or Asked(), info)
    given, notes = limit, ()
    limit = replace(limit or Limit(lossless=codec in _LOSSLESS), soft=AnyTrack() if soft else None)
    run = made_by(result, info)
    if run is not None:
        least = run.least_psnr if given is None or given.remade is not None else given.least_psnr
        limit = replace(limit, remade=run.remade, least_psnr=least)
        notes = (f"pipeline {run.pipeline} made every picture anew, as its run beside the file says",)
    losses = _losses(info, codec, result, None if limit.remade is None else limit.remade.size)
    found = verify(
        result,
        info,
        limit=limit,
        allowed=masks.may_change if masks else None,
        forgiven=losses.names,
        progress=progress,
    )
    if limit.remade is None and any(i.name in _REMADE for i in found.mismatches):
        notes = ("if every picture was made anew (upscale, denoise, ...): verify --remade",)
    found = replace(found, notes=(*found.notes, *notes))
    if soft or not added_tracks(result, source, AnyTrack()):
        return found
    told = "there are more subtitle tracks than in the source; if --soft-subs added one: verify --soft-subs"
    return replace(found, notes=(*found.notes, told))


def _codec(path: Path) -> str:
    with open_video(path) as (_, stream):
        return stream.codec_context.codec.canonical_name


def _losses(info: ClipInfo, codec: str, result: Path, size: tuple[int, int] | None) -> Losses:
    """What a file of this codec and container cannot keep of the source; nothing is forgiven where that is unknown."""
    if codec not in get_args(CodecName):
        return Losses()
    fields: dict[str, Any] = {"codec": codec}
    try:
        return rehearse(info, choose(EncodeSettings(**fields), info, result, size), result.suffix)
    except UserError:
        return Losses()
