"""Harmonic (membrane) fill, frame by frame."""

from vidinternal.core.contracts import MethodCard
from vidinternal.methods.harmonic.config import Config

CARDS = (
    MethodCard(
        name="harmonic",
        task="inpaint",
        summary="each frame from itself: Laplace's equation, the smoothest continuation",
        config=Config,
    ),
)
