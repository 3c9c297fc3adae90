"""``kernelgan``: the blur kernel of a shot, learned from how patches recur across scales of its own pictures."""

from vidinternal.core.contracts import MethodCard
from vidinternal.methods.kernelgan.config import Config

CARDS = (
    MethodCard(
        name="kernelgan",
        task="kernel",
        summary="Estimates the blur kernel by an internal GAN: a picture shrunk by it should look like the picture.",
        config=Config,
        paper="bellkligler2019kernelgan",
        trains=True,
        bytes_per_pixel=120,
    ),
)
