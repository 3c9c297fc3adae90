"""GrabCut (``rother2004grabcut``): an object cut out by the colours of it and of the rest; nothing is trained."""

from vidinternal.core.imaging import ImageCard
from vidinternal.methods.grabcut.config import Config

CARDS = (
    ImageCard(
        name="grabcut",
        task="segment",
        summary="GrabCut (OpenCV): colours of the object against colours of the rest; quick, needs no training",
        config=Config,
        paper="rother2004grabcut",
        tiles="own",
        layers=("mask",),
        hints="optional",
    ),
)
