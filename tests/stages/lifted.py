"""An image method that does nothing but remember what it was shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
import torch.nn.functional as nn_functional
from torch import Tensor

from vidinternal.core.config import StrictModel
from vidinternal.core.contracts import FitContext
from vidinternal.core.imaging import ImageCard, ImageMethod, ImageResult, ImageTask


class Settings(StrictModel):
    """Settings of the witness."""

    scale: int = 1
    """How much larger."""


CARD = ImageCard(name="witness", task="upscale", summary="remembers", config=Settings, layers=("ramp",), trains=True)


@dataclass
class Witness(ImageMethod):
    """Repeats pixels; its state counts the calls of its chain."""

    card: ImageCard = CARD
    seen: list[tuple[ImageTask, FitContext]] = field(default_factory=list)
    surveyed: int = 0

    @classmethod
    def of(cls, **card: Any) -> Witness:
        return cls(replace(CARD, **card))

    def size(self, config: Any, height: int, width: int) -> tuple[int, int]:
        return config.scale * height, config.scale * width

    def survey(self, frames: Tensor, config: Any, context: FitContext) -> Mapping[str, Tensor]:
        del config, context
        self.surveyed += 1
        return {"mean": frames.mean(dim=(0, 2, 3))}

    def apply(self, task: ImageTask, config: Any, context: FitContext) -> ImageResult:
        self.seen.append((task, context))
        count = 0 if task.previous is None else int(task.previous.state.get("count", 0))
        made = nn_functional.interpolate(task.frames, scale_factor=config.scale, mode="nearest")
        noise = torch.rand(made.shape, generator=torch.Generator().manual_seed(context.seed))
        return ImageResult(
            (made + 1e-3 * noise).clamp(0, 1),
            layers={"ramp": torch.full((len(made), 1, *made.shape[-2:]), min(1.0, count / 100))},
            state={"count": count + 1, "weight": torch.full((2,), float(count))},
            weights={"w": torch.full((3,), float(count))},
            signature="witness-1",
            iterations=10,
            notes=(f"call {count}", "plain"),
            facts={"count": count, "kind": "witness", "first": count == 0, "fine": True},
            warm=count > 0,
        )


def counts(witness: Witness) -> list[int]:
    """How long the chain was at every call."""
    return [0 if t.previous is None else int(t.previous.state.get("count", 0)) for t, _ in witness.seen]


def sliding(frames: int, height: int = 40, width: int = 56) -> Tensor:
    """A textured picture that slides two pixels a frame."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width + 2 * frames), indexing="ij")
    waves = [torch.sin(0.31 * x + 0.17 * y + k) + torch.sin(0.13 * x * (k + 1) - 0.23 * y) for k in range(3)]
    picture = torch.stack(waves) / 4 + 0.5
    return torch.stack([picture[:, :, 2 * t : 2 * t + width] for t in range(frames)])
