"""Changed samples laid over a frame of the source, or put in its place."""

from __future__ import annotations

from typing import Any

from vidinternal.media.picture import NativeFrame


def lay_over(native: NativeFrame, planes: tuple[tuple[int, int, Any] | None, ...]) -> NativeFrame:
    """Return the frame with the patch's rectangles in place."""
    changed = []
    for plane, patch in zip(native.planes, planes, strict=True):
        if patch is None:
            changed.append(plane)
            continue
        y, x, samples = patch
        copy = plane.copy()
        copy[y : y + samples.shape[0], x : x + samples.shape[1]] = samples
        changed.append(copy)
    return NativeFrame(tuple(changed), native.pts, native.duration, native.index)


def in_place(native: NativeFrame, planes: tuple[tuple[int, int, Any] | None, ...]) -> NativeFrame:
    """Return a frame made anew, of any size, with the time and the index of the one it stands for."""
    made = tuple(patch[2] for patch in planes if patch is not None)
    return NativeFrame(made, native.pts, native.duration, native.index)
