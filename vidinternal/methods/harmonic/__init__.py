"""``harmonic``: each frame filled from itself by Laplace's equation."""

from vidinternal.core.contracts import MethodCard
from vidinternal.methods.harmonic.config import Config

CARDS = (
    MethodCard(
        name="harmonic",
        task="inpaint",
        summary="The smoothest continuation of each frame: Laplace's equation.",
        config=Config,
        paper=None,
    ),
)
