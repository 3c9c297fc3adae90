"""A strip of source, hole and result: ``python -m vidinternal.report.before_after SOURCE RESULT OUT.png [MASK]``.

Without a mask the hole is where the result differs.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from vidinternal.core.clip import ClipInfo
from vidinternal.core.errors import UsageError
from vidinternal.media.color import to_rgb
from vidinternal.media.decode import ClipReader
from vidinternal.media.mask_source import check_fits, open_masks
from vidinternal.media.orientation import orientation
from vidinternal.media.probe import probe, probe_result
from vidinternal.report.pictures import Picture, fitted, grid, label, overlay, png, to_picture

_NOISE = 12 / 255
WIDTH = 480
"""Widest a picture of a strip gets, pixels."""


def frame_picture(reader: ClipReader, index: int) -> Picture:
    """One frame of a clip as RGB, upright."""
    rgb = to_rgb(next(iter(reader.frames(index, index + 1))), reader.info)
    return to_picture(np.ascontiguousarray(orientation(reader.info).upright(rgb)))


def moments(weights: Sequence[float], wanted: int = 3) -> tuple[int, ...]:
    """Frames worth showing: in each of ``wanted`` equal parts of the clip, the middle one of those with most to show.

    Args:
        weights: What each frame has to show, e.g. its masked pixels.
        wanted: How many frames.

    Returns:
        Indices in order; frames with nothing to show only where no frame has anything.
    """
    parts = [part for part in np.array_split(np.arange(len(weights)), min(wanted, len(weights))) if len(part)]
    full = [[int(i) for i in part if weights[i] >= 0.9 * max(weights[k] for k in part)] for part in parts]
    best = [indices[len(indices) // 2] for indices in full]
    shown = [i for i in best if weights[i] > 0]
    return tuple(shown or best)


def strip(source: ClipInfo, result: Path, masks: Sequence[np.ndarray], chosen: Sequence[int]) -> bytes:
    """A PNG with a row for each chosen frame: before, hole, after.

    Args:
        source: The clip, with the policy that it was read under.
        result: What was made of it; as many frames.
        masks: ``H W`` bool for each chosen frame, upright.
        chosen: Frame indices.
    """
    readers = ClipReader(source), ClipReader(probe_result(result, source))
    rows = []
    for mask, index in zip(masks, chosen, strict=True):
        before, after = (frame_picture(reader, index) for reader in readers)
        cells = (("before", before), ("hole", overlay(before, mask)), ("after", after))
        rows.append([label(fitted(p, WIDTH), f"{name}, frame {index}") for name, p in cells])
    return png(grid(rows))


def changed(source: ClipInfo, result: Path) -> list[np.ndarray]:
    """Where each frame of a result differs from the source by more than a lossy codec's noise, ``H W`` bool."""
    readers = ClipReader(source), ClipReader(probe_result(result, source))
    found = []
    for before, after in zip(readers[0].frames(), readers[1].frames(), strict=True):
        pictures = [orientation(source).upright(to_rgb(f, source)) for f in (before, after)]
        apart = np.abs(pictures[0] - pictures[1]).max(axis=0)
        clear = cv2.morphologyEx((apart > _NOISE).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
        found.append(cv2.morphologyEx(clear, cv2.MORPH_OPEN, np.ones((2, 2), np.uint8)) > 0)
    return found


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file that is either whole or not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        aside.write_bytes(data)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def main(arguments: Sequence[str]) -> None:
    """Write the strip that the command line asks for.

    Raises:
        UsageError: Neither three paths nor four.
    """
    if len(arguments) not in (3, 4):
        raise UsageError("before_after", expected="SOURCE RESULT OUT.png [MASK]", got=" ".join(arguments))
    source, result, out, *mask = (Path(a) for a in arguments)
    info = probe(source)
    count = len(ClipReader(info))
    if not mask:
        changes = changed(info, result)
        chosen = moments([float(c.sum()) for c in changes])
        write_atomically(out, strip(info, result, [changes[i] for i in chosen], chosen))
        return
    masks = open_masks(mask[0])
    fit = check_fits(masks, info, count, fit=False)
    chosen = moments([float(masks.read(i, i + 1, fit).sum()) for i in range(count)])
    holes = [masks.read(i, i + 1, fit)[0] for i in chosen]
    write_atomically(out, strip(info, result, holes, chosen))


if __name__ == "__main__":
    main(sys.argv[1:])
