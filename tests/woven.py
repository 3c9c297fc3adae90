"""Interlaced test media: pictures that hold two instants, line by line."""

from __future__ import annotations

from dataclasses import replace

from tests.media_made import Recipe, picture, pictures
from vidinternal.media.picture import NativeFrame


def woven(recipe: Recipe) -> list[NativeFrame]:
    """Interlaced pictures of two instants each: what ``recipe`` shows twice as often, its lines taken in turn.

    The field that comes first (``recipe.interlaced``) shows instants 0, 2, 4, ..., the other one 1, 3, 5, ...
    """
    first = 0 if recipe.interlaced == "tff" else 1
    frames = []
    for native in pictures(recipe):
        early, late = (picture(recipe, 2 * native.index + k) for k in (0, 1))
        planes = tuple(plane.copy() for plane in late)
        for plane, lines in zip(planes, early, strict=True):
            plane[first::2] = lines[first::2]
        frames.append(replace(native, planes=planes))
    return frames
