"""Fathers and what the network sees of their sons; where nothing is interpolated, sons are made for whole pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from vidinternal.methods.zssr.augment import Exact, Fathers, Source
from vidinternal.methods.zssr.objective import father_to_son, son_size
from vidinternal.methods.zssr.render import Finish, network_input

MOST_PIXELS = 1 << 22
"""Pixels of all phases of a picture whose sons are kept; larger ones are shrunk crop by crop."""
_WORTH = 0.5  # kept are sons that cost no more than such a share of what is drawn of them

Noise = Callable[[tuple[int, ...]], Tensor]
"""Noise of a size."""


@dataclass(frozen=True)
class Sons:
    """How sons come to be.

    Attributes:
        finish: Factor, blur and what the network is shown.
        device: Where they are made.
        noise: What is added to them, new for every crop; None = nothing.
        crops: How many fathers are going to be drawn; 0 = no sons are kept, each crop is shrunk by itself.
    """

    finish: Finish
    device: torch.device
    noise: Noise | None = None
    crops: int = 0


class Pairs:
    """Draws fathers with what the network sees of their sons.

    A crop that is only cut, turned and mirrored has the same son whether it is cut before or after shrinking, if it
    lies on whole pixels of the son. So the sons of all phases are made once, for the whole picture, and what lies
    around a crop is there instead of a mirror. Crops that are scaled or leaning, noisy sons, and factors that are not
    whole are shrunk one by one.

    Args:
        fathers: Where crops come from.
        sons: How they are shrunk.
    """

    def __init__(self, fathers: Fathers, sons: Sons) -> None:
        self.fathers, self.sons = fathers, sons
        vertical, horizontal = (round(f) for f in sons.finish.sf)
        self._steps = (vertical, horizontal)
        fit = all(s == f and not fathers.crop % s for s, f in zip(self._steps, sons.finish.sf, strict=True))
        fit = fit and sons.noise is None and (vertical == horizontal or not fathers.how.rotation)
        self._kept = {id(s) for s in fathers.sources if fit and self._worth(s)}
        self._planes: dict[tuple[int, int, int], Tensor] = {}

    def draw(self, count: int) -> tuple[Tensor, Tensor]:
        """``count 3 c c`` twice, on the device: fathers, and what the network sees of their sons."""
        fathers: list[Tensor] = []
        seen: list[Tensor] = []
        rest: list[Tensor] = []
        for _ in range(count):
            drawn = self.fathers.pick()
            if isinstance(drawn, Exact) and id(drawn.source) in self._kept:
                fathers.append(self.fathers.cut(drawn).to(self.sons.device))
                seen.append(self._seen(drawn))
            else:
                rest.append(self.fathers.cut(drawn) if isinstance(drawn, Exact) else drawn)
        if rest:
            crops = torch.stack(rest).to(self.sons.device)
            fathers += list(crops)
            seen += list(self._inputs(crops))
        return torch.stack(fathers), torch.stack(seen)

    def _worth(self, source: Source) -> bool:
        height, width = source.picture.shape[-2:]
        made = self._steps[0] * self._steps[1] * height * width
        share = source.weight / sum(s.weight for s in self.fathers.sources)
        drawn = self.sons.crops * self.fathers.exact * share * self.fathers.crop**2
        return made <= min(MOST_PIXELS, _WORTH * drawn)

    def _seen(self, crop: Exact) -> Tensor:
        (vertical, horizontal), side = self._steps, self.fathers.crop
        down, across = crop.top % vertical, crop.left % horizontal
        key = (id(crop.source), down, across)
        if key not in self._planes:
            part = crop.source.picture[None, :, down:, across:]
            rows, columns = part.shape[-2] // vertical * vertical, part.shape[-1] // horizontal * horizontal
            self._planes[key] = self._inputs(part[..., :rows, :columns].to(self.sons.device))[0]
        top, left = crop.top - down, crop.left - across
        return crop.turned(self._planes[key][:, top : top + side, left : left + side])

    def _inputs(self, fathers: Tensor) -> Tensor:
        finish, size = self.sons.finish, (fathers.shape[-2], fathers.shape[-1])
        noise = None
        if self.sons.noise is not None:
            noise = self.sons.noise((*fathers.shape[:2], *son_size(*size, finish.sf))).to(fathers)
        return network_input(father_to_son(fathers, finish.sf, finish.kernel, noise), size, finish)
