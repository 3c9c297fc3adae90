"""Where the paths of hole pixels end, found by handing over instead of walking.

Followed on its own, every path costs as many steps as it is long: under a caption that stands still over a still scene,
as many as the clip has frames. But a path that takes one step and is still in the hole goes on as the paths of the hole
pixels around it do, and going through the frames against the direction of the paths, the ends of those are known
already. So each hole pixel takes a few steps and is handed over to its up to four neighbours there: linear in hole
pixels, however long the paths are.

A pixel that lands between others ends between their ends: at ``sum_i w_i (end_i + p - q_i) / sum_i w_i``, ``p`` where
it landed, ``q_i`` the hole pixels around, ``w_i`` their bilinear weights, over those that end in the same frame as the
heaviest. For affine motion this is exact.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from vidinternal.ops.chains import StepCheck, Volume

STEPS = 3
"""Steps a pixel takes on its own before it is handed over: exact for the short paths, which are the good ones."""
HANDOVERS = 6
"""Times a pixel is handed over before it takes the end of its heaviest neighbour as it is; mostly one is enough."""


class HoleIndex:
    """Finds the row of a hole pixel from its place.

    Args:
        masks: ``T 1 H W`` bool.

    Attributes:
        where: ``N`` the hole pixels as flat indices into ``T H W``, ascending.
        bounds: ``T + 1`` numbers: the rows of frame t are ``bounds[t]`` to ``bounds[t + 1]``.
    """

    def __init__(self, masks: Tensor) -> None:
        count, _, self.height, self.width = masks.shape
        area = self.height * self.width
        self.where = masks.flatten().nonzero()[:, 0]
        starts = torch.arange(count + 1, device=masks.device) * area
        self.bounds: list[int] = torch.searchsorted(self.where, starts).tolist()
        # One small table a frame, over the box of its hole, all in one tensor.
        boxes, tables, base = [], [], 0
        for t, (first, last) in enumerate(zip(self.bounds[:-1], self.bounds[1:], strict=True)):
            if first == last:
                boxes.append((0, 0, 0, 0, 0))
                continue
            place = self.where[first:last] - t * area
            y, x = place // self.width, place % self.width
            top, left = int(y[0]), int(x.min())
            high, wide = int(y[-1]) + 1 - top, int(x.max()) + 1 - left
            table = torch.full((high * wide,), -1, dtype=torch.int32, device=masks.device)
            table[(y - top) * wide + x - left] = torch.arange(first, last, dtype=torch.int32, device=masks.device)
            boxes.append((left, top, wide, high, base))
            tables.append(table)
            base += len(table)
        self._boxes = torch.tensor(boxes, device=masks.device)
        self._table = torch.cat(tables) if tables else torch.full((1,), -1, dtype=torch.int32, device=masks.device)

    def row(self, time: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """``N`` int64: the row of the hole pixel at ``x``, ``y`` (``N`` int64) of the frame ``time``; -1 = no hole."""
        left, top, wide, high, base = self._boxes.index_select(0, time).unbind(dim=1)
        across, down = x - left, y - top
        inside = (across >= 0) & (across < wide) & (down >= 0) & (down < high)
        row = self._table.index_select(0, (base + down * wide + across) * inside).long()
        return torch.where(inside, row, -1)


@dataclass(frozen=True)
class Ends:
    """Where the paths of ``N`` hole pixels ended, one way through time.

    Attributes:
        table: ``N 4`` float32: the frame (-1 = the path was lost), x, y, and the sum of the residuals, pixels.
    """

    table: Tensor

    @property
    def times(self) -> Tensor:
        """``N`` int64 the frame, -1 where the path was lost."""
        return self.table[:, 0].long()

    @property
    def xy(self) -> Tensor:
        """``N 2`` the place in it, pixels."""
        return self.table[:, 1:3]

    @property
    def errors(self) -> Tensor:
        """``N`` the forward/backward residuals of all steps added up, pixels."""
        return self.table[:, 3]


class Relay:
    """Follows all hole pixels both ways.

    Args:
        masks: ``T 1 H W`` bool.
        flows: ``T 2 H W`` by step: row t of 1 is ``F[t -> t+1]``, of -1 ``F[t -> t-1]``.
        check: When a step is believed.
    """

    def __init__(self, masks: Tensor, flows: Mapping[int, Tensor], check: StepCheck) -> None:
        self.index = HoleIndex(masks)
        self.hidden = Volume(masks)
        self._count, _, self._height, self._width = masks.shape
        self._flows = {step: Volume(flow) for step, flow in flows.items()}
        self._check = check

    def run(self, out_of_time: Callable[[], bool]) -> dict[int, Ends]:
        """The ends by step: of 1 those in the future, of -1 those in the past.

        Args:
            out_of_time: Asked before every frame; True loses the paths of those that are left.
        """
        lost = torch.tensor([-1.0, 0.0, 0.0, 0.0], device=self.index.where.device)
        ends = {step: Ends(lost.repeat(len(self.index.where), 1)) for step in (-1, 1)}
        for k in range(1, self._count):
            if out_of_time():
                break
            self._frame(k, -1, ends[-1].table)
            self._frame(self._count - 1 - k, 1, ends[1].table)
        return ends

    def _frame(self, t: int, step: int, table: Tensor) -> None:
        """Find the ends of frame ``t``; those of the frames after it, in the direction of ``step``, are known."""
        rows = slice(self.index.bounds[t], self.index.bounds[t + 1])
        place = self.index.where[rows] - t * self._height * self._width
        if not len(place):
            return
        xy = torch.stack((place % self._width, place // self._width), dim=1).float()
        zero = torch.zeros_like(xy[:, :1])
        state = torch.cat((zero + t, xy, zero), dim=1)
        pending, mine = torch.arange(len(place), device=place.device), table[rows]
        for turn in range(STEPS + HANDOVERS):
            if turn < STEPS:
                state, found = self._step(state, step)
            else:
                state, found = self._hand_over(state, table, exact=turn == STEPS + HANDOVERS - 1)
            pending, state = pending[found], state[found]
            known = self._known(state)
            mine[pending[known]] = state[known]
            pending, state = pending[~known], state[~known]
            if not len(pending):
                return

    def _step(self, state: Tensor, step: int) -> tuple[Tensor, Tensor]:
        """Take one step of time; returns the new state, and ``n`` bool: the path was not lost."""
        time, xy = state[:, 0].long(), state[:, 1:3]
        flow = self._flows[step].at(time, xy)
        there = (time + step).clamp(0, self._count - 1)
        residual = _length(flow + self._flows[-step].at(there, xy + flow))
        result = torch.cat((state[:, :1] + step, xy + flow, (state[:, 3] + residual).unsqueeze(1)), dim=1)
        believed = residual < self._check.tau + self._check.relative * _length(flow)
        return result, believed & (there == time + step) & self._inside(result[:, 1:3])

    def _known(self, state: Tensor) -> Tensor:
        """Whether none of the pixels around the place is hidden, so that the picture can be copied from there."""
        return self.hidden.at(state[:, 0].long(), state[:, 1:3])[:, 0] == 0

    def _inside(self, xy: Tensor) -> Tensor:
        x, y = xy.unbind(dim=1)
        return (x >= 0) & (x <= self._width - 1) & (y >= 0) & (y <= self._height - 1)

    def _hand_over(self, state: Tensor, table: Tensor, *, exact: bool) -> tuple[Tensor, Tensor]:
        """Go on from places in the hole to where the hole pixels around them end.

        Args:
            state: ``n 4`` as in :class:`Ends`.
            table: The ends found so far.
            exact: Take the heaviest neighbour's end as it is; nothing is hidden there.

        Returns:
            The new state, and ``n`` bool: the path was not lost.
        """
        time, x, y = state[:, 0].long(), state[:, 1], state[:, 2]
        left, top = x.floor(), y.floor()
        along, down = x - left, y - top
        column, line = left.long(), top.long()
        weights = torch.stack(((1 - along) * (1 - down), along * (1 - down), (1 - along) * down, along * down))
        corners = [(column + i, line + j) for j in (0, 1) for i in (0, 1)]
        rows = torch.stack([self.index.row(time, i, j) for i, j in corners])
        weights = weights * (rows >= 0)
        lead = weights.argmax(dim=0, keepdim=True)
        ends = table.index_select(0, rows.clamp(min=0).flatten()).view(4, -1, 4)
        first = ends.gather(0, lead.unsqueeze(2).expand(-1, -1, 4))[0]
        if exact:
            result = first.clone()
        else:
            weights = weights * (ends[..., 0] == first[:, 0])
            weights = weights / weights.sum(dim=0).clamp(min=1e-12)
            shift = torch.stack((along, down), dim=1) - state.new_tensor([[0, 0], [1, 0], [0, 1], [1, 1]]).unsqueeze(1)
            ends[..., 1:3] += shift
            result = (ends * weights.unsqueeze(2)).sum(dim=0)
            result[:, 0] = first[:, 0]
        result[:, 3] += state[:, 3]
        return result, (first[:, 0] >= 0) & self._inside(result[:, 1:3])


def _length(vectors: Tensor) -> Tensor:
    # Several times faster than norm(dim=1), which is slow on short rows.
    return torch.hypot(vectors[:, 0], vectors[:, 1])
