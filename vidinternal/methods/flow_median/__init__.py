"""``flow_median``: what neighbouring frames show along the flow."""

from vidinternal.core.contracts import MethodCard
from vidinternal.methods.flow_median.config import Config

CARDS = (
    MethodCard(
        name="flow_median",
        task="inpaint",
        summary="Median of what the neighbouring frames show along the flow; the rest by Telea.",
        config=Config,
        paper="xu2019deep",
    ),
)
