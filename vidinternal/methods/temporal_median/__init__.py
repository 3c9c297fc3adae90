"""Median over time at the same place."""

from vidinternal.core.contracts import MethodCard
from vidinternal.methods.temporal_median.config import Config

CARDS = (
    MethodCard(
        name="temporal_median",
        task="inpaint",
        summary="median of what all frames show at the same place; for a camera that stands still",
        config=Config,
    ),
)
