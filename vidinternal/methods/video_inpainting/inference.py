"""Assemble the output of a clip from windows, each frame from the one in which it is the centre."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def centred_windows(total: int, size: int) -> list[tuple[range, list[int]]]:
    """The windows of ``size`` neighbouring frames, with the frames that are taken from each.

    A frame is taken from the window it is the centre of; the first and last frames, which are the centre of none,
    from the first and last window. Every frame is taken exactly once.
    """
    size = min(size, total)
    last = total - size
    taken: dict[int, list[int]] = {start: [] for start in range(last + 1)}
    for frame in range(total):
        taken[min(max(frame - size // 2, 0), last)].append(frame)
    return [(range(start, start + size), frames) for start, frames in taken.items()]


def assemble(total: int, size: int, render: Callable[[range], Tensor]) -> Tensor:
    """Render every window and keep each frame from its own.

    Args:
        total: Frames of the clip.
        size: Frames of a window; normalisation statistics are those of a window.
        render: Gives ``N 3 H W`` for a run of N frames.

    Returns:
        ``T 3 H W``.
    """
    frames: list[Tensor] = []
    for rows, wanted in centred_windows(total, size):
        output = render(rows)
        frames += [output[frame - rows.start] for frame in wanted]
    return torch.stack(frames)
