"""Burnt-in text, the boxes behind it, and logos: found without being told where they are."""

from vidinternal.core.contracts import MethodCard
from vidinternal.methods.subtitles.config import Config

CARDS = (
    MethodCard(
        name="subtitles",
        task="masks",
        summary="finds burnt-in text of any script, boxes behind it, and logos",
        config=Config,
        searches=True,
    ),
)
