"""An internal learning approach to video inpainting (``zhang2019internal``): its four modes."""

from vidinternal.core.contracts import MethodCard
from vidinternal.methods.video_inpainting.config import (
    DipConfig,
    DipVid3dConfig,
    DipVidConfig,
    DipVidFlowConfig,
)

_PAPER = "zhang2019internal"
_WORK_SIDE = 448  # the paper's own frames are 384 x 192; the network sees no farther at larger sizes

CARDS = (
    MethodCard(
        name="dip",
        task="inpaint",
        summary="Deep Image Prior: a new network for every frame (slow; the paper's first baseline)",
        config=DipConfig,
        paper=_PAPER,
        trains=True,
        work_side=_WORK_SIDE,
        bytes_at_once=4_000,
    ),
    MethodCard(
        name="dip_vid",
        task="inpaint",
        summary="one network trained on all frames, image term only (the paper's DIP-Vid)",
        config=DipVidConfig,
        paper=_PAPER,
        trains=True,
        work_side=_WORK_SIDE,
        bytes_at_once=12_000,
    ),
    MethodCard(
        name="dip_vid_3d",
        task="inpaint",
        summary="the same with a 3-D network (the paper's DIP-Vid-3DCN)",
        config=DipVid3dConfig,
        paper=_PAPER,
        trains=True,
        work_side=_WORK_SIDE,
        bytes_at_once=20_000,
    ),
    MethodCard(
        name="dip_vid_flow",
        task="inpaint",
        summary="one network for frames and their optical flow, tied by consistency (the paper's DIP-Vid-Flow)",
        config=DipVidFlowConfig,
        paper=_PAPER,
        trains=True,
        work_side=_WORK_SIDE,
        bytes_at_once=12_000,
        flow_strides=(1, 3, 5),
    ),
)
