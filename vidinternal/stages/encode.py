"""Stage ``encode``: the changed samples laid over the source and written, with every other stream copied."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

from vidinternal.core.clip import ClipInfo
from vidinternal.core.contracts import Progress
from vidinternal.core.srt import parse_srt
from vidinternal.learn.resume import kept
from vidinternal.learn.state_tree import to_tree
from vidinternal.media.codecs import EncoderPlan, EncodeSettings, choose
from vidinternal.media.encode import encode, encoded_spans
from vidinternal.media.outside import Allowed
from vidinternal.media.picture import NativeFrame
from vidinternal.media.probe import frame_pts
from vidinternal.media.rate import RateChoice, SampleFrames, choose_rate
from vidinternal.media.rehearsal import rehearse
from vidinternal.media.segments import KeepSegment, Segment
from vidinternal.media.smart.rendering import Edited
from vidinternal.media.soft_subs import SoftTrack, language_code, soft_codec
from vidinternal.media.stills.plan import still_plan, writes_stills
from vidinternal.media.stills.verify import StillsPromise
from vidinternal.media.verify_samples import Remade
from vidinternal.stages.artifacts import InClip, Patches, Written
from vidinternal.stages.base import JobInputs, Scope, Stage, StageContext
from vidinternal.stages.lay_over import in_place, lay_over
from vidinternal.stages.output_clip import written
from vidinternal.stages.promise import AgainError, MayChange, Promise

_QUALITY = "quality"
"""Name of what is kept of the choice."""
ENCODED = 0.8
"""Share of the stage's bar at which the file is written and is looked at."""


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
        put = lay_over if changed.size is None else in_place
        for native in frames.native(first, behind):
            planes = changed.frames.get(native.index)
            if planes is None and changed.size is not None:
                raise RuntimeError(f"frame {native.index} was to be made anew and is not there")
            yield native if planes is None else put(native, planes)


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


class Redone:
    """A window-scoped artifact by the window's index, with what was made once more in place of what it replaces."""

    def __init__(self, inputs: Mapping[str, Any], name: str) -> None:
        self._name, self._first, self._again = name, inputs[name], inputs["again"]

    def __getitem__(self, index: int) -> Any:
        later = None if self._again is None else getattr(self._again[index], self._name)
        return self._first[index] if later is None else later


def soft_track(found: InClip | None, job: JobInputs) -> SoftTrack | None:
    """The subtitle track that is asked for and of which something was read; else None."""
    text = "" if found is None else found.found.files.get("events.srt", b"").decode()
    if not job.soft_subs or not text.strip():
        return None
    spoken = [e["language"] for e in found.found.facts.get("events", ()) if e.get("language")] if found else []
    known = max(sorted(set(spoken)), key=spoken.count) if spoken else None
    language = job.language or (language_code(known) if known else "")
    return SoftTrack(tuple(parse_srt(text, "events.srt")), language)


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
    reads = ("frames", "windows", "patches")
    uses = ("masks", "found", "again")
    writes = ("result",)
    from_job = ("destination", "soft_subs", "language")
    Config = EncodeSettings

    def preflight(self, context: StageContext) -> tuple[str, ...]:
        """Refuse a container that cannot hold what would be written, and tell what it cannot keep, before any work."""
        plan = choose(self.config, context.info, context.job.destination, self._remade(context.info))
        if writes_stills(context.info, context.job.destination):
            if context.job.soft_subs:
                soft_codec("", context.job.destination)
            return plan.notes
        if context.job.soft_subs:
            soft_codec(plan.container, context.job.destination)
            plan = replace(plan, soft=SoftTrack())
        told = _odd(plan, context.info)
        return (*plan.notes, *told, *rehearse(context.info, plan, context.job.destination.suffix).notes)

    def _remade(self, info: ClipInfo) -> tuple[int, int] | None:
        """Width and height of the pictures where a stage of the pipeline makes all of them anew; else None."""
        if not any(stage.remakes for stage in self.chain):
            return None
        made = written(self.chain, info)
        return made.width, made.height

    def run(self, inputs: Mapping[str, Any], context: StageContext) -> Mapping[str, Any]:
        """Write the file, look at it, and return the account of it."""
        info, destination = context.info, context.job.destination
        frames, windows = inputs["frames"], inputs["windows"]
        masks, patches = Redone(inputs, "masks"), Redone(inputs, "patches")
        sample, size = partial(patched_frames, frames, windows, patches), self._remade(info)
        allowed = MayChange(frames, windows, masks, patches) if size is None else None
        if writes_stills(info, destination):
            return {"result": self._stills(context, sample, allowed, size)}
        plan = choose(self.config, info, destination, size)
        wanted = self.config.model_copy(update={"codec": plan.codec})
        soft = soft_track(inputs["found"], context.job)
        plan = replace(plan, soft=soft)
        forgiven = rehearse(info, plan, destination.suffix).names
        context.progress(0.0, "choosing the quality")
        edited = Edited(sample, touched_frames(windows, patches), _keep(context), soft, size)

        def first() -> _Chosen:
            spans = encoded_spans(info, edited, plan, smart=wanted.smart)
            return _Chosen(choose_rate(info, plan, sample, wanted, spans=spans, allowed=allowed))

        chosen = kept(context, _QUALITY, str(destination.suffix), _Chosen, first)
        for _ in range(2):
            choice, last = chosen.choice, bool(chosen.rewritten)
            settings = wanted.model_copy(update={"crf": choice.crf})
            promise = Promise(
                info=info,
                plan=replace(choose(settings, info, destination, size), soft=soft),
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
            facts |= {"soft_subs": None if soft is None else {"texts": len(soft.cues), "language": soft.language}}
            return {"result": Written(facts)}
        raise RuntimeError("the second attempt asked for a third")

    def _stills(
        self, context: StageContext, sample: SampleFrames, allowed: Allowed | None, size: tuple[int, int] | None
    ) -> Written:
        """Write images or an animation: no bitrate is to be met, and nothing stands beside the pictures."""
        info, destination = context.info, context.job.destination
        plan = still_plan(info, destination, self.config.still_quality, frame_pts(info), size)
        made = None if size is None else Remade(size, sample)
        promise = StillsPromise(info, plan, destination, made or allowed, _from(context.progress, ENCODED))
        done = _until(context.progress, ENCODED)
        edited = Edited(sample, (), remade=size)
        report = encode(info, edited, destination, self.config, progress=done, check=promise, token=context.token)
        return Written({k: str(v) if k == "path" else v for k, v in asdict(report).items()})


def _odd(plan: EncoderPlan, info: ClipInfo) -> tuple[str, ...]:
    """What a person should know of a size that only a finer layout holds: not every player shows that."""
    if plan.size is None or plan.pix_fmt == info.pix_fmt or not any(side % 2 for side in plan.size):
        return ()
    size = f"{plan.size[0]}x{plan.size[1]}"
    return (f"{size} has an odd side, for which {plan.codec} needs {plan.pix_fmt}; an even size plays in more places",)


def _until(progress: Progress, share: float) -> Progress:
    """Progress that fills the bar up to a share."""
    return lambda done, text: progress(share * min(done, 1.0), text)


def _from(progress: Progress, share: float) -> Progress:
    """Progress that fills the rest of the bar."""
    return lambda done, text: progress(share + (1 - share) * min(done, 1.0), text)


STAGE = Encode
