"""``navier_stokes``: each frame filled from itself along its isophotes."""

from vidinternal.core.contracts import MethodCard
from vidinternal.methods.navier_stokes.config import Config

CARDS = (
    MethodCard(
        name="navier_stokes",
        task="inpaint",
        summary="Isophotes continued inwards, frame by frame (OpenCV).",
        config=Config,
        paper="bertalmio2001navier",
    ),
)
