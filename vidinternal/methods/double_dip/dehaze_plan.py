"""How dehazing is trained: the published schedule, and one that is near it in a fraction of the time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from vidinternal.methods.double_dip.config import DehazeConfig

JITTER = 1 / 30
"""Of the input of the image's network, as published; that of the transmission has none."""


@dataclass(frozen=True)
class Schedule:
    """What a preset says, with what the settings say laid over it.

    Attributes:
        iterations: Of every pass at the beginning of a shot.
        warm: Of every pass where the networks go on.
        rate: Adam's learning rate.
        side: Longest side that the networks see, pixels.
        passes: 1 or 2.
        learned: Whether the last pass learns the airlight as a map.
        feed: What the networks are fed: noise, as published, or the hazy picture, as ZID does, which makes what they
            have learned of one frame hold for the next.
        w_dark: Weight of the clear picture's dark channel.
        w_hint: Weight of the transmission's hint, the dark channel prior's, at the beginning.
        hold: Share of that weight which stays when the hint has faded.
        jitter: Of the image's input.
        anneal: Whether the rate falls along a cosine.
    """

    iterations: int
    warm: int
    rate: float
    side: int
    passes: int
    learned: bool
    feed: Literal["noise", "picture"]
    w_dark: float
    w_hint: float
    hold: float
    jitter: float
    anneal: bool


_PRESETS = {
    "faithful": Schedule(4000, 500, 1e-3, 800, 2, True, "noise", 0.0, 0.0, 0.0, JITTER, anneal=False),
    "fast": Schedule(150, 30, 5e-3, 160, 1, False, "picture", 0.0, 1.0, 1.0, 0.0, anneal=True),
}


def schedule(config: DehazeConfig) -> Schedule:
    """The preset with the settings that are given laid over it."""
    own = _PRESETS[config.preset]
    if config.iterations is not None:
        own = replace(own, warm=min(own.warm, config.iterations))
    given = {
        "iterations": config.iterations,
        "warm": config.warm_iterations,
        "rate": config.learning_rate,
        "side": config.side,
        "passes": config.passes,
        "w_dark": config.w_dark,
        "learned": None if config.airlight_map is None else config.airlight_map == "learned",
    }
    return replace(own, **{name: value for name, value in given.items() if value is not None})
