"""Objects told by hints, followed by SAM 2 and masked."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

from vidinternal.core.clip import Shot
from vidinternal.core.finding import Asked, ClipView, FindContext, Found, MaskedSpan, MaskMethod, SpanRequest
from vidinternal.core.hints import gather
from vidinternal.learn.state_tree import from_tree, to_tree
from vidinternal.methods.sam2 import CARDS
from vidinternal.methods.sam2.config import Config
from vidinternal.methods.sam2.follow import Sam, groups
from vidinternal.methods.sam2.network import predictor, require
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
from vidinternal.ops.objects.path import WHY, Path, Track, Writer, leaves, stretches, told
from vidinternal.ops.objects.seeds import Place, Seed, seeds

_PATHS = "paths"


class SamTwo(MaskMethod):
    """Follows what ``--object`` and ``--hints`` point at by SAM 2."""

    card = CARDS[0]
    hinted = True

    def check(self, asked: Asked, config: Config) -> None:
        """Refuse a job without hints, without weights, or without SAM 2.

        Raises:
            MaskError: There is no hint, or one cannot be read.
            ConfigError: Weights or network are missing.
            UsageError: ``sam2`` is not installed.
        """
        refuse_without_hints(asked)
        require(config)

    def find(self, clip: ClipView, config: Config, context: FindContext) -> Found:
        """Follow every object through the clip.

        Raises:
            MaskError: A hint does not fit the clip, or contradicts another.
            ConfigError: The weights are no safetensors file, or belong to another network.
            UsageError: ``sam2``, or a package it needs, is not installed.
        """
        hints = gather(context.asked.objects, context.asked.hints)
        place = Place(clip.size, [clip.seconds(k) for k in range(len(clip) + 1)])
        spans = when(hints, place)
        by_name = seeds(hints, place, reader(context))
        tracks = self._tracks(clip, by_name, config, context)
        worklist = {t.name: doubtful(t, config.worklist, spans.get(t.name)) for t in tracks}
        everything = sorted({k for own in worklist.values() for k in own})
        context.progress(1.0, f"{len(tracks)} object{'s' * (len(tracks) != 1)} followed")
        return Found(
            facts=facts_of(tracks, worklist, spans, excluded(hints, place)),
            arrays=arrays_of(tracks, [None] * len(tracks), clip, context.asked, Reach(config.soft, config.shutter)),
            files=looks(SmallFrames(clip, config.work_height), tracks, len(clip), everything),
        )

    def masks(self, found: Found, request: SpanRequest, config: Config) -> MaskedSpan:
        """The objects in a span of frames, and what was given or drawn beside them."""
        return masks_of(found, request, Reach(config.soft, config.shutter))

    def _tracks(
        self, clip: ClipView, by_name: Mapping[str, Sequence[Seed]], config: Config, context: FindContext
    ) -> list[Track]:
        frames, shots = SmallFrames(clip, config.work_height), clip.shots()
        model = predictor(config, context.device)
        paths: dict[tuple[str, int], Path] = {}
        for shot in shots:

            def tell(done: int, index: int, shot: Shot = shot) -> None:
                context.progress(min(0.98, (shot.start + done) / len(clip)), f"frame {index}")

            sam = Sam(model, frames, config.at_once, tell)
            for start, given in groups(by_name, shot).items():
                piece = f"sam2-{shot.index}-{start}"
                fits = _fits(given, frames.size, config)
                saved = None if context.checkpoint is None else context.checkpoint.load(piece, fits)
                found = sam.follow(shot, start, given) if saved is None else from_tree(dict[str, Path], saved[_PATHS])
                if context.checkpoint is not None and saved is None:
                    context.checkpoint.save(piece, fits, {_PATHS: to_tree(found)})
                paths |= {(name, shot.index): path for name, path in found.items()}
        return [_track(name, own, shots, paths, frames.size) for name, own in by_name.items()]


def _fits(given: Mapping[int, Mapping[str, Seed]], size: tuple[int, int], config: Config) -> str:
    """What paths belong to: these hints, this size, these weights."""
    told_by = [f"{k} {name} {seed.digest()}" for k in sorted(given) for name, seed in sorted(given[k].items())]
    weights = "" if config.weights is None else f"{config.weights.resolve()} {config.weights.stat().st_mtime_ns}"
    text = f"{told_by} {size} {config.at_once} {config.network} {weights}"
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _track(
    name: str,
    own: Sequence[Seed],
    shots: Sequence[Shot],
    paths: Mapping[tuple[str, int], Path],
    size: tuple[int, int],
) -> Track:
    """One object through all shots, with what is to be told of it."""
    written, lost, unhinted, notes = Writer(), [], [], []
    for shot in shots:
        path = paths.get((name, shot.index))
        if path is None:
            unhinted.append(shot.index)
            for _ in range(len(shot)):
                written.add(np.zeros(size, np.float32), 0.0, (0.0, 0.0))
            notes += [
                f"{name}: the hint on frame {s.index} only says where it is not, in a shot without another"
                for s in own
                if shot.start <= s.index < shot.end
            ]
            continue
        if shot.start > 0 and any(s.index == shot.start for s in own):
            notes.append(f"{name}: the hint on frame {shot.start} stands at a cut; it counts after the cut")
        seen: list[bool] = []
        for row in range(len(shot)):
            belief = path.belief(row, size)
            seen.append(bool((belief > 0.5).any()))
            written.add(belief, float(path.confidence[row]), (float(path.motion[row, 0]), float(path.motion[row, 1])))
        for first, last in stretches(seen):
            before = first - 1 if first else min(last + 1, len(shot) - 1)
            gone = leaves(path.belief(before, size), path.motion[before].numpy())
            lost.append((shot.start + first, shot.start + last, WHY[gone]))
    notes += told(name, shots, lost, unhinted)
    anchors = tuple(sorted(s.index for s in own))
    return Track(name, written.path(0), size, anchors, tuple(notes), tuple(lost), tuple(unhinted))


METHODS = (SamTwo(),)
