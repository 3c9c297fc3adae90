"""``propagation``: real pixels copied along the flow."""

from vidinternal.core.contracts import MethodCard
from vidinternal.methods.propagation.config import Config

CARDS = (
    MethodCard(
        name="propagation",
        task="inpaint",
        summary="Real pixels copied along chains of flow from both directions; the rest harmonic.",
        config=Config,
        paper="xu2019deep",
    ),
)
