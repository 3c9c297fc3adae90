"""Cuts between takes, found by PySceneDetect in pictures that are decoded one at a time and made small."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Literal

from pydantic import Field
from scenedetect import AdaptiveDetector, ContentDetector, FrameTimecode, SceneDetector

from vidinternal.core.clip import ClipInfo, Shot
from vidinternal.core.config import StrictModel
from vidinternal.core.contracts import Progress, no_progress
from vidinternal.media.decode import ClipReader
from vidinternal.media.probe import frame_pts
from vidinternal.media.sample import Shrinker

_HEIGHT = 144
"""Rows of the pictures that are compared; cuts show at any size."""


class ShotSettings(StrictModel):
    """How cuts are found."""

    detector: Literal["adaptive", "content", "none"] = "adaptive"
    """``adaptive`` compares with the neighbourhood and stands camera motion; ``content`` has a fixed threshold;
    ``none`` takes the clip as one shot."""
    threshold: float | None = Field(default=None, gt=0)
    """How much a cut must stand out; None is the detector's own default, 3 times the neighbourhood or 27 of 255."""
    min_length: int = Field(default=8, ge=1)
    """Fewest frames of a shot; shorter ones stay with the shot before."""


def detect_shots(info: ClipInfo, settings: ShotSettings, progress: Progress = no_progress) -> tuple[Shot, ...]:
    """Divide a clip into takes.

    Frames are counted, not timed, so that variable frame rates and gaps in time shift nothing.

    Args:
        info: The clip.
        settings: How.
        progress: Told after every frame.

    Returns:
        Shots that tile the clip: the first starts at 0, each ends where the next starts, the last at the frame count.

    Raises:
        MediaError: The clip cannot be read.
    """
    count = len(frame_pts(info))
    cuts = () if settings.detector == "none" else _cuts(info, settings, count, progress)
    return tile(cuts, count, settings.min_length)


def tile(cuts: Iterable[int], count: int, least: int) -> tuple[Shot, ...]:
    """Divide ``count`` frames at the cuts that leave ``least`` frames on either side; the earlier of two wins."""
    bounds = [0]
    for cut in sorted(set(cuts)):
        if cut - bounds[-1] >= least and count - cut >= least:
            bounds.append(cut)
    bounds.append(count)
    return tuple(Shot(i, start, end) for i, (start, end) in enumerate(itertools.pairwise(bounds)))


def _detector(settings: ShotSettings) -> SceneDetector:
    # The least length is ours to keep: the detectors' own differs between their versions.
    if settings.detector == "content":
        return ContentDetector(threshold=settings.threshold or 27.0, min_scene_len=1)
    return AdaptiveDetector(adaptive_threshold=settings.threshold or 3.0, min_scene_len=1)


def _cuts(info: ClipInfo, settings: ShotSettings, count: int, progress: Progress) -> Iterator[int]:
    """First frames of new takes."""
    detector = _detector(settings)
    shrink = Shrinker(info, min(_HEIGHT, info.height), "bgr24")
    # The rate only serves as the unit of PySceneDetect's clock, in which a frame is one tick.
    clock = FrameTimecode(0, Fraction(25))
    for frame in ClipReader(info).frames():
        clock = FrameTimecode(frame.index, Fraction(25))
        for cut in detector.process_frame(clock, shrink(frame)):
            yield cut.frame_num
        progress((frame.index + 1) / count, f"looking for cuts, frame {frame.index + 1} of {count}")
    for cut in detector.post_process(clock):
        yield cut.frame_num
