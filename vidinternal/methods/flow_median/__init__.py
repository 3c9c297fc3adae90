"""Median over time along the motion."""

from vidinternal.core.contracts import MethodCard
from vidinternal.methods.flow_median.config import Config

CARDS = (
    MethodCard(
        name="flow_median",
        task="inpaint",
        summary="median of what the neighbouring frames show along the flow",
        config=Config,
    ),
)
