"""Objects followed through the clip from a hint: a box, points, a scribble, a polygon or a mask."""

from vidinternal.core.contracts import MethodCard
from vidinternal.methods.track.config import Config

CARDS = (
    MethodCard(
        name="track",
        task="masks",
        summary="Follows objects from --object or --hints: flow, and a small network trained on this clip alone.",
        config=Config,
        paper="perazzi2017masktrack",
        trains=True,
        searches=True,
    ),
)
