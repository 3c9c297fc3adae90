"""Where and when a person said to look: the rectangles of ``--region``."""

from __future__ import annotations

from vidinternal.core.finding import Asked, ClipView
from vidinternal.core.timecode import FrameIndex, Point
from vidinternal.methods.subtitles.events import Box


class Allowed:
    """Where overlays may be.

    Args:
        asked: What a person gave.
        clip: The clip, for its times.
    """

    def __init__(self, asked: Asked, clip: ClipView) -> None:
        self._regions, self._clip = asked.regions, clip

    def __call__(self, box: Box, start: int, end: int) -> bool:
        """Whether most of a box lies in a rectangle that is on at some time from frame ``start`` to ``end``."""
        if not self._regions:
            return True
        y0, y1, x0, x1 = box
        area = max(1, (y1 - y0) * (x1 - x0))
        for region in self._regions:
            across = min(x1, region.x + region.width) - max(x0, region.x)
            down = min(y1, region.y + region.height) - max(y0, region.y)
            late = region.start is not None and not self._reached(region.start, end - 1)
            early = region.end is not None and self._reached(region.end, start)
            if across > 0 and down > 0 and across * down > 0.5 * area and not late and not early:
                return True
        return False

    def _reached(self, point: Point, frame: int) -> bool:
        if isinstance(point, FrameIndex):
            return frame >= point.frame
        return self._clip.seconds(frame) >= point.seconds
