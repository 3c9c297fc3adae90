"""``raft``: RAFT flow with weights the user supplies."""

from vidinternal.core.contracts import MethodCard
from vidinternal.methods.raft.config import Config

CARDS = (
    MethodCard(
        name="raft",
        task="flow",
        summary="RAFT with weights you supply (torchvision).",
        config=Config,
        paper="teed2020raft",
        needs=("weights",),
    ),
)
