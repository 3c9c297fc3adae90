"""The registry's entry point: one noisy picture at a time, alone or in its shot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vidinternal.core.contracts import FitContext, HistoryPoint, decibels
from vidinternal.core.errors import UsageError
from vidinternal.core.imaging import ImageCard, ImageMethod, ImageResult, ImageTask
from vidinternal.core.seeds import generator
from vidinternal.learn.checkpoint import restore, snapshot
from vidinternal.learn.pace import Pace, require_time
from vidinternal.learn.precision import arithmetic
from vidinternal.learn.state_tree import from_tree, network_tree, optimiser_tree, restore_optimiser, to_tree
from vidinternal.learn.warm_start.door import Begun, begin
from vidinternal.methods.zs_n2n import CARDS
from vidinternal.methods.zs_n2n.config import Config
from vidinternal.methods.zs_n2n.network import NoiseNet
from vidinternal.methods.zs_n2n.objective import agreement, total_loss

LEAST_SIDE = 4
"""Pixels of a side below which there are no halves to learn from."""
LOOK_EVERY = 100
LATER = 0.25
"""Step size on later pictures, of that on the first."""
_PIECE = "zs-n2n"


@dataclass(frozen=True)
class ZeroShotNoise2Noise(ImageMethod):
    """Zero-Shot Noise2Noise.

    Attributes:
        card: Its card.
    """

    card: ImageCard = CARDS[0]

    def check(self, config: Config, height: int, width: int) -> tuple[str, ...]:
        """Tell what becomes of pictures that are too small to learn from."""
        del config
        return (_too_small(height, width),) if min(height, width) < LEAST_SIDE else ()

    def apply(self, task: ImageTask, config: Config, context: FitContext) -> ImageResult:
        """Train on the picture's two halves, and take off what the network holds for noise.

        Raises:
            UsageError: Not one RGB picture.
            BudgetError: No time is left.
        """
        if task.frames.ndim != 4 or task.frames.shape[:2] != (1, 3) or not task.frames.numel():
            raise UsageError("zs_n2n", expected="one picture, 1 3 h w", got=str(tuple(task.frames.shape)))
        require_time(context.budget)
        height, width = task.frames.shape[-2:]
        if min(height, width) < LEAST_SIDE:
            return ImageResult(task.frames.float().clamp(0, 1), notes=(_too_small(height, width),))
        return _Job(task, config, context).result()


def _too_small(height: int, width: int) -> str:
    return f"{width}x{height} pixels are too few to learn from: left as they are"


class _Job:
    """One picture."""

    def __init__(self, task: ImageTask, config: Config, context: FitContext) -> None:
        self.task, self.config, self.context = task, config, context
        self.frame = task.frames.float()
        self.net = NoiseNet(config.channels, generator(context.seed, "weights"))
        self.net.to(device=context.device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.state = self._carried()
        self.begun = Begun(bool(self.state))
        self.random = generator(context.seed, "zs_n2n", "crops")
        self.pace = Pace(context.budget, config.frame_iterations if self.state else config.steps())
        self.rate = config.learning_rate * (LATER if self.state else 1.0)
        self.optimiser = torch.optim.Adam(self.net.parameters(), lr=self.rate)
        self.history: list[HistoryPoint] = []
        self.terms: dict[str, float] = {}
        sizes = "x".join(map(str, task.around.shape))
        self.fits = f"{self.net.signature}/{sizes}/{self.pace.cap}/{bool(self.state)}"
        # the pictures to draw from: this one as often as all the others
        others = [p for p in task.around.float() if not torch.equal(p, self.frame[0])]
        self.pictures = torch.stack([*[self.frame[0]] * max(1, len(others)), *others])

    def _carried(self) -> Mapping[str, Any]:
        """What the picture before left, where it is of the same network."""
        state = self.task.previous.state if self.task.previous is not None else {}
        return state if state.get("signature") == self.net.signature else {}

    def result(self) -> ImageResult:
        """Train, and denoise."""
        self._start()
        checkpoint = self.context.checkpoint
        # a step goes forward and back over a picture and its halves, rendering once forward over the whole picture
        side = min(self.config.crop, *self.frame.shape[-2:])
        reserve = 1 + self.frame[0, 0].numel() / (4.5 * side**2)
        while not (self.pace.over_cap() or self.pace.over_budget(reserve)):
            self._step()
            self.pace.tick()
            if self.pace.iteration % LOOK_EVERY == 0 or self.pace.over_cap():
                self._look()
            if checkpoint is not None:
                checkpoint.offer(_PIECE, self.fits, self._kept)
        clean, facts = self._clean()
        weights = snapshot(self.net)
        return ImageResult(
            frames=clean,
            state={"signature": self.net.signature, "weights": weights, "optimiser": self._moments()},
            weights=weights,
            signature=self.net.signature,
            stopped="iterations" if self.pace.over_cap() else "budget",
            iterations=self.pace.iteration,
            seconds=self.pace.seconds(),
            history=tuple(self.history),
            notes=(self.begun.note,) if self.begun.note else (),
            facts=facts,
            warm=self.begun.warm,
        )

    def _start(self) -> None:
        """Go on from a checkpoint, from the picture before, or from what finished windows offer."""
        saved = None if self.context.checkpoint is None else self.context.checkpoint.load(_PIECE, self.fits)
        if saved is not None:
            restore(self.net, saved["weights"], "checkpoint")
            restore_optimiser(self.optimiser, saved["optimiser"])
            self.random.set_state(saved["random"])
            self.pace.load_state(saved["pace"])
            self.history = from_tree(list[HistoryPoint], saved["history"])
            self.begun = Begun(*saved["begun"])
        elif self.state:
            restore(self.net, self.state["weights"], "weights of the picture before")
            restore_optimiser(self.optimiser, self.state["optimiser"])
        else:
            self.begun = begin(self.net, self.net.signature, self.context, self._score)

    def _score(self) -> float:
        """The objective on the picture itself, as dB: it never sees anything but noise, so it may be compared."""
        with torch.no_grad():
            value, _ = total_loss(self.net, _even(self.frame).to(self.context.device), self.config.consistency)
        return decibels(float(value))

    def _step(self) -> None:
        crop = self._crop().to(self.context.device).contiguous(memory_format=torch.channels_last)
        late = not self.state and self.pace.share() >= 0.5
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate * (0.5 if late else 1.0)

        def noise(x: Tensor) -> Tensor:
            with arithmetic(self.context.device, self.config.precision):
                return self.net(x).float()

        loss, terms = total_loss(noise, crop, self.config.consistency)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        self.terms = {name: float(value.detach()) for name, value in terms.items()}

    def _crop(self) -> Tensor:
        """``1 3 s s``: the whole picture in preset faithful, else a piece of one around it; even sides."""
        if self.config.preset == "faithful" and not self.state:
            return _even(self.frame)
        number = int(torch.randint(len(self.pictures), (1,), generator=self.random))
        places = []
        for length in self.pictures.shape[-2:]:
            side = min(self.config.crop, length) // 2 * 2
            begin_at = int(torch.randint(length - side + 1, (1,), generator=self.random))
            places.append(slice(begin_at, begin_at + side))
        return self.pictures[number : number + 1, :, places[0], places[1]]

    def _look(self) -> None:
        self.history.append(HistoryPoint(self.pace.iteration, self.pace.seconds(), dict(self.terms)))
        self.context.progress(self.pace.share(), f"iteration {self.pace.iteration}")
        self.pace.resume()

    def _clean(self) -> tuple[Tensor, dict[str, Any]]:
        """The picture without noise, and what was found; the one before has its share where the two agree."""
        with torch.no_grad():
            noise = self.net(self.frame.to(self.context.device)).cpu()
        level = float(noise.std())
        clean = (self.frame - noise).clamp(0, 1)
        facts: dict[str, Any] = {"noise_sigma": round(255 * level, 3)}
        previous = self.task.previous
        if previous is not None and self.config.temporal and previous.warped.shape == clean.shape:
            # of white noise a 3x3 mean leaves a third; half of that again over 5x5 pixels, in the mean of channels
            same = agreement(clean, previous.warped.float(), previous.valid, level / 4)
            clean = torch.lerp(clean, previous.warped.float(), self.config.temporal * same).clamp(0, 1)
            facts["agreement"] = round(float(same.mean()), 4)
        return clean, facts

    def _moments(self) -> dict[str, Any]:
        tree = optimiser_tree(self.optimiser)
        copies = [
            {k: v.detach().cpu().clone() if isinstance(v, Tensor) else v for k, v in s.items()} for s in tree["state"]
        ]
        return {"state": copies, "groups": tree["groups"]}

    def _kept(self) -> dict[str, Any]:
        return {
            "weights": network_tree(self.net),
            "optimiser": optimiser_tree(self.optimiser),
            "random": self.random.get_state(),
            "pace": self.pace.state(),
            "history": to_tree(self.history),
            "begun": [self.begun.warm, self.begun.note],
        }


def _even(picture: Tensor) -> Tensor:
    height, width = picture.shape[-2:]
    return picture[..., : height // 2 * 2, : width // 2 * 2]


METHODS = (ZeroShotNoise2Noise(),)
