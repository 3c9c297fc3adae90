"""Transparency: two pictures seen through each other, parted (``gandelsman2019double``).

Two mixtures of the same two layers, such as two photographs of one window, are ``I_k = a_k R + (1 - a_k) T`` with one
number ``a_k`` a mixture; a single mixture is ``I = R + T``. Frames of a clip share the networks: each frame has a row
of the slowly changing noise, and a number of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
import torch.nn.functional as nn_functional
from torch import Tensor, nn

from vidinternal.core.contracts import FitContext
from vidinternal.core.errors import UsageError
from vidinternal.core.imaging import ImageResult, ImageTask
from vidinternal.core.seeds import branch, generator
from vidinternal.methods.double_dip.config import SeparateConfig
from vidinternal.methods.double_dip.fit import Fit, FitSettings, Outcome, Phase, Seen, digest
from vidinternal.methods.double_dip.layers import LayerStack, correlated_noise, skip_config, uniform_noise
from vidinternal.methods.double_dip.objective import (
    alpha_of,
    alpha_prior,
    exclusion_loss,
    l1,
    layers_of_mixtures,
    mean_squared,
    mixed,
)
from vidinternal.methods.double_dip.shares import search_shares
from vidinternal.ops.resample import enlarge, working_size

LEAST_SIDE = 16
"""Smaller pictures are continued to this size by repeating their border."""
HINTED = 1000
"""Steps for which the shares are held near a half."""
GROUP = 8
"""Most pictures of a group, as on the card: numbers learned for each picture have as many places."""
SAME = 1.0 / 255
"""Mean difference of two mixtures below which the second tells nothing."""
AMBIGUOUS = (
    "one mixture alone does not tell its layers: others add up to the same picture, and how bright each is stays open"
)


@dataclass(frozen=True)
class Preset:
    """A schedule.

    Attributes:
        one: Steps for a single mixture.
        two: Steps for two mixtures.
        later: Steps for a group that goes on from the one before.
        side: Longest side that the networks see, pixels; 0 = all of it.
        kernel: Side of the kernels.
        rates: Adam's, for one and for two mixtures.
        shares: How those of two mixtures are found.
        drawn_shares: Whether a share that is learned is the centre of what a network draws, as published, or a number.
    """

    one: int
    two: int
    later: int
    side: int
    kernel: int
    rates: tuple[float, float]
    shares: Literal["searched", "learned"]
    drawn_shares: bool


PRESETS = {
    "faithful": Preset(8000, 7000, 2000, 0, 5, (5e-4, 1e-3), "learned", drawn_shares=True),
    "fast": Preset(1500, 1000, 300, 256, 3, (2e-3, 2e-3), "searched", drawn_shares=False),
}


def check(config: SeparateConfig, height: int, width: int) -> tuple[str, ...]:
    """Tell at what size the networks see a picture."""
    size = working_size(height, width, _side(config))
    if size == (height, width):
        return ()
    return (
        f"networks part a picture at {size[1]}x{size[0]}; a larger `separate.side` parts more of its detail, and takes"
        " longer",
    )


def apply(task: ImageTask, config: SeparateConfig, context: FitContext) -> ImageResult:
    """Part the pictures of a group into ``first`` and ``second``; the result's frames are the first.

    With a guide, the second mixture, ``first`` is the layer of which the frames show more than the guide does. Without,
    it is the brighter one; groups that follow keep the order.

    Raises:
        UsageError: The second mixture differs in number or size, or is the first once more.
    """
    started = time.monotonic()
    if task.guide is None:
        found = _trained(task, config, context)
    else:
        _check_guide(task.frames, task.guide)
        how = config.shares or PRESETS[config.preset].shares
        found = _trained(task, config, context) if how == "learned" else _solved(task, task.guide, context)
    return replace(found, seconds=time.monotonic() - started)


def _check_guide(frames: Tensor, guide: Tensor) -> None:
    if guide.shape != frames.shape:
        raise UsageError(
            "second mixture",
            expected=f"the size of the first, {_words(frames)}",
            got=_words(guide),
            hint="crop or scale one of them so that they lie on each other",
        )
    if float((frames - guide).abs().mean()) < SAME:
        raise UsageError(
            "second mixture",
            expected="the same two layers, mixed otherwise",
            got="the same picture as the first",
            hint="leave the second mixture out: a single one is parted too, though less surely",
        )


def _solved(task: ImageTask, guide: Tensor, context: FitContext) -> ImageResult:
    """Two mixtures: the shares are searched, the layers follow exactly."""
    before = None if task.previous is None else task.previous.state.get("shares")
    one, other = task.frames.to(context.device), guide.to(context.device)
    pair = search_shares(one, other, None if before is None else (float(before[0]), float(before[1])))
    first, second = (t.to(task.frames.device) for t in layers_of_mixtures(one, other, torch.tensor([pair])))
    context.progress(1.0, f"shares {pair[0]:.2f} and {pair[1]:.2f}")
    return ImageResult(
        frames=first,
        layers={"first": first.clone(), "second": second},
        state={"shares": list(pair)},
        facts={"first_share": [[round(a, 3) for a in pair]] * len(first), "shares": "searched"},
        warm=before is not None,
    )


def _trained(task: ImageTask, config: SeparateConfig, context: FitContext) -> ImageResult:
    """A network a layer, trained until they add up."""
    parting = _Parting(task, config, context)
    outcome = parting.fit.run()
    layers, shares = [outcome.out[name] for name in ("first", "second")], parting.learned(outcome)
    swapped = _swapped(task, layers, shares)
    if swapped:
        layers, shares = layers[::-1], 1 - shares
    height, width = task.frames.shape[-2:]
    gain = 1.0 if parting.weighted else config.gain
    first, second = (_unpadded(gain * layer, (height, width), config).clamp(0, 1) for layer in layers)
    notes = [outcome.begun.note] if outcome.begun.note else []
    if task.guide is None and task.previous is None:
        notes.append(AMBIGUOUS)
    return ImageResult(
        frames=first,
        layers={"first": first.clone(), "second": second},
        state={"fit": outcome.state, "swapped": swapped},
        weights=outcome.weights,
        signature=outcome.signature,
        stopped=outcome.stopped,
        iterations=outcome.iterations,
        history=outcome.history,
        notes=tuple(notes),
        facts={
            "mixture_psnr": round(outcome.psnr, 2),
            "first_share": [[round(float(a), 3) for a in row] for row in shares],
            "shares": "learned" if parting.weighted else "a sum",
        },
        warm=outcome.begun.warm,
    )


class _Parting:
    """Networks and schedule of one group.

    Args:
        task: The group.
        config: Settings.
        context: Of the fit.

    Attributes:
        weighted: Whether mixtures have shares; a picture by itself is a plain sum of its layers.
    """

    def __init__(self, task: ImageTask, config: SeparateConfig, context: FitContext) -> None:
        self.task, self.config = task, config
        self.preset = PRESETS[config.preset]
        self.two = task.guide is not None
        self.weighted = self.two or len(task.frames) > 1 or task.previous is not None
        self.mixtures = [_seen(t, config).to(context.device) for t in (task.frames, task.guide) if t is not None]
        self.names = ("share1", "share2") if self.two else ("share1",) if self.weighted else ()
        self.stack = self._stack(branch(context.seed, "separate"))
        settings = FitSettings(
            "separate",
            count=len(task.frames),
            precision=config.precision,
            previous=self._previous(),
            digest=digest(task.frames, task.guide),
        )
        self.fit = Fit(self.stack, (self._phase(),), context, settings)

    def _previous(self) -> Mapping[str, Any] | None:
        return None if self.task.previous is None else self.task.previous.state.get("fit")

    def _phase(self) -> Phase:
        preset, config = self.preset, self.config
        steps = config.iterations or (preset.two if self.two else preset.one)
        if self._previous() is not None:
            steps = config.warm_iterations or min(steps, preset.later)
        rate = config.learning_rate or preset.rates[self.two]
        plain = Phase("separate", steps, rate, self._terms, self._weights, self._mixture)
        return plain if self.two else replace(plain, jitter=_jitter, turns=_turn)

    def _stack(self, seed: int) -> LayerStack:
        count, _, height, width = self.mixtures[0].shape
        stack = LayerStack(seed)
        before = (self._previous() or {}).get("inputs", {})
        drawn = self.names if self.preset.drawn_shares else ()
        for name, channels in (("first", 3), ("second", 3), *((k, 1) for k in drawn)):
            random = generator(seed, "noise", name)
            shape = 2 if self.two else 3, height, width
            if count == 1 and name not in before:
                z = uniform_noise((1, *shape), random)
            else:
                z = correlated_noise(count, shape, random, before=before.get(name))
            stack.add(name, skip_config(shape[0], channels, (height, width), kernel=self.preset.kernel), z)
        for name in self.names if not drawn else ():
            stack.register_parameter(name, nn.Parameter(torch.zeros(GROUP)))
        return stack

    def _alphas(self, rows: Tensor, out: Mapping[str, Tensor]) -> list[Tensor]:
        """``N 1 1 1`` for every mixture."""
        if self.preset.drawn_shares:
            return [alpha_of(out[name]) for name in self.names]
        numbers = [torch.sigmoid(self.stack.get_parameter(name)) for name in self.names]
        return [alpha_of(n[rows.to(n.device)].view(-1, 1, 1, 1)) for n in numbers]

    def _mixed(self, seen: Seen) -> list[Tensor]:
        """What the layers mix to, a tensor for every mixture."""
        first, second = seen.out["first"], seen.out["second"]
        if not self.weighted:
            return [first + second]
        return [mixed(alpha, first, second) for alpha in self._alphas(seen.rows, seen.out)]

    def _targets(self, seen: Seen) -> list[Tensor]:
        return [seen.turned(m) for m in self.mixtures]

    def _terms(self, seen: Seen) -> Mapping[str, Callable[[], Tensor]]:
        error = mean_squared if self.two else l1
        pairs = list(zip(self._mixed(seen), self._targets(seen), strict=True))
        terms: dict[str, Callable[[], Tensor]] = {
            "Rec": lambda: torch.stack([error(made, wanted) for made, wanted in pairs]).sum(),
            "Excl": lambda: exclusion_loss(seen.out["first"], seen.out["second"]),
        }
        if self.weighted:
            alphas = self._alphas(seen.rows, seen.out)
            terms["alpha"] = lambda: torch.stack([alpha_prior(a) for a in alphas]).sum()
        return terms

    def _weights(self, iteration: int) -> Mapping[str, float]:
        usual = 0.1 if self.two else 0.01
        weights = {"Rec": 1.0, "Excl": usual if self.config.exclusion is None else self.config.exclusion}
        if self.weighted:
            hinted = iteration < HINTED and self.task.previous is None
            weights["alpha"] = 0.5 if hinted else 0.0
        return weights

    def _mixture(self, seen: Seen) -> tuple[Tensor, Tensor]:
        return torch.cat(self._mixed(seen)), torch.cat(self._targets(seen))

    def learned(self, outcome: Outcome) -> Tensor:
        """``N M``: how much of the first layer is in each mixture of each picture; a half where it is a plain sum."""
        count = len(self.task.frames)
        if not self.weighted:
            return torch.full((count, 1), 0.5)
        with torch.no_grad():
            return torch.cat([a.flatten(1).cpu() for a in self._alphas(torch.arange(count), outcome.out)], dim=1)


def _side(config: SeparateConfig) -> int:
    return PRESETS[config.preset].side if config.side is None else config.side


def _seen(frames: Tensor, config: SeparateConfig) -> Tensor:
    """The pictures as the networks see them: shrunk to the side, tiny ones continued by their border."""
    size = working_size(frames.shape[-2], frames.shape[-1], _side(config))
    small = frames if size == tuple(frames.shape[-2:]) else nn_functional.interpolate(frames, size, mode="area")
    pad = [max(0, LEAST_SIDE - s) for s in size]
    return nn_functional.pad(small, (0, pad[1], 0, pad[0]), mode="replicate") if any(pad) else small


def _unpadded(layer: Tensor, size: tuple[int, int], config: SeparateConfig) -> Tensor:
    small = working_size(*size, _side(config))
    return enlarge(layer[..., : small[0], : small[1]], size)


def _swapped(task: ImageTask, layers: list[Tensor], shares: Tensor) -> bool:
    """Whether the network called second drew what people get as the first."""
    if task.previous is not None and "swapped" in task.previous.state:
        return bool(task.previous.state["swapped"])
    if task.guide is not None:
        return float((shares[:, 0] - shares[:, 1]).mean()) < 0
    return float(layers[0].mean()) < float(layers[1].mean())


def _jitter(iteration: int) -> float:
    return 1e-3 * (iteration // 100) if iteration < HINTED else 1e-3


def _turn(iteration: int) -> int:
    return (iteration // 2) % 8 if iteration % 2 == 0 else 0


def _words(frames: Tensor) -> str:
    return f"{len(frames)} picture(s) of {frames.shape[-1]}x{frames.shape[-2]}"
