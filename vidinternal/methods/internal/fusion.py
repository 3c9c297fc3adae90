"""Learned fusion: for every hidden pixel, convex weights over the candidates, from the evidence for each.

ZSSR's idea carried to holes: the hole's own mask is hidden on known places of the same clip, the candidates are made
there in the same way, and a network learns which of them was right. It sees evidence, no pictures, so it is small
(some thousand weights), learns from a few ten thousand pixels in seconds, and what it learned on one clip holds on
another: it starts from weights learned on the sample clips and is only pulled away from them as far as this clip's own
hidden holes ask for.

The fill is ``sum_k w_k(e) C_k`` with ``w = softmax(f(e))``: no candidate, no fill; it never invents a colour.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files

import torch
import torch.nn.functional as nn_functional
from safetensors.torch import load
from torch import Tensor, nn

from vidinternal.core.contracts import Holdout, decibels
from vidinternal.core.seeds import branch, generator
from vidinternal.methods.internal.candidates import NAMES, Candidates, under_the_hole
from vidinternal.methods.internal.evidence import COUNT, Evidence
from vidinternal.methods.internal.telling import Told

HIDDEN = 32
RANGE = 4.0
"""Standard deviations beyond which evidence is cut: what was never seen must not decide."""
SMOOTHING = 5
"""Side of the box, pixels, over which weights are averaged so that they leave no edges."""
LEAST_PIXELS = 200
MOST_PIXELS = 60_000
START = "fusion.safetensors"
AGREED = 30.0
"""dB to which past and future agree in the hole from which on the narrow copy may be leaned on."""
LEAN_PIXELS = 20_000
LEAN_RIDGE = 0.02
STEPS = 25
"""Optimiser steps on a window's own hidden holes."""


