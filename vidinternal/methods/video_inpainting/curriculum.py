"""Which frames are trained on, in which order.

A batch is a run of frames at one stride; with flow it has one direction too, and pairs of neighbours within it are
tied together. The network takes many steps on a batch before it sees the next, and ends each pass on the batch in
the middle of the clip (``zhang2019internal``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Batch:
    """Frames that are trained on together.

    Attributes:
        frames: Their indices, evenly spaced and rising.
        stride: Signed frame distance of the flow that ties neighbours: positive for flow from each frame to the next
            of the batch, negative for flow from each frame to the one before; 0 for no flow.
        ends_pass: Whether a pass of the schedule ends with it.
    """

    frames: tuple[int, ...]
    stride: int = 0
    ends_pass: bool = False

    def pairs(self) -> tuple[tuple[int, int], ...]:
        """Positions within the batch of each (reference, neighbour) pair."""
        if self.stride == 0:
            return ()
        steps = range(len(self.frames) - 1)
        return tuple((k, k + 1) if self.stride > 0 else (k + 1, k) for k in steps)


def windows(total: int, batch: int) -> list[Batch]:
    """All runs of neighbouring frames; one run of all frames where there are fewer than ``batch``."""
    size = min(batch, total)
    return [Batch(tuple(range(start, start + size))) for start in range(total - size + 1)]


def flow_batches(total: int, batch: int, strides: Sequence[int]) -> list[Batch]:
    """Every (start, stride, direction) whose run fits the clip: ``2 sum_s (T - 4 s)`` for batches of 5.

    A clip shorter than a batch makes the batch shorter. A stride with no room for a run has no batch; where none has
    room, as in a clip of one frame, the batches are windows without flow.
    """
    size = min(batch, total)
    return [
        Batch(tuple(range(start, start + (size - 1) * stride + 1, stride)), sign * stride)
        for stride in strides_with_batches(total, batch, strides)
        for sign in (1, -1)
        for start in range(total - (size - 1) * stride)
    ] or windows(total, batch)


def strides_with_batches(total: int, batch: int, strides: Sequence[int]) -> tuple[int, ...]:
    """Those of ``strides`` at which a run fits a clip of ``total`` frames; none for a single frame.

    Batches of 5 need ``4 s + 1`` frames: stride 5 is out below 21 frames.
    """
    size = min(batch, total)
    return tuple(stride for stride in strides if size > 1 and (size - 1) * stride < total)


def median_batch(total: int, batch: int, stride: int = 0) -> Batch:
    """The run of neighbouring frames that starts at the clip's middle, moved back where it would pass the end."""
    size = min(batch, total)
    start = min(total // 2, total - size)
    return Batch(tuple(range(start, start + size)), stride if size > 1 else 0, ends_pass=True)


def window_schedule(total: int, batch: int, passes: int, random: torch.Generator) -> Iterator[Batch]:
    """DIP-Vid: in each pass every window once, shuffled, the median one last."""
    median = median_batch(total, batch)
    others = [window for window in windows(total, batch) if window.frames != median.frames]
    for _ in range(passes):
        yield from _shuffled(others, random)
        yield median


def flow_schedule(batches: list[Batch], per_pass: int, median: Batch, random: torch.Generator) -> Iterator[Batch]:
    """DIP-Vid-Flow, without end: ``per_pass`` batches of a shuffled list, then the median batch; and so on.

    The list is shuffled again whenever it is used up.
    """
    waiting: list[Batch] = []
    while True:
        for _ in range(per_pass):
            waiting = waiting or _shuffled(batches, random)
            yield waiting.pop()
        yield median


def _shuffled(batches: list[Batch], random: torch.Generator) -> list[Batch]:
    return [batches[int(i)] for i in torch.randperm(len(batches), generator=random)]
