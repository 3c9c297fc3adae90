"""He's dark channel prior (``he2009dark``): haze taken off by what dark neighbourhoods tell, nothing is trained."""

from vidinternal.core.imaging import ImageCard
from vidinternal.methods.dark_channel.config import Config

CARDS = (
    ImageCard(
        name="dark_channel",
        task="dehaze",
        summary="dark channel prior, refined by a guided filter; quick, grey where there is sky",
        config=Config,
        paper="he2009dark",
        tiles="own",
        bytes_per_pixel=600,
        layers=("transmission", "airlight"),
    ),
)
