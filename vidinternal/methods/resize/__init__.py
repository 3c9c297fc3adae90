"""Interpolation without learning: what every method that learns to upscale is held against."""

from vidinternal.core.imaging import ImageCard
from vidinternal.methods.resize.config import Config

CARDS = (
    ImageCard(
        name="bicubic",
        task="upscale",
        summary="Cubic interpolation (a = -0.5, as MATLAB's imresize): fast, soft, learns nothing",
        config=Config,
        paper="keys1981cubic",
        tiles="own",
        bytes_per_pixel=160,
    ),
    ImageCard(
        name="lanczos",
        task="upscale",
        summary="Lanczos interpolation over 3 lobes: a little sharper than bicubic, rings a little, learns nothing",
        config=Config,
        tiles="own",
        bytes_per_pixel=160,
    ),
)
