"""Objects followed by SAM 2 (``ravi2024sam2``), with weights the user supplies."""

from vidinternal.core.contracts import MethodCard
from vidinternal.methods.sam2.config import Config

CARDS = (
    MethodCard(
        name="sam2",
        task="masks",
        summary="Follows objects from --object or --hints by SAM 2, with a weights file you supply.",
        config=Config,
        paper="ravi2024sam2",
        needs=("weights", "network"),
        searches=True,
    ),
)
