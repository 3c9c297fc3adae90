"""The run that made a file, found by what it left beside it, and the pictures it made as far as they are there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

from vidinternal.core.clip import ClipInfo
from vidinternal.core.durable import read_sealed
from vidinternal.core.errors import MediaError
from vidinternal.core.imaging import IMAGE_TASKS
from vidinternal.media.stills.image_sequence import names_many
from vidinternal.media.verify_samples import LEAST_REMADE, Remade
from vidinternal.runner.workspace import Series, Workspace, file_digest, part_name
from vidinternal.stages.artifacts import Windows
from vidinternal.stages.decode import FrameSource
from vidinternal.stages.encode import patched_frames


@dataclass(frozen=True)
class MadeBy:
    """What a run that made every picture anew tells of its output.

    Attributes:
        pipeline: Its name.
        remade: The pictures; without frames where the workspace no longer has them.
        least_psnr: dB that the run held its output to.
    """

    pipeline: str
    remade: Remade
    least_psnr: float


def made_by(result: Path, info: ClipInfo) -> MadeBy | None:
    """What is known of the run that made a file of a clip, if it made every picture anew and the file is as it left it.

    Args:
        result: The file.
        info: The clip it was made from.
    """
    place = result.parent if names_many(result) else result
    stem = info.path.resolve().parent.name if names_many(info.path) else info.path.stem
    folder = place.parent / ".vidinternal" / f"{stem}-{file_digest(info.path)}"
    if not folder.is_dir():
        return None
    told = file_digest(result)
    for path in sorted(folder.glob("run-*.json")):
        record, _ = read_sealed(path)
        stage = None if record is None else next((n for n in record.get("keys", {}) if n in IMAGE_TASKS), None)
        of_it = record is not None and record["output"].get("digest") == told and "size" in record["output"]
        if record is not None and stage is not None and of_it:
            return _known(record, folder, stage, info)
    return None


def _known(record: Mapping[str, Any], folder: Path, stage: str, info: ClipInfo) -> MadeBy:
    width, height = record["output"]["size"]
    found = record["output"].get("verification") or {}
    # images and animations that lose were not held to a limit: what came of them then is what has to be there now
    afforded = min(LEAST_REMADE, (found.get("outside") or {}).get("psnr", LEAST_REMADE) - 0.01)
    least = found.get("least_psnr")
    workspace, keys = Workspace(folder), record["keys"]
    try:
        windows = cast(Windows, workspace.load("shots", keys["shots"], part_name(None), "windows"))
    except (MediaError, KeyError):
        windows = None
    frames = None
    if windows is not None and all(workspace.has(stage, keys[stage], part_name(w.index)) for w in windows.windows):
        made = Series(workspace, stage, keys[stage], "patches", len(windows.windows))
        frames = partial(patched_frames, FrameSource(info), windows, made)
    return MadeBy(record["pipeline"], Remade((width, height), frames), afforded if least is None else least)
