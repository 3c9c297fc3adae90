"""Dehazing by the dark channel prior: airlight once a shot, transmission picture by picture."""

from __future__ import annotations

import time
from collections.abc import Mapping

from torch import Tensor

from vidinternal.core.contracts import FitContext
from vidinternal.core.imaging import ImageMethod, ImageResult, ImageTask
from vidinternal.methods.dark_channel import CARDS
from vidinternal.methods.dark_channel.config import Config
from vidinternal.methods.dark_channel.objective import airlight, clear, transmission
from vidinternal.ops.dark_channel import light_map, mean_light
from vidinternal.ops.guided_filter import guided_filter

HARDLY = 0.97
"""Mean transmission above which there is next to no haze."""
FILTERED_AT = 640
"""Longer side, pixels, at which the guided filter makes its statistics: the result hardly changes, the cost does."""


class DarkChannel(ImageMethod):
    """He's dark channel prior."""

    card = CARDS[0]

    def survey(self, frames: Tensor, config: Config, context: FitContext) -> Mapping[str, Tensor]:
        """The airlight of a shot, ``airlight`` of 3 numbers: one for all its frames, so that colours do not flicker."""
        del context
        return {"airlight": airlight(frames, config.patch, config.airlight_share)}

    def apply(self, task: ImageTask, config: Config, context: FitContext) -> ImageResult:
        """Take the haze off. Pictures that nobody surveyed tell their airlight themselves."""
        started = time.monotonic()
        frames = task.frames.to(context.device)
        light = task.shot.get("airlight")
        light = (airlight(frames, config.patch, config.airlight_share) if light is None else light).to(frames)
        t = transmission(frames, light, config.patch, config.omega)
        if config.radius:
            coarser = max(1, round(max(frames.shape[-2:]) / FILTERED_AT))
            t = guided_filter(frames, t, config.radius, config.epsilon, coarser).clamp(0, 1)
        scene = clear(frames, light, t, config.least_transmission)
        context.progress(1.0, "haze taken off")
        mean = float(t.mean())
        told = f"next to no haze was found: {100 * mean:.0f} % of the light arrives"
        where = task.frames.device
        return ImageResult(
            frames=scene.to(where),
            layers={"transmission": t.to(where), "airlight": light_map(light, frames).to(where)},
            seconds=time.monotonic() - started,
            notes=(told,) if mean > HARDLY else (),
            facts={"airlight": mean_light(light), "mean_transmission": round(mean, 4)},
        )


METHODS = (DarkChannel(),)
