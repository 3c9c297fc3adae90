"""Stage ``encode``: the changed samples laid over the source and written, with every other stream copied."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from vidinternal.core.contracts import Progress
from vidinternal.learn.resume import kept
from vidinternal.learn.state_tree import to_tree
from vidinternal.media.codecs import EncodeSettings, choose
from vidinternal.media.encode import encode, encoded_spans
from vidinternal.media.outside import Allowed
from vidinternal.media.picture import NativeFrame
from vidinternal.media.probe import frame_pts
from vidinternal.media.rate import RateChoice, choose_rate
from vidinternal.media.rehearsal import rehearse
from vidinternal.media.segments import KeepSegment, Segment
from vidinternal.media.smart.rendering import Edited
from vidinternal.media.stills.plan import still_plan, writes_stills
from vidinternal.media.stills.verify import StillsPromise
from vidinternal.stages.artifacts import Patches, Written
from vidinternal.stages.base import Scope, Stage, StageContext
from vidinternal.stages.promise import AgainError, MayChange, Promise

_QUALITY = "quality"
"""Name of what is kept of the choice."""
ENCODED = 0.8
"""Share of the stage's bar at which the file is written and is looked at."""


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


def patched_frames(
    frames: Any, windows: Any, patches: Any, start: int = 0, end: int | None = None
) -> Iterator[NativeFrame]:
    """Frames ``start`` to ``end`` (excluded, None = all) in order, one window's patches in memory at a time."""
    for window in windows.windows:
        owned = windows.owned(window)
        first, behind = max(start, owned.start), owned.stop if end is None else min(end, owned.stop)
        if first >= behind:
            continue
        changed: Patches = patches[window.index]
        for native in frames.native(first, behind):
            planes = changed.frames.get(native.index)
            yield native if planes is None else lay_over(native, planes)


def touched_frames(windows: Any, patches: Any) -> frozenset[int]:
    """Indices of the frames that any window changes, one window's patches in memory at a time."""
    return frozenset(index for window in windows.windows for index in patches[window.index].frames)


@dataclass(frozen=True)
class _Chosen:
    """The quality to write with.

    Attributes:
        choice: From the trials, or corrected after the whole clip was written.
        rewritten: Why it was corrected; empty before.
    """

    choice: RateChoice
    rewritten: tuple[str, ...] = ()


def _keep(context: StageContext) -> KeepSegment | None:
    """Keeps finished segments where the stage keeps its state."""
    if context.checkpoint is None:
        return None
    return lambda name, fits, make: kept(context, name, fits, Segment, make)


class Encode(Stage):
    """Writes the result."""

    name = "encode"
    scope = Scope.CLIP
    summary = "Encodes at the source's depth, chroma, colour tags and timestamps; copies every other stream."
    reads = ("frames", "windows", "masks", "patches")
    writes = ("result",)
    from_job = ("destination",)
    Config = EncodeSettings

    def preflight(self, context: StageContext) -> tuple[str, ...]:
        """Refuse a container that cannot hold what would be written, and tell what it cannot keep, before any work."""
        plan = choose(self.config, context.info, context.job.destination)
        if writes_stills(context.info, context.job.destination):
            return plan.notes
        return (*plan.notes, *rehearse(context.info, plan, context.job.destination.suffix).notes)

    def run(self, inputs: Mapping[str, Any], context: StageContext) -> Mapping[str, Any]:
        """Write the file, look at it, and return the account of it."""
        info, destination = context.info, context.job.destination
        frames, windows, patches = inputs["frames"], inputs["windows"], inputs["patches"]
        sample = partial(patched_frames, frames, windows, patches)
        allowed = MayChange(frames, windows, inputs["masks"], patches)
        if writes_stills(info, destination):
            return {"result": self._stills(context, sample, allowed)}
        plan = choose(self.config, info, destination)
        wanted = self.config.model_copy(update={"codec": plan.codec})
        forgiven = rehearse(info, plan, destination.suffix).names
        context.progress(0.0, "choosing the quality")
        edited = Edited(sample, touched_frames(windows, patches), _keep(context))

        def first() -> _Chosen:
            spans = encoded_spans(info, edited, plan, smart=wanted.smart)
            return _Chosen(choose_rate(info, plan, sample, wanted, spans=spans, allowed=allowed))

        chosen = kept(context, _QUALITY, str(destination.suffix), _Chosen, first)
        for _ in range(2):
            choice, last = chosen.choice, bool(chosen.rewritten)
            settings = wanted.model_copy(update={"crf": choice.crf})
            promise = Promise(
                info=info,
                plan=choose(settings, info, destination),
                choice=choice,
                destination=destination,
                frames=sample,
                allowed=allowed,
                forgiven=forgiven,
                last=last,
                progress=_from(context.progress, ENCODED),
                checkpoint=context.checkpoint,
            )
            try:
                report = encode(
                    info,
                    edited,
                    destination,
                    settings,
                    progress=_until(context.progress, ENCODED),
                    check=promise,
                    token=context.token,
                )
            except AgainError as again:
                chosen = _Chosen(again.choice, (again.why,))
                if context.checkpoint is not None:
                    context.checkpoint.save(_QUALITY, str(destination.suffix), to_tree(chosen))
                continue
            facts = {k: str(v) if k == "path" else v for k, v in asdict(report).items()}
            facts |= {"rate": asdict(choice), "rewritten": list(chosen.rewritten)}
            return {"result": Written(facts)}
        raise RuntimeError("the second attempt asked for a third")

    def _stills(self, context: StageContext, sample: Callable[[], Iterator[NativeFrame]], allowed: Allowed) -> Written:
        """Write images or an animation: no bitrate is to be met, and nothing stands beside the pictures."""
        info, destination = context.info, context.job.destination
        plan = still_plan(info, destination, self.config.still_quality, frame_pts(info))
        promise = StillsPromise(info, plan, destination, allowed, _from(context.progress, ENCODED))
        done = _until(context.progress, ENCODED)
        made = encode(info, sample(), destination, self.config, progress=done, check=promise, token=context.token)
        return Written({k: str(v) if k == "path" else v for k, v in asdict(made).items()})


def _until(progress: Progress, share: float) -> Progress:
    """Progress that fills the bar up to a share."""
    return lambda done, text: progress(share * min(done, 1.0), text)


def _from(progress: Progress, share: float) -> Progress:
    """Progress that fills the rest of the bar."""
    return lambda done, text: progress(share + (1 - share) * min(done, 1.0), text)


STAGE = Encode
