"""``zs_n2n``: Zero-Shot Noise2Noise, a small network that learns from two halves of the noisy picture itself."""

from vidinternal.core.imaging import ImageCard
from vidinternal.methods.zs_n2n.config import Config

CARDS = (
    ImageCard(
        name="zs_n2n",
        task="denoise",
        summary="A small network learns what two halves of the noisy picture share; quick, and goes on along a clip",
        config=Config,
        paper="mansour2023zsn2n",
        trains=True,
        around=1,
        bytes_per_pixel=120,
        bytes_at_once=900,
    ),
)
