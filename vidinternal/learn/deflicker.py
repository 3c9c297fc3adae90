"""A network that learns a finished clip and is stopped before it learns its flicker.

That is *Deep Video Prior* (``lei2020blind``): one network ``g`` is trained from scratch to turn every source picture
``I_t`` into what some method made of it, ``P_t``:

    min_g  mean_t ‖g(I_t) - P_t‖₁

What all pictures have in common is learned first, what differs from one to the next last; the paper stops after 25
epochs. Here training also stops where the distance has come down to the flicker itself (Morozov's discrepancy
principle). With ``P_t = C_t + n_t``, ``C`` as steady as the source and ``n`` independent from picture to picture,

    σ² = (E_warp(P) - E_warp(I)) / 2,    stop at    mean_t ‖g(I_t) - P_t‖² <= σ²

The network is smaller than the paper's, has no normalisation, sees where in the picture a pixel lies, begins at the
colour matrix that fits best, and learns from crops, so that it costs the same on any size and treats a tile as it
treats the whole. A short window has more than 25 epochs, for few pictures are few steps.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as nn_functional
from torch import Tensor, nn

from vidinternal.core.contracts import FitContext
from vidinternal.core.seeds import branch, generator
from vidinternal.learn.checkpoint import restore, snapshot
from vidinternal.learn.state_tree import network_tree, optimiser_tree, restore_optimiser
from vidinternal.nets.initialise import initialise

EPOCHS = 25
"""Times every crop is seen, as the paper has it for pictures."""
SIDE = 96
"""Pixels of a side of a crop."""
MOST_CROPS = 192
"""Crops of a window: they take about 60 MB."""
STEPS = 600
"""Least optimiser steps allowed, however few pictures there are."""
_BATCH, _RATES, _WIDTH = 4, (3e-3, 3e-4), 32
_TILE, _MARGIN = 512, 64
SIGNATURE = f"deflicker:{_WIDTH}"


def flicker_variance(source_error: float, made_error: float) -> float:
    """``σ²``: what of a result's warping error is not the source's, per picture; 0 where it has no more."""
    return max(0.0, (made_error - source_error) / 2)


class SteadyNet(nn.Module):
    """A colour matrix and what a small U-Net on squares of 2x2 pixels adds to it.

    Args:
        width: Channels at half size.
    """

    def __init__(self, width: int = _WIDTH) -> None:
        super().__init__()

        def conv(source: int, out: int, stride: int = 1) -> nn.Conv2d:
            return nn.Conv2d(source, out, 3, stride, 1)

        half, quarter = width, 3 * width // 2
        self.base = nn.Conv2d(3, 3, 1)
        self.enter, self.down = conv(20, half), conv(half, quarter, 2)
        self.deep, self.deeper = conv(quarter, 2 * width, 2), conv(2 * width, 2 * width)
        self.up, self.leave = conv(2 * width + quarter, quarter), conv(quarter + half, half)
        self.head = nn.Conv2d(half, 12, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``N 5 h w``, a picture and its pixels' places, to ``N 3 h w``."""
        height, width = x.shape[-2:]
        whole = nn_functional.pad(x, (0, -width % 8, 0, -height % 8), mode="replicate")
        half = _bent(self.enter(nn_functional.pixel_unshuffle(whole, 2)))
        quarter = _bent(self.down(half))
        deep = _bent(self.deeper(_bent(self.deep(quarter))))
        wide = _bent(self.up(torch.cat((_twice(deep), quarter), 1)))
        wide = _bent(self.leave(torch.cat((_twice(wide), half), 1)))
        added = nn_functional.pixel_shuffle(self.head(wide), 2)[..., :height, :width]
        return self.base(x[:, :3]) + added

    def begin_at(self, matrix: Tensor) -> None:
        """Begin as a colour matrix, ``4 3`` with the constant last, and nothing added."""
        with torch.no_grad():
            self.base.weight.copy_(matrix[:3].T[..., None, None])
            if self.base.bias is not None and self.head.bias is not None:
                self.base.bias.copy_(matrix[3])
                self.head.bias.zero_()
            self.head.weight.mul_(0.1)


