"""RAFT optical flow (``teed2020raft``) with weights the user supplies."""

from vidinternal.core.contracts import MethodCard
from vidinternal.methods.raft.config import Config

CARDS = (
    MethodCard(
        name="raft",
        task="flow",
        summary="RAFT (torchvision's network), with a weights file you supply",
        config=Config,
        paper="teed2020raft",
        needs=("weights",),
    ),
)
