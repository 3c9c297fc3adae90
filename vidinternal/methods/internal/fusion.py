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
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import torch
import torch.nn.functional as nn_functional
from safetensors.torch import load
from torch import Tensor, nn

from vidinternal.core.contracts import Holdout, decibels
from vidinternal.core.seeds import branch, generator
from vidinternal.methods.internal.candidates import NAMES, Candidates, under_the_hole
from vidinternal.methods.internal.coarse import Coarse
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


def adapt(blind: Coarse, holdout: Holdout | None, seed: int) -> Committee:
    """The fusion for this window: the networks as shipped, and as its held-out holes pull them.

    Those alone over-fit where the held-out places are unlike the hole, and the others know nothing of the clip: the
    mean of both came out best.
    """
    nets = start_nets()
    if holdout is None:
        return nets
    where, truth = blind.known(holdout)
    if int(where.sum()) < LEAST_PIXELS:
        return nets
    known = examples(blind.made, where, truth, seed)
    return (*nets, *(fit_fusion(net, known, branch(seed, k)) for k, net in enumerate(start_nets())))


def lean(nets: Committee, blind: Coarse, seeing: Coarse, holdout: Holdout | None, seed: int) -> float:
    """How far the fusion leans on the narrow copy: ``w <- (1 - a) w + a e_narrow``, ``a`` by least squares.

    A committee never lets go of a candidate altogether, and a copy at 38 dB loses by what is mixed into it. ``a`` is
    fitted on the held-out holes, but used only where the real one gives reason to: where both ways of time show a pixel
    there, they agree to :data:`AGREED`. Elsewhere the copies of the hole have misled it. Where they do agree the copies
    of the hole may still lie on worse ground, and ``a`` is taken half way from what they say to all.
    """
    if holdout is None or agreement(seeing.made) < AGREED:
        return 0.0
    where, truth = blind.known(holdout)
    if int(where.sum()) < LEAST_PIXELS:
        return 0.0
    known = examples(blind.made, where, truth, seed, LEAN_PIXELS)
    with torch.no_grad():
        weights = torch.stack([net(known.evidence) for net in nets]).mean(dim=0)
    fused = (weights.unsqueeze(2) * known.colours).sum(dim=1)
    towards, missing = known.colours[:, NAMES.index("narrow")] - fused, known.truth - fused
    along, energy = float((towards * missing).double().sum()), float(towards.double().square().sum())
    # the ridge of the stack: as much of the error as of the difference it takes to move
    fitted = along / (energy + LEAN_RIDGE * float(missing.double().square().sum()) + 1e-9)
    return (1 + min(1.0, max(0.0, fitted))) / 2


def agreement(candidates: Candidates) -> float:
    """PSNR, dB, between past and future where the narrow copy has both; 0 where it nowhere has."""
    narrow = candidates.copies["narrow"]
    both = narrow.past.reached & narrow.future.reached
    if not bool(both.any()):
        return 0.0
    past, future = (candidates.colours[name][both].double() for name in ("past", "future"))
    return decibels(float((past - future).square().mean()))


def fuse(nets: Committee, coarse: Coarse, told: Told | None = None, leaning: float = 0.0) -> Tensor:
    """``T 3 H W``: the hole filled; known pixels untouched; ``told`` gets to know what it is made of.

    Args:
        nets: What weighs the candidates.
        coarse: What is weighed, and the cells on which that is decided.
        told: Gets to know.
        leaning: From :func:`lean`.
    """
    candidates = coarse.fine
    result = candidates.frames.clone()
    source = Evidence(coarse.made)
    for frame in range(len(result)):
        hole = candidates.masks[frame, 0]
        if not hole.any():
            continue
        rows, evidence = candidates.rows_of(frame), source.of(frame)
        with torch.no_grad():
            decided = smooth(torch.stack([net(evidence) for net in nets]).mean(dim=0), coarse.made.masks[frame, 0])
            weights = (1 - leaning) * coarse.spread_out(decided, frame)
        weights[:, NAMES.index("narrow")] += leaning
        fused = torch.zeros((len(weights), 3))
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
