"""Telea's fast marching inpainting (``telea2004image``), frame by frame."""

from vidinternal.core.contracts import MethodCard
from vidinternal.methods.telea.config import Config

CARDS = (
    MethodCard(
        name="telea",
        task="inpaint",
        summary="each frame from itself: Telea's fast marching (OpenCV), quick and blurry",
        config=Config,
        paper="telea2004image",
    ),
)
