"""Zero-shot super-resolution by deep internal learning (``shocher2018zero``)."""

from vidinternal.core.imaging import ImageCard
from vidinternal.methods.zssr.config import Config

CARDS = (
    ImageCard(
        name="zssr",
        task="upscale",
        summary="a small network that learns from the picture itself how its details look when they are larger",
        config=Config,
        paper="shocher2018zero",
        trains=True,
        tiles="own",
        around=1,
        kernels=True,
        bytes_per_pixel=200,
        bytes_at_once=600,
    ),
)
