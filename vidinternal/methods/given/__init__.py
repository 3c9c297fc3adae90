"""Masks as they were given: a file (``--mask``) and rectangles (``--region``)."""

from vidinternal.core.contracts import MethodCard
from vidinternal.methods.given.config import Config

CARDS = (
    MethodCard(
        name="given",
        task="masks",
        summary="what --mask (video, image or folder) and --region cover",
        config=Config,
    ),
)
