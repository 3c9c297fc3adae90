"""Copying known pixels along the flow, estimated again on what was copied."""

from vidinternal.core.contracts import MethodCard
from vidinternal.methods.propagation.config import Config

CARDS = (
    MethodCard(
        name="propagation",
        task="inpaint",
        summary="real pixels of other frames, copied along the flow; the rest continued smoothly",
        config=Config,
        paper="xu2019deep",
        bytes_per_pixel=360,
    ),
)