def _bent(x: Tensor) -> Tensor:
    return nn_functional.leaky_relu(x, 0.2)


def _twice(x: Tensor) -> Tensor:
    return nn_functional.interpolate(x, scale_factor=2.0, mode="nearest")


@dataclass(frozen=True)
class Crops:
    """Pieces of source pictures and of what was made of them.

    Attributes:
        source: ``M 5 c d`` float32: the picture, enlarged to the result's size, and the places of its pixels.
        made: ``M 3 c d`` float32.
    """

    source: Tensor
    made: Tensor


@dataclass(frozen=True)
class Fitted:
    """How a training ended.

    Attributes:
        stopped: ``flicker level``, ``epochs``, ``budget`` or ``diverged``.
        epochs: Begun.
        error: Mean squared distance to what was made, in the last epoch.
        seconds: Wall seconds.
    """

    stopped: str
    epochs: int
    error: float
    seconds: float


def with_places(picture: Tensor) -> Tensor:
    """``1 5 H W``: a picture ``1 3 H W`` with the place of every pixel, -1 to 1."""
    height, width = picture.shape[-2:]
    rows = torch.linspace(-1, 1, height).view(1, 1, height, 1).expand(1, 1, height, width)
    columns = torch.linspace(-1, 1, width).view(1, 1, 1, width).expand(1, 1, height, width)
    return torch.cat((picture, rows.to(picture), columns.to(picture)), dim=1)


