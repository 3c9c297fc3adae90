"""Stage ``encode``: the changed samples laid over the source and written, with every other stream copied."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from vidinternal.media.codecs import EncodeSettings, choose
from vidinternal.media.encode import encode
from vidinternal.media.picture import NativeFrame
from vidinternal.stages.artifacts import Patches, Written
from vidinternal.stages.base import Scope, Stage, StageContext


def lay_over(native: NativeFrame, planes: tuple[tuple[int, int, Any] | None, ...]) -> NativeFrame:
    """Return the frame with the patch's rectangles in place."""
    changed = []
    for plane, patch in zip(native.planes, planes, strict=True):
        if patch is None:
            changed.append(plane)
            continue
        y, x, samples = patch
        copy = plane.copy()
        copy[y : y + samples.shape[0], x : x + samples.shape[1]] = samples
        changed.append(copy)
    return NativeFrame(tuple(changed), native.pts, native.duration, native.index)


def patched_frames(frames: Any, windows: Any, patches: Any) -> Iterator[NativeFrame]:
    """All frames of the clip in order, one window's patches in memory at a time."""
    for window in windows.windows:
        owned = windows.owned(window)
        changed: Patches = patches[window.index]
        for native in frames.native(owned.start, owned.stop):
            planes = changed.frames.get(native.index)
            yield native if planes is None else lay_over(native, planes)


class Encode(Stage):
    """Writes the result."""

    name = "encode"
    scope = Scope.CLIP
    summary = "Encodes at the source's depth, chroma, colour tags and timestamps; copies every other stream."
    reads = ("frames", "windows", "patches")
    writes = ("result",)
    from_job = ("destination",)
    Config = EncodeSettings

    def preflight(self, context: StageContext) -> tuple[str, ...]:
        """Refuse a container that cannot hold what would be written, before any work."""
        return tuple(choose(self.config, context.info, context.job.destination).notes)

    def run(self, inputs: Mapping[str, Any], context: StageContext) -> Mapping[str, Any]:
        """Write the file and return the account of it."""
        report = encode(
            context.info,
            patched_frames(inputs["frames"], inputs["windows"], inputs["patches"]),
            context.job.destination,
            self.config,
            progress=context.progress,
        )
        facts = {k: str(v) if k == "path" else v for k, v in asdict(report).items()}
        return {"result": Written(facts)}


STAGE = Encode
