"""Dense Inverse Search optical flow (``kroeger2016fast``)."""

from vidinternal.core.contracts import MethodCard
from vidinternal.methods.dis.config import Config

CARDS = (
    MethodCard(
        name="dis",
        task="flow",
        summary="Dense Inverse Search (OpenCV): fast, classical, needs no weights",
        config=Config,
        paper="kroeger2016fast",
    ),
)
