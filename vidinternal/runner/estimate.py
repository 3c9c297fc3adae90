"""What a job will cost, from measured rates."""

from __future__ import annotations

from vidinternal.core.clip import ClipInfo
from vidinternal.media.codecs import EncodeSettings, crf_scale
from vidinternal.media.own_codec import expected_codec
from vidinternal.media.rate import trial_pixels
from vidinternal.media.stills.clip import is_stills, stills_bytes
from vidinternal.runner.remade import frame_bytes, layer_bytes, maker_of
from vidinternal.runner.spec import PipelineSpec
from vidinternal.stages.artifacts import MaskTrack
from vidinternal.stages.memory import MemoryPlan
from vidinternal.stages.output_clip import written

WRITING_SECONDS_PER_MEGAPIXEL = {
    "h264": 0.12,
    "hevc": 0.45,
    "av1": 0.6,
    "vp9": 0.6,
    "prores": 0.12,
    "ffv1": 0.1,
    "mpeg2video": 0.06,
}
"""Decode, composite and encode of a megapixel on two CPU cores at the default quality; a reserve, not a promise."""
VERIFYING_SECONDS_PER_MEGAPIXEL = 0.04
"""Decode of source and result and their comparison."""


def writing_seconds(source: ClipInfo, frames: int, spec: PipelineSpec) -> float:
    """Seconds to set aside for writing the whole clip: trials of the quality, encoding it twice, and verifying that.

    A clip is written a second time where its bitrate or quality missed the aim, which is not known before.

    Args:
        source: The source; what counts are the pictures that are written, which may be larger.
        frames: How many it has.
        spec: The pipeline.
    """
    info = written(spec.stages, source)
    encode = spec.stage("encode")
    if encode is None:
        return 0.5
    config, pixels = encode.config, info.width * info.height
    codec = _codec(info, config)
    chosen = crf_scale(codec) is not None and config.crf is None and not config.lossless and not is_stills(info.path)
    encoded = frames * pixels * (2 if chosen else 1) + (trial_pixels(frames, pixels) if chosen else 0)
    verified = frames * pixels * (2 if chosen else 1)
    rates = WRITING_SECONDS_PER_MEGAPIXEL[codec], VERIFYING_SECONDS_PER_MEGAPIXEL
    return 0.5 + (encoded * rates[0] + verified * rates[1]) / 1e6


def _codec(info: ClipInfo, config: EncodeSettings) -> str:
    """The codec that is likely written."""
    return expected_codec(info, WRITING_SECONDS_PER_MEGAPIXEL) if config.codec == "auto" else config.codec


def memory_bytes(plan: MemoryPlan, track: MaskTrack) -> int:
    """Peak memory of the process on a window, bytes; of the process alone where nothing is masked."""
    if track.box is None:
        return plan.fixed()
    y0, y1, x0, x1 = track.box
    return plan.needed(len(track.masks), track.per_frame * (y1 - y0), x1 - x0, plan.scale(track))


def workspace_bytes(track: MaskTrack, strides: int = 3) -> int:
    """Size of a window's kept artifacts, bytes.

    They are the 16-bit fill with provenance, origin and error to expect, changed samples, masks, and flow both ways of
    every stride in half precision with validity.
    """
    if track.box is None:
        return track.masks.numel() // 8
    y0, y1, x0, x1 = track.box
    pictures = track.per_frame * len(track.masks)
    return pictures * (y1 - y0) * (x1 - x0) * (6 + 2 + 3 + 3 + strides * 2 * 5) + track.masks.numel() // 8


OUTPUT_BITS_PER_SAMPLE = {"prores": 2.5, "ffv1": 5.0}
"""Of codecs that are large whatever the source was; the others come out about as large as the source."""


REMADE = 2.0
"""Bytes for a pixel made anew over those for one of the source: 50 dB are more than most films spend."""


def output_bytes(info: ClipInfo, spec: PipelineSpec) -> int:
    """Size to expect of the output, bytes; 0 where the pipeline writes none."""
    encode = spec.stage("encode")
    if encode is None:
        return 0
    source = sum(stills_bytes(info).values()) if is_stills(info.path) else info.path.stat().st_size
    bits = OUTPUT_BITS_PER_SAMPLE.get(_codec(info, encode.config))
    frames = info.frames or (round(info.duration * info.rate) if info.duration else 0)
    out = written(spec.stages, info)
    if maker_of(spec) is not None:  # pictures made anew are held to a quality, whatever the source's bitrate
        source = round(source * max(1.0, out.width * out.height / (info.width * info.height)) * REMADE)
    if bits is None or not frames:
        return source
    return max(source, round(frames * out.width * out.height * 1.5 * bits / 8))


def remade_bytes(info: ClipInfo, frames: int, spec: PipelineSpec) -> int:
    """Bytes that pictures which are all made anew take in the workspace, layers included; 0 where none are.

    Args:
        info: The source.
        frames: How many it has.
        spec: The pipeline.
    """
    if maker_of(spec) is None:
        return 0
    out = written(spec.stages, info)
    return frames * (frame_bytes(out) + layer_bytes(spec, out))
