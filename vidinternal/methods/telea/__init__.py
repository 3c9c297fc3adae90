"""``telea``: each frame filled from itself by fast marching."""

from vidinternal.core.contracts import MethodCard
from vidinternal.methods.telea.config import Config

CARDS = (
    MethodCard(
        name="telea",
        task="inpaint",
        summary="Fast marching inwards, frame by frame (OpenCV).",
        config=Config,
        paper="telea2004image",
    ),
)
