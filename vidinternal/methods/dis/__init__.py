"""``dis``: Dense Inverse Search flow."""

from vidinternal.core.contracts import MethodCard
from vidinternal.methods.dis.config import Config

CARDS = (
    MethodCard(
        name="dis",
        task="flow",
        summary="Dense Inverse Search (OpenCV).",
        config=Config,
        paper="kroeger2016fast",
    ),
)
