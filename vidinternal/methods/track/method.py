"""Objects told by hints, followed and masked."""

from __future__ import annotations

from functools import partial
from typing import Any

from vidinternal.core.finding import Asked, ClipView, FindContext, Found, MaskedSpan, MaskMethod, SpanRequest
from vidinternal.core.hints import gather
from vidinternal.methods.track import CARDS
from vidinternal.methods.track.carry import Pace
from vidinternal.methods.track.config import Config
from vidinternal.methods.track.ground import against_ground
from vidinternal.methods.track.shadow import shadows
from vidinternal.methods.track.tracks import Follower, working_height
from vidinternal.ops.objects.answer import (
    arrays_of,
    doubtful,
    excluded,
    facts_of,
    masks_of,
    reader,
    refuse_without_hints,
    when,
)
from vidinternal.ops.objects.cover import Reach
from vidinternal.ops.objects.frames import SmallFrames
from vidinternal.ops.objects.look import looks
from vidinternal.ops.objects.seeds import OTHER, Place, Seed, seeds


class TrackObjects(MaskMethod):
    """Follows what ``--object`` and ``--hints`` point at."""

    card = CARDS[0]
    hinted = True

    def check(self, asked: Asked, config: Config) -> None:
        """Refuse a job without a hint, hints that cannot be read, and pictures that are not there.

        Raises:
            MaskError: Says which.
        """
        refuse_without_hints(asked)

    def find(self, clip: ClipView, config: Config, context: FindContext) -> Found:
        """Follow every object through the clip.

        Raises:
            MaskError: A hint does not fit the clip, or contradicts another.
        """
        hints = gather(context.asked.objects, context.asked.hints)
        place = Place(clip.size, [clip.seconds(k) for k in range(len(clip) + 1)])
        spans = when(hints, place)
        by_name = seeds(hints, place, reader(context))
        shots = clip.shots()
        first = next(s for own in by_name.values() for s in own if not s.corrects or (s.known == 1).any())
        height = working_height(clip.size[0], config.work_height, _share(first))
        frames = SmallFrames(clip, height)
        pace = Pace(config.first_steps, config.steps, context.seed, context.device)
        tracks = []
        for number, (name, own) in enumerate(by_name.items()):
            tell = _part(context, number, len(by_name))
            follower = Follower(frames, shots, pace, context.checkpoint, tell, segment=_segmenter(config, context))
            tracks.append(follower.track(name, own))
        if config.ground:
            tracks = against_ground(frames, tracks, shots)
        dark = [shadows(frames, t.path, shots) if config.shadow else None for t in tracks]
        worklist = {t.name: doubtful(t, config.worklist, spans.get(t.name)) for t in tracks}
        everything = sorted({k for own in worklist.values() for k in own})
        context.progress(1.0, f"{len(tracks)} object{'s' * (len(tracks) != 1)} followed")
        return Found(
            facts=facts_of(tracks, worklist, spans, excluded(hints, place)),
            arrays=arrays_of(tracks, dark, clip, context.asked, Reach(config.soft, config.shutter, config.level)),
            files=looks(frames, tracks, len(clip), everything),
        )

    def masks(self, found: Found, request: SpanRequest, config: Config) -> MaskedSpan:
        """The objects in a span of frames, and what was given or drawn beside them."""
        return masks_of(found, request, Reach(config.soft, config.shutter, config.level))


def _share(seed: Seed) -> float:
    """About how much of the picture an object takes."""
    if seed.corrects:
        return 0.02
    opened = float((seed.known != OTHER).mean())
    return opened if seed.exact else 0.5 * opened


def _segmenter(config: Config, context: FindContext) -> Any:
    """What cuts out an object on its hint's frame, where that is not GrabCut."""
    return None if config.first == "grabcut" or context.segment is None else partial(context.segment, config.first)


def _part(context: FindContext, number: int, count: int) -> Any:
    def tell(share: float, text: str) -> None:
        context.progress((number + 0.98 * share) / count, text)

    return tell


METHODS = (TrackObjects(),)
