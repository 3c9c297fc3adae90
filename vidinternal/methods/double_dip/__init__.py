"""Double-DIP (``gandelsman2019double``): a picture as a mixture of layers, each drawn by a network of its own."""

from vidinternal.core.imaging import ImageCard
from vidinternal.methods.double_dip.config import DehazeConfig, SegmentConfig, SeparateConfig, WatermarkConfig

_PAPER = "gandelsman2019double"

CARDS = (
    ImageCard(
        name="double_dip",
        task="dehaze",
        summary="Double-DIP: the clear picture, the transmission and the airlight, a network each",
        config=DehazeConfig,
        paper=_PAPER,
        trains=True,
        group=4,
        tiles="own",
        bytes_per_pixel=500,
        layers=("transmission", "airlight"),
    ),
    ImageCard(
        name="double_dip",
        task="segment",
        summary="Double-DIP: the object and the rest, a network each, and the mask between them",
        config=SegmentConfig,
        paper=_PAPER,
        trains=True,
        tiles="own",
        bytes_per_pixel=500,
        layers=("mask",),
        hints="optional",
    ),
    ImageCard(
        name="double_dip",
        task="separate",
        summary="Double-DIP: a picture and its reflection parted, from one mixture or two",
        config=SeparateConfig,
        paper=_PAPER,
        trains=True,
        group=8,
        tiles="own",
        layers=("first", "second"),
        guided=True,
    ),
    ImageCard(
        name="double_dip",
        task="restore",
        summary="Double-DIP: a watermark taken off, from one picture with a hint or from several that share it",
        config=WatermarkConfig,
        paper=_PAPER,
        trains=True,
        group=8,
        tiles="own",
        layers=("mark", "mask"),
        hints="optional",
    ),
)
