"""Navier-Stokes inpainting (``bertalmio2001navier``), frame by frame."""

from vidinternal.core.contracts import MethodCard
from vidinternal.methods.navier_stokes.config import Config

CARDS = (
    MethodCard(
        name="navier_stokes",
        task="inpaint",
        summary="each frame from itself: isophotes continued by Navier-Stokes (OpenCV), quick and blurry",
        config=Config,
        paper="bertalmio2001navier",
    ),
)
