"""A few pictures encoded and decoded in memory: what they cost and what is left of them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import av
import av.error

from vidinternal.core.clip import ClipInfo
from vidinternal.core.errors import MediaError
from vidinternal.media.codecs import EncoderPlan
from vidinternal.media.fit_planes import Fitter, fit_planes
from vidinternal.media.outside import Allowed, OutsideSums, fit_masks
from vidinternal.media.picture import NativeFrame, from_av, picture_format
from vidinternal.media.source_facts import source_facts
from vidinternal.media.stream import reason

# FFmpeg's own decoder of AV1 needs hardware.
_DECODERS = {"av1": "libdav1d"}


@dataclass(frozen=True)
class Piece:
    """Consecutive frames as they will be written."""

    frames: list[NativeFrame]

    @property
    def indices(self) -> range:
        """Their indices in the clip."""
        return range(self.frames[0].index, self.frames[-1].index + 1)


@dataclass(frozen=True)
class PieceTrial:
    """What became of a piece.

    Attributes:
        opening: Bytes of its first packet, a key picture.
        rest: Bytes of all others.
        psnr: dB outside the mask in the worst plane.
    """

    opening: int
    rest: int
    psnr: float


@dataclass(frozen=True)
class Trial:
    """What became of all pieces.

    Attributes:
        pieces: Each of them.
        psnr: dB outside the mask over all, in the worst plane.
    """

    pieces: tuple[PieceTrial, ...]
    psnr: float


def try_plan(info: ClipInfo, plan: EncoderPlan, pieces: Sequence[Piece], allowed: Allowed | None = None) -> Trial:
    """Encode pieces of a clip, each on its own, and decode them again.

    Args:
        info: The clip.
        plan: How.
        pieces: Frames in the clip's layout.
        allowed: What does not count for the PSNR.

    Raises:
        MediaError: The encoder refuses or fails.
    """
    interlaced = source_facts(info).interlaced
    whole = OutsideSums(picture_format(plan.pix_fmt))
    done = []
    try:
        for piece in pieces:
            sizes, decoded = _through(info, plan, piece, interlaced)
            part = OutsideSums(picture_format(plan.pix_fmt))
            _compare((part, whole), piece, decoded, (info, plan, allowed))
            done.append(PieceTrial(sizes[0], sum(sizes[1:]), part.found().psnr))
    except (av.error.FFmpegError, ValueError) as error:
        raise MediaError(
            f"{info.path}: a trial with {plan.encoder} failed", expected="an encoder that takes it", got=reason(error)
        ) from error
    return Trial(tuple(done), whole.found().psnr)


def _through(info: ClipInfo, plan: EncoderPlan, piece: Piece, interlaced: str) -> tuple[list[int], list[Any]]:
    """Sizes of the packets and the decoded pictures in order."""
    if plan.encoder == "libsvtav1":
        os.environ.setdefault("SVT_LOG", "0")
    encoder: Any = av.CodecContext.create(plan.encoder, "w")
    made = plan.pictures(info)
    encoder.width, encoder.height, encoder.pix_fmt = made.width, made.height, plan.pix_fmt
    encoder.time_base, encoder.framerate = info.time_base, min(info.rate, 240)
    encoder.color_range, encoder.colorspace = plan.range_code, plan.matrix
    encoder.options = {**plan.options, **({"flags": "+ildct+ilme"} if interlaced else {})}
    fit = Fitter(info, plan, interlaced)
    packets = [p for native in piece.frames for p in encoder.encode(fit(native))] + encoder.encode(None)
    decoder: Any = av.CodecContext.create(_DECODERS.get(plan.codec, plan.codec), "r")
    if encoder.extradata:
        decoder.extradata = encoder.extradata
    if plan.codec == "prores":
        decoder.codec_tag = {"yuv422p10le": "apch"}.get(plan.pix_fmt, "ap4h")
    pictures = [f for p in packets for f in decoder.decode(p)] + decoder.decode(None)
    if len(pictures) != len(piece.frames):
        raise MediaError(
            f"{info.path}: a trial with {plan.encoder} failed",
            expected=f"{len(piece.frames)} pictures back",
            got=str(len(pictures)),
        )
    return [p.size for p in packets], sorted(pictures, key=lambda f: f.pts)


def _compare(
    sums: tuple[OutsideSums, OutsideSums],
    piece: Piece,
    decoded: list[Any],
    how: tuple[ClipInfo, EncoderPlan, Allowed | None],
) -> None:
    info, plan, allowed = how
    target, own = picture_format(plan.pix_fmt), picture_format(info.pix_fmt)
    for native, picture in zip(piece.frames, decoded, strict=True):
        masks = allowed(native.index) if allowed else None
        if masks is not None:
            made = plan.pictures(info)
            masks = fit_masks(masks, own, target, (made.width, made.height))
        given = fit_planes(native.planes, own, target, plan.full_range)
        back = from_av(picture, native.index).planes
        for one in sums:
            one.add(native.index, back, given, masks)
