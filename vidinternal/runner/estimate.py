"""What a job will cost, from measured rates."""

from __future__ import annotations

from vidinternal.core.clip import ClipInfo
from vidinternal.runner.spec import PipelineSpec
from vidinternal.stages.artifacts import MaskTrack
from vidinternal.stages.shots import BYTES_PER_PIXEL

WRITING_SECONDS_PER_MEGAPIXEL = {
    "h264": 0.12,
    "hevc": 0.45,
    "av1": 0.6,
    "vp9": 0.6,
    "prores": 0.12,
    "ffv1": 0.1,
}
"""Decode, composite and encode of a megapixel on two CPU cores at the default quality; a reserve, not a promise."""


def writing_seconds(info: ClipInfo, frames: int, spec: PipelineSpec) -> float:
    """Seconds to set aside for compositing and encoding the whole clip."""
    encode = spec.stage("encode")
    rate = WRITING_SECONDS_PER_MEGAPIXEL[encode.config.codec] if encode else 0.0
    return 0.5 + frames * info.width * info.height / 1e6 * rate


def memory_bytes(track: MaskTrack) -> int:
    """Working memory of a window, bytes: its work area with flows and candidates, and its masks."""
    if track.box is None:
        return 0
    y0, y1, x0, x1 = track.box
    return len(track.masks) * (y1 - y0) * (x1 - x0) * BYTES_PER_PIXEL + track.masks.numel()


def workspace_bytes(track: MaskTrack) -> int:
    """Size of a window's kept artifacts, bytes: 16-bit fill, six flows in half precision with validity, masks."""
    if track.box is None:
        return 0
    y0, y1, x0, x1 = track.box
    return len(track.masks) * (y1 - y0) * (x1 - x0) * (6 + 6 * 5) + track.masks.numel() // 8
