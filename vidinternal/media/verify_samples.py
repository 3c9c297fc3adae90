"""The samples of a finished file, held against the source outside the mask or against the pictures that were made."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from vidinternal.core.clip import ClipInfo
from vidinternal.core.contracts import Checkpoints, Progress
from vidinternal.media.codecs import holds
from vidinternal.media.decode import ClipReader
from vidinternal.media.fit_planes import fit_planes
from vidinternal.media.kept import Item
from vidinternal.media.outside import Allowed, Outside, OutsideSums, fit_masks
from vidinternal.media.picture import NativeFrame, picture_format
from vidinternal.media.soft_subs import AnyTrack, SoftTrack

LEAST_PSNR = 50.0
"""dB that a lossy result holds outside the mask unless less is allowed."""
LEAST_REMADE = 48.0
"""dB that it holds against pictures that were all made anew: well below what an eye or a measure tells apart."""
LONG = 1_000_000_000
"""Pixels of a clip from which a comparison keeps how far it is; fewer take some ten seconds."""
_PIECE = "verified"


@dataclass(frozen=True)
class Remade:
    """Pictures that were all made anew.

    Attributes:
        size: Width and height of them as they are stored; None where any will do.
        frames: Gives those from ``start`` to ``end`` (excluded) as they were made, in the source's layout; None where
            they are no longer known and nothing can be held against them.
    """

    size: tuple[int, int] | None = None
    frames: Callable[[int, int], Iterable[NativeFrame]] | None = None


@dataclass(frozen=True)
class Limit:
    """What may differ: samples outside the mask, all pictures, and a track that is added.

    Attributes:
        lossless: Whether no sample may change at all.
        least_psnr: dB of the worst plane over the whole clip, where some may.
        soft: The subtitle track that the result has and the source has not, its last, or that there is one; or None.
        remade: The pictures that the result is to hold in place of the source's; None where it holds the source's.
    """

    lossless: bool = False
    least_psnr: float = LEAST_PSNR
    soft: SoftTrack | AnyTrack | None = None
    remade: Remade | None = None

    @property
    def samples(self) -> str:
        """Name of the item about the samples."""
        return "samples outside the mask" if self.remade is None else "samples of the pictures made"

    def size_of(self, result: ClipInfo) -> tuple[int, int] | None:
        """Width and height that the result shall have; None = the source's."""
        if self.remade is None:
            return None
        return self.remade.size or (result.width, result.height)


def compare_samples(
    clips: tuple[ClipInfo, ClipInfo],
    against: Allowed | Remade | None,
    progress: Progress,
    checkpoint: Checkpoints | None,
) -> Outside | None:
    """Decode a result beside what it should hold.

    Args:
        clips: The result and its source.
        against: Tells which samples may differ from the source's; or the pictures that stand in for the source's.
        progress: Tells how far it is.
        checkpoint: Where a long comparison keeps how far it is; the same file is then gone on with.

    Returns:
        What was found; None where the result's format or size cannot hold the samples, or these are not known.

    Raises:
        MediaError: A picture does not decode.
    """
    result, source = clips
    target, own = picture_format(result.pix_fmt), picture_format(source.pix_fmt)
    remade = against if isinstance(against, Remade) else None
    size = (remade and remade.size) or (source.width, source.height)
    if (result.width, result.height) != size or not holds(target, own) or (remade and remade.frames is None):
        return None
    reader, count = ClipReader(result), len(ClipReader(source))
    count = min(len(reader), count)
    sums, full = OutsideSums(target), result.color.full_range
    long = checkpoint is not None and count * size[0] * size[1] >= LONG
    fits = _digest(result.path) if long else ""
    saved = checkpoint.load(_PIECE, fits) if checkpoint is not None and long else None
    begin = 0 if saved is None else int(saved["frames"])
    if saved is not None:
        sums.load_state(saved["sums"])
    wanted = remade.frames if remade is not None and remade.frames is not None else ClipReader(source).frames
    for index, (mine, theirs) in enumerate(zip(reader.frames(begin, count), wanted(begin, count), strict=True), begin):
        masks = against(index) if against is not None and not isinstance(against, Remade) else None
        planes = theirs.planes
        if target.name != own.name:
            planes = fit_planes(planes, own, target, full)
            masks = None if masks is None else fit_masks(masks, own, target, size)
        sums.add(index, mine.planes, planes, masks)
        progress((index + 1) / count, f"verifying frame {index + 1} of {count}")
        if checkpoint is not None and long:
            checkpoint.offer(_PIECE, fits, partial(_state, index + 1, sums))
    return sums.found()


def _state(frames: int, sums: OutsideSums) -> dict[str, Any]:
    return {"frames": frames, "sums": sums.state()}


def _digest(path: Path) -> str:
    """Digest of a file's content: what was found in one file says nothing of another."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sample_item(outside: Outside | None, limit: Limit, result: ClipInfo, source: ClipInfo) -> Item:
    """What was found of the samples as one item among others.

    Args:
        outside: From :func:`compare_samples`.
        limit: What may differ.
        result: The finished file.
        source: What it was made from.
    """
    if outside is not None:
        return held_against(outside, limit)
    if limit.remade is not None and limit.remade.frames is None:
        return Item(limit.samples, True, "pictures made anew", "pictures made anew", "there is nothing to hold them to")
    wanted = limit.size_of(result) or (source.width, source.height)
    expected, got = ((source.pix_fmt, wanted), (result.pix_fmt, (result.width, result.height)))
    told = [f"{name} at {size[0]}x{size[1]}" for name, size in (expected, got)]
    return Item(limit.samples, False, f"a layout that holds {told[0]}", told[1])


def held_against(outside: Outside, limit: Limit) -> Item:
    """Findings about samples held against a limit."""
    changed = f"{outside.changed} of {outside.samples} changed"
    worst = f"{changed}, by at most {outside.largest} codes, {outside.psnr:.2f} dB" if outside.changed else changed
    if limit.lossless:
        return Item(limit.samples, not outside.changed, "0 changed", worst)
    return Item(limit.samples, outside.psnr >= limit.least_psnr, f"at least {limit.least_psnr:.2f} dB", worst)


def samples_line(outside: Outside | None, limit: Limit) -> str:
    """The samples in a few words."""
    if limit.remade is not None:
        if outside is None:
            return "every picture made anew"
        return f"{outside.psnr:.1f} dB against the pictures made" if outside.changed else "every sample as it was made"
    if outside is None:
        return "samples not compared"
    if not outside.changed:
        return "0 samples changed outside the mask"
    return f"{outside.psnr:.1f} dB outside the mask"
