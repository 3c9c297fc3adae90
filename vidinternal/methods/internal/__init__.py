"""``internal``: motion first, then a small generator for what nobody saw, stacked by what they do on held-out holes."""

from vidinternal.core.contracts import MethodCard
from vidinternal.methods.internal.config import Config

CARDS = (
    MethodCard(
        name="internal",
        task="inpaint",
        summary="Copies real pixels along the flow, trains a small generator on the clip for the rest, weighs both.",
        config=Config,
        paper="zhang2019internal",
        trains=True,
        bytes_per_pixel=760,
    ),
)
