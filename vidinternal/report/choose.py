"""Which frames of a clip are worth looking at, and which are put on its page where not all of them have room."""

from __future__ import annotations

from collections.abc import Sequence

WORST = 8
"""Most frames that are marked as the worst."""
APART = 25
"""Frames between two of the worst at most; fewer in short clips."""
PASSAGES = 0.6
"""Share of the room that goes to passages around the worst frames; the rest is spread evenly."""


def worst_frames(quality: Sequence[float | None], count: int = WORST) -> tuple[int, ...]:
    """The frames of lowest quality, the worst first, each from another part of the clip.

    Args:
        quality: For every frame, larger is better; None where there is nothing to judge.
        count: At most so many.
    """
    known = sorted((value, index) for index, value in enumerate(quality) if value is not None)
    known = [entry for entry in known if entry[0] <= known[len(known) // 2][0]]  # nothing above the median is bad
    apart = max(1, min(len(quality) // 12, APART))
    chosen: list[int] = []
    for _, index in known:
        if len(chosen) == count:
            break
        if all(abs(index - other) >= apart for other in chosen):
            chosen.append(index)
    return tuple(chosen)


def shown_frames(total: int, room: int, worst: Sequence[int], starts: Sequence[int]) -> tuple[int, ...]:
    """The frames to show, ascending: all where they have room, else a choice.

    The choice holds the first and the last frame, the start of every shot while that leaves half of the room, passages
    of neighbouring frames around the worst ones, as long as the room allows, and frames spread evenly over the rest.

    Args:
        total: Frames of the clip.
        room: Most frames to show, at least 2.
        worst: The worst frames, the worst first.
        starts: First frames of the shots.
    """
    room = max(room, 2)
    if total <= room:
        return tuple(range(total))
    chosen = {0, total - 1, *worst[: max(1, room // 4)]}
    inner = [s for s in starts if 0 < s < total]
    step = max(1, -(-len(inner) // max(1, room // 4)))
    chosen.update(inner[::step])
    chosen = set(sorted(chosen)[: room - 1]) | {total - 1}
    _add_passages(chosen, total, worst, len(chosen) + int(PASSAGES * (room - len(chosen))))
    _add_evenly(chosen, total, room)
    return tuple(sorted(chosen))


def _add_passages(chosen: set[int], total: int, worst: Sequence[int], room: int) -> None:
    """Grow a passage around every worst frame, a frame on each side in turn."""
    for reach in range(1, total):
        for index in worst:
            for near in (index - reach, index + reach):
                if len(chosen) >= room:
                    return
                if 0 <= near < total:
                    chosen.add(near)
        if not worst:
            return


def _add_evenly(chosen: set[int], total: int, room: int) -> None:
    """Fill the rest of the room with frames at equal distances."""
    left = room - len(chosen)
    free = [index for index in range(total) if index not in chosen]
    if left > 0 and free:
        count = min(left, len(free))
        chosen.update(free[int((k + 0.5) * len(free) / count)] for k in range(count))


def thinned(frames: Sequence[int], keep: Sequence[int], fewer: int) -> tuple[int, ...]:
    """Leave out about ``fewer`` frames, evenly, none of those to ``keep``."""
    loose = [f for f in frames if f not in set(keep)]
    if not loose:
        return tuple(frames)
    count = min(fewer, len(loose))
    out = {loose[int((k + 0.5) * len(loose) / count)] for k in range(count)}
    return tuple(f for f in frames if f not in out)