class FusionNet(nn.Module):
    """Evidence to convex weights.

    Args:
        hidden: Width of the two hidden layers.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, hidden: int = HIDDEN) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(COUNT))
        self.register_buffer("deviation", torch.ones(COUNT))
        self.first, self.second = nn.Linear(COUNT, hidden), nn.Linear(hidden, hidden)
        self.last = nn.Linear(hidden, len(NAMES))

    def forward(self, evidence: Tensor) -> Tensor:
        """``N COUNT`` to ``N K`` weights, not negative, of sum 1."""
        x = ((evidence - self.mean) / self.deviation).clamp(-RANGE, RANGE)
        return self.last(self.second(self.first(x).tanh()).tanh()).softmax(dim=1)


Committee = Sequence[FusionNet]
"""Networks whose weights are averaged; what one of them has not learned well the others mend."""


@cache
def _start() -> dict[str, Tensor]:
    return load(files("vidinternal.methods.internal").joinpath(START).read_bytes())


def start_nets() -> tuple[FusionNet, ...]:
    """The networks learned on the sample clips (``bench/fusion_start.py``), each from another seed."""
    members: defaultdict[str, dict[str, Tensor]] = defaultdict(dict)
    for name, tensor in _start().items():
        member, _, rest = name.partition(".")
        members[member][rest] = tensor
    nets = []
    for _, weights in sorted(members.items()):
        net = FusionNet()
        net.load_state_dict(weights)
        nets.append(net)
    return tuple(nets)


@dataclass(frozen=True)
class Examples:
    """Pixels of known colour.

    Attributes:
        evidence: ``N COUNT``.
        colours: ``N K 3`` candidates.
        truth: ``N 3``.
    """

    evidence: Tensor
    colours: Tensor
    truth: Tensor

    def __len__(self) -> int:
        return len(self.truth)


def examples(candidates: Candidates, where: Tensor, truth: Tensor, seed: int, most: int = MOST_PIXELS) -> Examples:
    """Draw pixels of known colour.

    Args:
        candidates: Made with these pixels hidden.
        where: ``T 1 H W`` bool, hidden pixels of known colour.
        truth: ``T 3 H W``, read there alone.
        seed: Of the draw.
        most: Number of pixels.
    """
    chosen = where.flatten().nonzero()[:, 0]
    if len(chosen) > most:
        keep = torch.randperm(len(chosen), generator=generator(seed, "examples"))[:most]
        chosen = chosen[keep.sort()[0]]
    rows = torch.searchsorted(candidates.where, chosen)
    evidence, source = [], Evidence(candidates)
    for frame in range(len(candidates.masks)):
        span = candidates.rows_of(frame)
        mine = rows[(rows >= span.start) & (rows < span.stop)] - span.start
        if len(mine):
            evidence.append(source.of(frame)[mine])
    colours = torch.stack([candidates.colours[name][rows].float() for name in NAMES], dim=1)
    return Examples(torch.cat(evidence), colours, under_the_hole(truth.cpu(), chosen).float())


@dataclass(frozen=True)
class FusionFit:
    """How long and how freely the fusion learns.

    Attributes:
        steps: Optimiser steps.
        rate: Peak step size.
        anchor: Pull towards the weights it started from.
        batch: Pixels in a step.
    """

    steps: int = STEPS
    rate: float = 1e-3
    anchor: float = 3e-3
    batch: int = 4096


def fit_fusion(net: FusionNet, known: Examples, seed: int, how: FusionFit | None = None) -> FusionNet:
    """Learn from hidden pixels, in place; squared error relative to that of the best single candidate."""
    how = how or FusionFit()
    random = generator(seed, "fusion")
    anchor = [p.detach().clone() for p in net.parameters()]
    scale = float((known.colours - known.truth.unsqueeze(1)).square().mean(dim=(0, 2)).min()) + 1e-5
    optimiser = torch.optim.Adam(net.parameters(), lr=how.rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, how.steps)
    for _ in range(how.steps):
        rows = torch.randint(len(known), (min(how.batch, len(known)),), generator=random)
        fused = (net(known.evidence[rows]).unsqueeze(2) * known.colours[rows]).sum(dim=1)
        loss = (fused - known.truth[rows]).square().mean() / scale
        pull = sum((p - q).square().sum() for p, q in zip(net.parameters(), anchor, strict=True))
        optimiser.zero_grad(set_to_none=True)
        (loss + how.anchor * pull).backward()
        optimiser.step()
        schedule.step()
    return net


def adapt(candidates: Candidates, holdout: Holdout | None, seed: int) -> Committee:
    """The fusion for this window: the networks as shipped, and as its held-out holes pull them.

    Those alone over-fit where the held-out places are unlike the hole, and the others know nothing of the clip: the
    mean of both came out best.
    """
    nets = start_nets()
    if holdout is None or int(holdout.masks.sum()) < LEAST_PIXELS:
        return nets
    known = examples(candidates, holdout.masks.cpu(), holdout.truth, seed)
    return (*nets, *(fit_fusion(net, known, branch(seed, k)) for k, net in enumerate(start_nets())))


@dataclass(frozen=True)
class Reliance:
    """How far a window's fusion relies on what its held-out holes say.

    Attributes:
        leaning: Share of every pixel that is the narrow copy's whatever the networks say.
        trust: For every part of the hole, how much of the way from the shipped networks to the mean of all is gone;
            empty = all of it.
        shipped: How many networks, the first, are as shipped.
    """

    leaning: float = 0.0
    trust: tuple[float, ...] = ()
    shipped: int = 0

    def weights(self, nets: Committee, evidence: Tensor, part: Tensor | int = 0) -> Tensor:
        """``N K`` mean weights for ``N COUNT``, without leaning; ``part``: which part of the hole the pixels are of."""
        votes = [net(evidence) for net in nets]
        every = torch.stack(votes).mean(dim=0)
        if not self.trust or len(votes) <= self.shipped:
            return every
        first = torch.stack(votes[: self.shipped]).mean(dim=0)
        share = torch.tensor(self.trust)[torch.as_tensor(part).clamp(min=0)].reshape(-1, 1)
        return first.lerp(every, share.expand_as(every))


def rely(nets: Committee, blind: Candidates, seeing: Candidates, holdout: Holdout | None, seed: int) -> Reliance:
    """How far to rely on what was learned on the held-out holes.

    Args:
        nets: Those shipped and those adapted.
        blind: Candidates made with the held-out holes hidden.
        seeing: Candidates made with the real hole alone hidden.
        holdout: What was hidden.
        seed: Of the pixels looked at.
    """
    if holdout is None or int(holdout.masks.sum()) < LEAST_PIXELS:
        return Reliance()
    hidden = holdout.masks.cpu()
    parts = torch.zeros_like(hidden, dtype=torch.int8) if holdout.parts is None else holdout.parts.cpu()
    numbers = range(1 + max(0, int(parts.max())))
    copies = [_looked_at(blind, hidden & (parts == k), holdout.truth, seed) for k in numbers]
    real = [_looked_at(seeing, seeing.masks & ~hidden & (parts == k), seeing.frames, seed) for k in numbers]
    shipped = len(start_nets())
    trust = tuple(_trust(nets, shipped, c or next(filter(None, copies)), r) for c, r in zip(copies, real, strict=True))
    reliance = Reliance(0.0, trust, shipped)
    if agreement(seeing) < AGREED:
        return reliance
    return replace(reliance, leaning=_leaning(nets, reliance, copies))


def _looked_at(candidates: Candidates, where: Tensor, truth: Tensor, seed: int) -> Examples | None:
    return examples(candidates, where, truth, seed, LEAN_PIXELS) if bool(where.any()) else None


def _trust(nets: Committee, shipped: int, copies: Examples, real: Examples | None) -> float:
    """1 where adapting moved the real part's fill as far as its copies', ``1 / r`` where it moved it r times as far.

    What adapting is worth was learned on the copies of the hole. Where it moves the real fill further (mean square), it
    decides by evidence that the copies have not shown it.
    """
    if real is None or len(nets) <= shipped:
        return 1.0
    moved = []
    for known in (real, copies):
        with torch.no_grad():
            votes = torch.stack([net(known.evidence) for net in nets])
        apart = (votes.mean(dim=0) - votes[:shipped].mean(dim=0)).unsqueeze(2) * known.colours
        moved.append(float(apart.sum(dim=1).double().square().mean()))
    return 1 / max(1.0, moved[0] / max(1e-9, moved[1]))


def _leaning(nets: Committee, reliance: Reliance, copies: Sequence[Examples | None]) -> float:
    """How far the fusion leans on the narrow copy: ``w <- (1 - a) w + a e_narrow``, ``a`` by least squares.

    A committee never lets go of a candidate altogether, and a copy at 38 dB loses by what is mixed into it. ``a`` is
    fitted on the held-out holes, but used only where the real one gives reason to: where both ways of time show a pixel
    there, they agree to :data:`AGREED`. Elsewhere the copies of the hole have misled it.
    """
    along = energy = left = 0.0
    for part, known in enumerate(copies):
        if known is None:
            continue
        with torch.no_grad():
            weights = reliance.weights(nets, known.evidence, part)
        fused = (weights.unsqueeze(2) * known.colours).sum(dim=1)
        towards, missing = known.colours[:, NAMES.index("narrow")] - fused, known.truth - fused
        along += float((towards * missing).double().sum())
        energy += float(towards.double().square().sum())
        left += float(missing.double().square().sum())
    # the ridge of the stack: as much of the error as of the difference it takes to move
    return min(1.0, max(0.0, along / (energy + LEAN_RIDGE * left + 1e-9)))


def agreement(candidates: Candidates) -> float:
    """PSNR, dB, between past and future where the narrow copy has both; 0 where it nowhere has."""
    narrow = candidates.copies["narrow"]
    both = narrow.past.reached & narrow.future.reached
    if not bool(both.any()):
        return 0.0
    past, future = (candidates.colours[name][both].double() for name in ("past", "future"))
    return decibels(float((past - future).square().mean()))


def fuse(
    nets: Committee,
    candidates: Candidates,
    told: Told | None = None,
    reliance: Reliance | None = None,
    parts: Tensor | None = None,
) -> Tensor:
    """``T 3 H W``: the hole filled; known pixels untouched; ``told`` gets to know what it is made of.

    Args:
        nets: What weighs the candidates.
        candidates: What is weighed.
        told: Gets to know.
        reliance: From :func:`rely`.
        parts: ``T 1 H W``, which part of the hole a pixel belongs to; None = it is one.
    """
    reliance = reliance or Reliance()
    result = candidates.frames.clone()
    source = Evidence(candidates)
    for frame in range(len(result)):
        hole = candidates.masks[frame, 0]
        if not hole.any():
            continue
        rows, evidence = candidates.rows_of(frame), source.of(frame)
        part = 0 if parts is None else parts[frame, 0].cpu()[hole].long()
        with torch.no_grad():
            weights = (1 - reliance.leaning) * smooth(reliance.weights(nets, evidence, part), hole)
        weights[:, NAMES.index("narrow")] += reliance.leaning
        fused = torch.zeros((len(evidence), 3))
        for k, name in enumerate(NAMES):
            fused.addcmul_(weights[:, k : k + 1], candidates.colours[name][rows].float())
        if told is not None:
            told.add(rows, weights, fused)
        result[frame][:, hole] = fused.clamp(0, 1).T.to(result)
    return result


def smooth(weights: Tensor, hole: Tensor) -> Tensor:
    """Average ``N K`` weights over a small box inside ``hole`` ``H W``; their sum stays 1."""
    maps = torch.zeros((1, weights.shape[1] + 1, *hole.shape))
    maps[0, :-1, hole] = weights.T
    maps[0, -1, hole] = 1.0
    mean = nn_functional.avg_pool2d(maps, SMOOTHING, 1, SMOOTHING // 2)[0][:, hole]
    return (mean[:-1] / mean[-1:].clamp(min=1e-6)).T
