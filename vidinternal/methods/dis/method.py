"""Dense Inverse Search, through :mod:`vidinternal.ops.dis`."""

from __future__ import annotations

import torch
from torch import Tensor

from vidinternal.core.contracts import FlowMethod
from vidinternal.methods.dis import CARDS
from vidinternal.methods.dis.config import Config
from vidinternal.ops.dis import dis_flow


class Dis(FlowMethod):
    """OpenCV's Dense Inverse Search, always on the CPU."""

    card = CARDS[0]

    def flow(self, source: Tensor, target: Tensor, config: Config, device: torch.device) -> Tensor:
        """Return ``N 2 H W`` pixels with ``target(p + F(p)) ~ source(p)``, on the device of ``source``."""
        return dis_flow(source, target, config.preset)


METHODS = (Dis(),)
