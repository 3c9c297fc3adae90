"""Following points through a clip along chains of stride-1 flow, checking every step against the way back."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class StepCheck:
    """When a step is believed: its residual is below ``tau + relative * |flow|``.

    Attributes:
        tau: Pixels allowed for any step.
        relative: Share of the step's length allowed on top.
    """

    tau: float = 5.0
    relative: float = 0.05


@dataclass
class Walkers:
    """Points on their way through the clip, one step of time at a time.

    Attributes:
        origin: ``N`` which of the pixels that set out they are.
        time: ``N`` the frame they are in.
        xy: ``N 2`` their place there, pixels, x then y.
        error: ``N`` the sum of the forward/backward residuals of their steps, pixels.
        steps: The number of steps taken, the same for all.
    """

    origin: Tensor
    time: Tensor
    xy: Tensor
    error: Tensor
    steps: int

    def kept(self, keep: Tensor) -> Walkers:
        """The walkers of which ``keep`` (``N`` bool) is True."""
        return Walkers(self.origin[keep], self.time[keep], self.xy[keep], self.error[keep], self.steps)


class Volume:
    """``T C H W`` samples for looking up many points at once; contiguous samples are not copied.

    Args:
        samples: ``T C H W``; bool counts as 0 and 1.
    """

    def __init__(self, samples: Tensor) -> None:
        self.count, self.channels, self.height, self.width = samples.shape
        self._flat = samples.reshape(-1)

    def at(self, time: Tensor | int, xy: Tensor) -> Tensor:
        """Bilinear samples ``N C`` at the points ``xy`` ``N 2`` of the frames ``time`` ``N``; outside, the border.

        Args:
            time: The frame of every point, or of all of them.
            xy: Pixels, x then y, in a floating type; the samples come in it.
        """
        x, y = xy[:, 0].clamp(0, self.width - 1), xy[:, 1].clamp(0, self.height - 1)
        left, top = x.floor().long(), y.floor().long()
        along, down = x - left, y - top
        area = self.height * self.width
        upper, lower = top * self.width, (top + 1).clamp_(max=self.height - 1) * self.width
        right = (left + 1).clamp_(max=self.width - 1)
        first = time * (self.channels * area)
        corners = [row + column + first for row in (upper, lower) for column in (left, right)]
        samples = xy.new_empty((len(xy), self.channels))
        for channel in range(self.channels):
            a, b, c, d = (self._flat.index_select(0, corner + channel * area).to(xy.dtype) for corner in corners)
            samples[:, channel] = a.lerp(b, along).lerp_(c.lerp(d, along), down)
        return samples

    def pixels(self, where: Tensor) -> Tensor:
        """The samples ``N C`` of the pixels ``where``, ``N`` flat indices into ``T H W``."""
        area = self.height * self.width
        first = where // area * ((self.channels - 1) * area) + where
        return torch.stack([self._flat.index_select(0, first + c * area) for c in range(self.channels)], dim=1)


def set_out(start: Tensor, flow: Volume) -> Walkers:
    """Walkers on the pixels ``start`` (``N`` flat indices into ``T H W``), no step taken yet."""
    area = flow.height * flow.width
    place = start % area
    xy = torch.stack((place % flow.width, place // flow.width), dim=1).float()
    origin = torch.arange(len(start), device=start.device)
    return Walkers(origin, start // area, xy, xy.new_zeros(len(start)), 0)


def advance(walkers: Walkers, onward: Volume, back: Volume, step: int, check: StepCheck) -> Walkers:
    """Take one step of time; returns the walkers that are still believed.

    A walker is lost where it leaves the picture or the clip, or where going back along ``back`` misses the place it
    came from by more than ``check`` allows.

    Args:
        walkers: Where they are.
        onward: ``T 2 H W``, row t is ``F[t -> t+step]``.
        back: ``T 2 H W``, row t is ``F[t -> t-step]``.
        step: 1 or -1.
        check: When a step is believed.
    """
    walkers = walkers.kept((walkers.time + step >= 0) & (walkers.time + step < onward.count))
    flow = onward.at(walkers.time, walkers.xy)
    time, xy = walkers.time + step, walkers.xy + flow
    residual = _length(flow + back.at(time, xy))
    edge = xy.new_tensor([onward.width - 1, onward.height - 1])
    good = (residual < check.tau + check.relative * _length(flow)) & ((xy >= 0) & (xy <= edge)).all(dim=1)
    return Walkers(walkers.origin, time, xy, walkers.error + residual, walkers.steps + 1).kept(good)


def _length(vectors: Tensor) -> Tensor:
    # Several times faster than norm(dim=1), which is slow on short rows.
    return torch.hypot(vectors[:, 0], vectors[:, 1])
