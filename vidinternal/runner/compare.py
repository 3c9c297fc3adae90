"""How good a result is: fidelity inside and outside the hole, untouched samples, times, streams, steadiness.

Two frames of each file are in memory at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vidinternal.core.clip import ClipInfo, ReadPolicy
from vidinternal.core.contracts import Progress, no_progress
from vidinternal.core.errors import UsageError
from vidinternal.media.color import to_rgb
from vidinternal.media.decode import ClipReader
from vidinternal.media.packets import StreamMatch, match_streams, other_streams
from vidinternal.media.picture import NativeFrame
from vidinternal.media.probe import probe, probe_result
from vidinternal.ops import measures
from vidinternal.runner.asked_mask import Asked, AskedMask


@dataclass(frozen=True)
class Fidelity:
    """Agreement with the reference over some pixels of all frames.

    Attributes:
        pixels: How many.
        psnr: dB, peak 1, squared error pooled over all of them.
        ssim: Mean of the SSIM map at them.
    """

    pixels: int
    psnr: float
    ssim: float


@dataclass(frozen=True)
class Untouched:
    """What changed where nothing was to change, in the files' own samples.

    Attributes:
        samples: Samples that no masked pixel touches, over all planes and frames.
        changed: Those that differ.
        largest: Largest difference in codes of the format.
    """

    samples: int
    changed: int
    largest: int


@dataclass(frozen=True)
class Comparison:
    """A result beside its reference.

    Attributes:
        result: The file that is judged.
        reference: The truth, or the source.
        mask: Where changes were asked for, or None.
        frames: Number of frames of the result and of the reference; the first ones that both have are compared.
        whole: All pixels.
        hole: Masked pixels; None without a mask or with an empty one.
        outside: All others; None without a mask.
        untouched: Samples outside the mask; None without a mask or where the sample formats differ.
        times_equal: Whether every frame has exactly the same presentation time.
        largest_time_error: Largest difference of presentation times, seconds.
        streams: Every other stream.
        temporal_error: Flicker beyond the reference's in the hole (without a mask: everywhere), 8-bit codes.
        warping_error: Mean squared difference to the next frame warped along the reference's flow, same pixels.
        notes: What a person should know of the comparison.
    """

    result: Path
    reference: Path
    mask: Path | None
    frames: tuple[int, int]
    whole: Fidelity
    hole: Fidelity | None
    outside: Fidelity | None
    untouched: Untouched | None
    times_equal: bool
    largest_time_error: float
    streams: tuple[StreamMatch, ...]
    temporal_error: float
    warping_error: float
    notes: tuple[str, ...] = ()

    @property
    def streams_equal(self) -> bool:
        """Whether every other stream of both files holds the same packets."""
        return all(s.identical for s in self.streams)

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        plain = asdict(self)
        paths = {k: None if plain[k] is None else str(plain[k]) for k in ("result", "reference", "mask")}
        return plain | paths | {"streams_equal": self.streams_equal}

    def text(self) -> str:
        """A table for people."""
        lines = [f"{self.result}  against  {self.reference}", f"{'':12}{'pixels':>12}{'PSNR dB':>10}{'SSIM':>9}"]
        for name, part in (("whole", self.whole), ("in the hole", self.hole), ("outside", self.outside)):
            if part is not None:
                lines.append(f"{name:12}{part.pixels:>12}{part.psnr:>10.2f}{part.ssim:>9.4f}")
        if self.untouched is not None:
            share = f"{self.untouched.changed} of {self.untouched.samples}"
            lines.append(f"samples changed outside the mask: {share}, by at most {self.untouched.largest} codes")
        lines.append(f"frames: {self.frames[0]} against {self.frames[1]}")
        exact = "all equal" if self.times_equal else f"up to {self.largest_time_error:.6f} s apart"
        lines.append(f"presentation times: {exact}")
        lines += [_stream_line(s) for s in self.streams]
        lines.append(f"temporal error: {self.temporal_error:.3f} codes")
        lines.append(f"warping error: {1e3 * self.warping_error:.3f} x 10^-3")
        return "\n".join([*lines, *(f"note: {n}" for n in self.notes)])


def _stream_line(match: StreamMatch) -> str:
    name = f"{match.kind} {match.place} ({match.codec[0] or 'missing'} against {match.codec[1] or 'missing'})"
    same = "identical packets" if match.identical else f"different: {match.packets[0]} and {match.packets[1]} packets"
    moved = f", times up to {match.shift:.6f} s apart" if match.shift else ""
    return f"{name}: {same}{moved}"


@dataclass
class _Pool:
    """A mean taken piece by piece."""

    total: float = 0.0
    count: int = 0

    def add(self, values: Tensor) -> None:
        self.total += float(values.double().sum())
        self.count += values.numel()

    def mean(self) -> float:
        return self.total / self.count if self.count else 0.0


@dataclass
class _Part:
    """Squared error and SSIM over some pixels."""

    pixels: int = 0
    error: _Pool = field(default_factory=_Pool)
    ssim: _Pool = field(default_factory=_Pool)

    def add(self, squared: Tensor, ssim: Tensor, where: Tensor) -> None:
        """Take the pixels of ``where`` (``1 H W``) of one frame."""
        self.pixels += int(where.sum())
        self.error.add(squared[where.expand_as(squared)])
        self.ssim.add(ssim[where])

    def fidelity(self) -> Fidelity:
        return Fidelity(self.pixels, measures.psnr_of(self.error.mean()), self.ssim.mean())


@dataclass
class _Sums:
    """Everything that is gathered on the way through the clips."""

    whole: _Part = field(default_factory=_Part)
    hole: _Part = field(default_factory=_Part)
    outside: _Part = field(default_factory=_Part)
    temporal: _Pool = field(default_factory=_Pool)
    warping: _Pool = field(default_factory=_Pool)
    samples: int = 0
    changed: int = 0
    largest: int = 0

    def frame(self, result: Tensor, truth: Tensor, hole: Tensor) -> None:
        """Take one frame: ``3 H W``, ``3 H W``, ``1 H W`` bool."""
        squared = (result - truth).square()
        ssim = measures.ssim_map(result[None], truth[None])[0]
        for part, where in ((self.whole, torch.ones_like(hole)), (self.hole, hole), (self.outside, ~hole)):
            part.add(squared, ssim, where)

    def pair(self, result: Tensor, truth: Tensor, holes: Tensor) -> None:
        """Take two consecutive frames: ``2 3 H W``, ``2 3 H W``, ``2 1 H W`` bool."""
        self.temporal.add(measures.temporal_differences(result, truth, holes))
        if holes[0].any():
            flow, valid = measures.flow_of(truth)
            self.warping.add(measures.warping_differences(result, flow, valid, holes))

    def native(self, result: NativeFrame, truth: NativeFrame, masks: tuple[np.ndarray, ...]) -> None:
        """Count changed samples that no masked pixel touches."""
        for mine, theirs, mask in zip(result.planes, truth.planes, masks, strict=True):
            difference = np.abs(mine.astype(np.int32) - theirs.astype(np.int32))[~mask]
            self.samples += difference.size
            self.changed += int((difference > 0).sum())
            self.largest = max(self.largest, int(difference.max(initial=0)))


def compare(
    result: Path,
    reference: Path,
    mask: Path | None = None,
    progress: Progress = no_progress,
    policy: ReadPolicy | None = None,
) -> Comparison:
    """Measure a result against the truth or its source.

    Args:
        result: The file to judge.
        reference: The truth, or the source.
        mask: Mask of the reference; video, image or folder, white = hole.
        progress: Tells how far it is.
        policy: How the reference is read; frames that it fills whole count as masked.

    Raises:
        MediaError: A file cannot be read.
        UsageError: The pictures differ in size.
        MaskError: The mask does not fit the reference.
    """
    truth = probe(reference, policy)
    infos = probe_result(result, truth), truth
    sizes = [f"{i.width}x{i.height}" for i in infos]
    if sizes[0] != sizes[1]:
        raise UsageError(
            f"{result} against {reference}",
            expected=f"pictures of one size to compare, {sizes[1]} as the reference's",
            got=f"{sizes[0]} in the result",
            hint=f"the true pictures at {sizes[0]} as the reference; or vidinternal verify --remade, which looks at"
            " times, streams and tags of a result of another size",
        )
    readers = ClipReader(infos[0]), ClipReader(infos[1])
    counts = len(readers[0]), len(readers[1])
    sums = _gather(readers, mask, progress)
    same_format = infos[0].pix_fmt == infos[1].pix_fmt
    notes = [] if same_format else [f"sample formats differ: {infos[0].pix_fmt} and {infos[1].pix_fmt}"]
    if counts[0] != counts[1]:
        notes.append(f"only the first {min(counts)} frames are in both")
    errors = [abs(a - b) for a, b in zip(_times(readers[0]), _times(readers[1]), strict=False)]
    return Comparison(
        result=result,
        reference=reference,
        mask=mask,
        frames=counts,
        whole=sums.whole.fidelity(),
        hole=sums.hole.fidelity() if sums.hole.pixels else None,
        outside=sums.outside.fidelity() if mask and sums.outside.pixels else None,
        untouched=Untouched(sums.samples, sums.changed, sums.largest) if mask and same_format else None,
        times_equal=counts[0] == counts[1] and not any(errors),
        largest_time_error=float(max(errors)),
        streams=match_streams(other_streams(infos[0]), other_streams(infos[1])),
        temporal_error=sums.temporal.mean(),
        warping_error=sums.warping.mean(),
        notes=tuple(notes),
    )


def _gather(readers: tuple[ClipReader, ClipReader], mask: Path | None, progress: Progress) -> _Sums:
    """Walk through both clips side by side."""
    infos = readers[0].info, readers[1].info
    count = min(len(readers[0]), len(readers[1]))
    holes = AskedMask(Asked(mask), infos[1])
    count_samples = mask is not None and infos[0].pix_fmt == infos[1].pix_fmt
    sums = _Sums()
    earlier: tuple[Tensor, Tensor, Tensor] | None = None
    for index, pair in enumerate(zip(readers[0].frames(0, count), readers[1].frames(0, count), strict=True)):
        mine, theirs = (_rgb(frame, info) for frame, info in zip(pair, infos, strict=True))
        hole = holes.at(index)
        where = torch.from_numpy(hole)[None]
        sums.frame(mine, theirs, where)
        # without a mask there is no hole to be fair to: steadiness is judged everywhere
        now = (mine, theirs, where if mask else torch.ones_like(where))
        if earlier is not None:
            sums.pair(*(torch.stack(both) for both in zip(earlier, now, strict=True)))
        if count_samples:
            sums.native(*pair, holes.may_change(index))
        earlier = now
        progress((index + 1) / count, f"frame {index + 1} of {count}")
    return sums


def _rgb(frame: NativeFrame, info: ClipInfo) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(to_rgb(frame, info), dtype=np.float32))


def _times(reader: ClipReader) -> Iterator[Fraction]:
    return (pts * reader.info.time_base for pts in reader.pts)
