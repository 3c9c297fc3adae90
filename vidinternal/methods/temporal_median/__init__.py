"""``temporal_median``: what the same place shows in other frames."""

from vidinternal.core.contracts import MethodCard
from vidinternal.methods.temporal_median.config import Config

CARDS = (
    MethodCard(
        name="temporal_median",
        task="inpaint",
        summary="Median of what the same place shows in other frames; the rest by Telea.",
        config=Config,
        paper=None,
    ),
)