def gather(pictures: Callable[[int], tuple[Tensor, Tensor]], count: int, seed: int) -> Crops:
    """Cut crops out of a window, about as many of every picture.

    Args:
        pictures: The source picture, enlarged, and what was made of it, ``1 3 H W`` each, by place in the window; asked
            for once each, in order.
        count: How many there are.
        seed: Chooses the places.
    """
    random = generator(seed, "crops")
    each = max(1, min(8, MOST_CROPS // count))
    taken = torch.linspace(0, count - 1, min(count, MOST_CROPS)).round().long().unique().tolist()
    source, made = [], []
    for k in taken:
        before, after = pictures(k)
        placed = with_places(before)
        height, width = before.shape[-2:]
        tall, wide = min(SIDE, height), min(SIDE, width)
        for _ in range(each if (height, width) != (tall, wide) else 1):
            y = int(torch.randint(height - tall + 1, (1,), generator=random))
            x = int(torch.randint(width - wide + 1, (1,), generator=random))
            source.append(placed[..., y : y + tall, x : x + wide].clone())
            made.append(after[..., y : y + tall, x : x + wide].clone())
    return Crops(torch.cat(source), torch.cat(made))


class Deflicker:
    """The network of one window.

    Args:
        context: Seed, device, time, checkpoints and progress.
        weights: Those of the window before in the same take; None = drawn.
    """

    def __init__(self, context: FitContext, weights: Mapping[str, Tensor] | None = None) -> None:
        self.context = context
        self.network = SteadyNet()
        initialise(self.network, generator(context.seed, "deflicker"))
        self.network.begin_at(torch.eye(4)[:, :3])
        self._begun = weights is not None
        if weights is not None:
            restore(self.network, weights, "deflicker of the window before")
        self.network.to(context.device)

    def fit(self, crops: Crops, variance: float) -> Fitted:
        """Learn until the distance is ``variance``, or 25 epochs (:data:`STEPS` steps at least), or time is over."""
        started, context = time.monotonic(), self.context
        if not self._begun:
            self.network.begin_at(_matrix(crops).to(context.device))
        epochs = max(EPOCHS, -(-STEPS // -(-len(crops.source) // _BATCH)))
        optimiser = torch.optim.Adam(self.network.parameters(), lr=_RATES[0])
        fits = f"{SIGNATURE} {tuple(crops.source.shape)}"
        begun, error, stopped = self._resumed(optimiser, fits)
        epoch = begun
        while stopped is None:
            epoch += 1
            for group in optimiser.param_groups:
                group["lr"] = _RATES[0] * (_RATES[1] / _RATES[0]) ** ((epoch - 1) / epochs)
            error, stopped = self._epoch(crops, epoch, optimiser)
            if stopped is None and error <= variance:
                stopped = "flicker level"
            elif stopped is None and epoch >= epochs:
                stopped = "epochs"
            context.progress(min(1.0, epoch / epochs), f"deflicker, epoch {epoch}")
            self._keep(fits, {"epoch": epoch, "error": error, "stopped": stopped}, optimiser)
        return Fitted(stopped, epoch, error, time.monotonic() - started)

    @property
    def weights(self) -> dict[str, Tensor]:
        """What the next window begins from."""
        return snapshot(self.network)

    def steadied(self, picture: Tensor) -> Tensor:
        """What the network makes of a source picture, enlarged: ``1 3 H W`` in [0, 1]; large ones piece by piece."""
        placed = with_places(picture)
        height, width = picture.shape[-2:]
        made = torch.empty(1, 3, height, width)
        with torch.no_grad():
            for y in range(0, height, _TILE):
                for x in range(0, width, _TILE):
                    # begins at a multiple of 8, so that halving falls on the same pixels as in the whole
                    top, left = max(0, y - _MARGIN), max(0, x - _MARGIN)
                    piece = placed[..., top : y + _TILE + _MARGIN, left : x + _TILE + _MARGIN]
                    out = self.network(piece.to(self.context.device)).cpu()
                    inner = out[..., y - top : y - top + _TILE, x - left : x - left + _TILE]
                    made[..., y : y + _TILE, x : x + _TILE] = inner
        return made.clamp(0.0, 1.0)

    def _epoch(self, crops: Crops, epoch: int, optimiser: torch.optim.Optimizer) -> tuple[float, str | None]:
        """See every crop once; the mean squared distance, and why to stop, if so."""
        order = torch.randperm(len(crops.source), generator=generator(branch(self.context.seed, "order"), epoch))
        total, seen = 0.0, 0
        for batch in order.split(_BATCH):
            if self.context.budget.expired():
                return total / seen if seen else math.inf, "budget"
            source, made = (t[batch].to(self.context.device) for t in (crops.source, crops.made))
            away = self.network(source) - made
            optimiser.zero_grad()
            away.abs().mean().backward()
            optimiser.step()
            total, seen = total + float(away.detach().square().mean()) * len(batch), seen + len(batch)
        return total / seen, None if math.isfinite(total) else "diverged"

    def _keep(self, fits: str, told: dict[str, Any], optimiser: torch.optim.Optimizer) -> None:
        """Keep an epoch when it is due, and the last at once."""
        if self.context.checkpoint is None:
            return

        def tree() -> dict[str, Any]:
            return {**told, "network": network_tree(self.network), "optimiser": optimiser_tree(optimiser)}

        if told["stopped"] is None:
            self.context.checkpoint.offer("deflicker", fits, tree)
        else:
            self.context.checkpoint.save("deflicker", fits, tree())

    def _resumed(self, optimiser: torch.optim.Optimizer, fits: str) -> tuple[int, float, str | None]:
        kept = None if self.context.checkpoint is None else self.context.checkpoint.load("deflicker", fits)
        if kept is None:
            return 0, math.inf, None
        restore(self.network, kept["network"], "deflicker")
        restore_optimiser(optimiser, kept["optimiser"])
        return kept["epoch"], kept["error"], kept["stopped"]


def _matrix(crops: Crops) -> Tensor:
    """``4 3``: the colours of the source, and 1, to those of the result, by least squares."""
    step = max(1, crops.source.shape[-1] // 32)
    source = crops.source[:, :3, ::step, ::step].permute(0, 2, 3, 1).reshape(-1, 3).double()
    made = crops.made[..., ::step, ::step].permute(0, 2, 3, 1).reshape(-1, 3).double()
    known = torch.cat((source, torch.ones(len(source), 1, dtype=torch.double)), dim=1)
    ridge = 1e-4 * len(known) * torch.eye(4, dtype=torch.double)  # towards the picture itself, where colours are few
    own = torch.eye(4, dtype=torch.double)[:, :3]
    return torch.linalg.solve(known.T @ known + ridge, known.T @ made + ridge @ own).float()
