"""Deep Image Prior (``ulyanov2018deep``): an untrained network fitted to one picture, and stopped in time."""

from vidinternal.core.imaging import ImageCard
from vidinternal.methods.dip.config import DenoiseConfig, RestoreConfig, UpscaleConfig

_PAPER = "ulyanov2018deep"
# Measured at 256x256 with the published networks in float32, the widest 14,600; the fast ones take 3,000 to 4,000.
_PER_PIXEL, _AT_ONCE = 400, 14_000

CARDS = (
    ImageCard(
        name="dip",
        task="denoise",
        summary="Deep Image Prior: a network fitted to the noisy picture, stopped before it fits the noise",
        config=DenoiseConfig,
        paper=_PAPER,
        trains=True,
        bytes_per_pixel=_PER_PIXEL,
        bytes_at_once=_AT_ONCE,
    ),
    ImageCard(
        name="dip",
        task="upscale",
        summary="Deep Image Prior: whole factors, a picture that shrinks to the one given",
        config=UpscaleConfig,
        paper=_PAPER,
        trains=True,
        kernels=True,
        bytes_per_pixel=_PER_PIXEL,
        bytes_at_once=_AT_ONCE,
    ),
    ImageCard(
        name="dip",
        task="restore",
        summary="Deep Image Prior: holes, missing pixels, JPEG artefacts, flash pairs, features of a classifier",
        config=RestoreConfig,
        paper=_PAPER,
        trains=True,
        hints="optional",
        guided=True,
        bytes_per_pixel=_PER_PIXEL,
        bytes_at_once=_AT_ONCE,
    ),
)
