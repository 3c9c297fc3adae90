"""The frames of a clip before and after, small, with what is known of their pixels, as a page holds them.

A page shows single pictures and no video: stepping is exact in every browser, and what is looked at is what the file
holds. Where not all frames have room, some are chosen (:mod:`vidinternal.report.choose`) and the page says so.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
import torch

from vidinternal.core.clip import ClipInfo
from vidinternal.media.decode import ClipReader
from vidinternal.media.orientation import orientation, shown_size
from vidinternal.media.sample import Shrinker
from vidinternal.ops.dis import dis_flow
from vidinternal.ops.reference_flow import reference_flow
from vidinternal.report.choose import shown_frames, thinned
from vidinternal.report.encoded import png, webp
from vidinternal.report.intermediate import FrameMaps, Intermediate
from vidinternal.report.pictures import Picture, flow_picture

ROOM = 20_500_000
"""Bytes for all pictures of a page; as text they take a third more, which keeps a page below 30 MB."""
MOST_FRAMES = 1500
"""Frames on one page, however small they are: more would take long to make and to look through."""
SIDES = (960, 640, 480)
"""Longest side of a picture on a page, pixels; the first at which all frames have room, else the last."""
FLOW_SIDE = 256
"""Longest side of a picture of flow."""
_TRIALS = 5
_SPAN = 12  # frames from one to the next that are rather read through than sought


@dataclass
class Shown:
    """One frame as the page holds it.

    Attributes:
        index: The frame.
        pictures: By letter: ``b`` before and ``a`` after (WebP), ``k`` what each pixel is made of (PNG, red: index
            into ``ORIGINS``; green and blue: 32768 + how many frames later its source is, 0 = not known), ``e`` error
            to expect (grey PNG), ``r`` reference and ``l`` learned flow (WebP).
        place: Left, top, width, height of ``k`` and ``e`` in the picture, pixels of the page's picture.
    """

    index: int
    pictures: dict[str, bytes]
    place: tuple[int, int, int, int] = (0, 0, 0, 0)

    @property
    def size(self) -> int:
        """Bytes of its pictures."""
        return sum(map(len, self.pictures.values()))

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready, pictures as data URIs."""
        kinds = {letter: "png" if letter in "ke" else "webp" for letter in self.pictures}
        data = {
            letter: f"data:image/{kinds[letter]};base64,{base64.b64encode(picture).decode()}"
            for letter, picture in self.pictures.items()
        }
        return {"i": self.index, "p": list(self.place), **data}


@dataclass
class Film:
    """What a page shows of a clip.

    Attributes:
        size: Width and height of its pictures, in square pixels.
        total: Frames of the clip.
        frames: The frames shown, ascending.
        largest_error: What white in ``e`` stands for, in [0, 1].
        longest_flow: What the purest colour stands for, pixels of the clip.
        flow_made_here: Whether reference flow was estimated for the page, because the run kept none.
    """

    size: tuple[int, int]
    total: int
    frames: list[Shown] = field(default_factory=list)
    largest_error: float = 0.02
    longest_flow: float = 1.0
    flow_made_here: bool = False

    @property
    def letters(self) -> str:
        """Every kind of picture that at least one frame has."""
        return "".join(sorted({letter for shown in self.frames for letter in shown.pictures}))

    @property
    def jumps(self) -> int:
        """How often frames of the clip are left out between two that are shown."""
        return sum(b.index - a.index > 1 for a, b in pairwise(self.frames))


@dataclass(frozen=True)
class Wanted:
    """What a film shall show.

    Attributes:
        worst: The worst frames, the worst first.
        starts: First frames of the shots.
        largest_error: RMS error that the map of errors ends at.
        room: Bytes for all pictures.
    """

    worst: Sequence[int] = ()
    starts: Sequence[int] = (0,)
    largest_error: float = 0.02
    room: int = ROOM


class Reel:
    """Reads frames of the source and of the result side by side, small and upright.

    Args:
        source: The clip.
        result: What was made of it.
    """

    def __init__(self, source: ClipInfo, result: ClipInfo) -> None:
        self.infos = source, result
        self.readers = ClipReader(source), ClipReader(result)
        self.total = min(len(reader) for reader in self.readers)

    def size(self, side: int) -> tuple[int, int]:
        """Width and height of pictures whose longer side is at most ``side``; pixels are made square."""
        width, height = max((shown_size(info) for info in self.infos), key=math.prod)
        sar = float(self.infos[0].sar or 1)
        wide, high = (width, height * sar) if orientation(self.infos[0]).sideways else (width * sar, height)
        scale = min(1.0, side / max(wide, high))
        return max(1, round(wide * scale)), max(1, round(high * scale))

    def read(self, indices: Sequence[int], size: tuple[int, int]) -> Iterator[tuple[int, Picture, Picture]]:
        """Frames with their pictures before and after, ``H W 3`` uint8, of ``size`` (width, height)."""
        wanted = set(indices)
        shrink = [self._shrinker(info, size) for info in self.infos]
        for start, end in _spans(sorted(wanted)):
            for pair in zip(*(reader.frames(start, end) for reader in self.readers), strict=True):
                if pair[0].index in wanted:
                    before, after = (small(native) for small, native in zip(shrink, pair, strict=True))
                    yield pair[0].index, before, after

    @staticmethod
    def _shrinker(info: ClipInfo, size: tuple[int, int]) -> Callable[[Any], Picture]:
        turn = orientation(info)
        _, rows = turn.size(*size)
        small = Shrinker(info, min(rows, info.height), "rgb24")

        def picture(native: Any) -> Picture:
            stored = np.moveaxis(small(native), -1, 0)
            upright = np.ascontiguousarray(np.moveaxis(turn.upright(stored), 0, -1))
            if upright.shape[1::-1] == size:
                return upright
            larger = upright.shape[1] < size[0] or upright.shape[0] < size[1]
            return cv2.resize(upright, size, interpolation=cv2.INTER_LINEAR if larger else cv2.INTER_AREA)

        return picture


def _spans(wanted: Sequence[int]) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    for index in wanted:
        if spans and index - spans[-1][1] < _SPAN:
            spans[-1] = (spans[-1][0], index + 1)
        else:
            spans.append((index, index + 1))
    return spans


def make_film(reel: Reel, kept: Intermediate, wanted: Wanted) -> Film:
    """Choose frames and a size that have room, and make their pictures.

    Args:
        reel: The clip and its result.
        kept: What the run kept.
        wanted: What to show.
    """
    trials = sorted({round(k * (reel.total - 1) / max(_TRIALS - 1, 1)) for k in range(_TRIALS)} | {*wanted.worst[:1]})
    film = Film(reel.size(SIDES[-1]), reel.total, largest_error=wanted.largest_error)
    cost = 1.0
    for side in dict.fromkeys(min(s, max(reel.size(10**6))) for s in SIDES):
        film.size = reel.size(side)
        looks = list(_looked_at(reel, kept, trials, film))
        film.longest_flow = _longest_flow([look for _, look in looks])
        shown = [_shown(film, *one) for one in looks]
        cost = max(1.0, sum(s.size for s in shown) / max(1, len(shown)))
        if cost * reel.total <= wanted.room:
            break
    room = min(MOST_FRAMES, int(wanted.room / cost)) if reel.total * cost > wanted.room else MOST_FRAMES
    chosen = shown_frames(reel.total, room, wanted.worst, wanted.starts)
    film.frames = [_shown(film, *one) for one in _looked_at(reel, kept, chosen, film)]
    while (over := sum(s.size for s in film.frames) - wanted.room) > 0:
        keep = (0, reel.total - 1, *wanted.worst)
        names = [s.index for s in film.frames]
        left = set(thinned(names, keep, max(1, round(1.05 * over / max(cost, 1)))))
        if len(left) == len(names):
            break
        film.frames = [s for s in film.frames if s.index in left]
    return film


def _longest_flow(looks: Sequence[_Look]) -> float:
    """Pixels of the clip that few vectors exceed, so that colours mean the same in every frame."""
    fields = [f for look in looks for f in (look.reference, look.maps and look.maps.reference) if f is not None]
    lengths = [np.hypot(*f)[np.isfinite(f[0])] for f in fields]
    return max([1.0, *(float(np.percentile(n, 98)) for n in lengths if n.size)])


@dataclass(frozen=True)
class _Look:
    """A frame as it was read.

    Attributes:
        before: ``H W 3``.
        after: ``H W 3``.
        maps: What the run kept of it; or None.
        reference: ``2 h w`` pixels of the clip, estimated here; or None.
    """

    before: Picture
    after: Picture
    maps: FrameMaps | None
    reference: np.ndarray | None = None


def _looked_at(reel: Reel, kept: Intermediate, chosen: Sequence[int], film: Film) -> Iterator[tuple[int, _Look]]:
    """Frames with their maps, and flow to the next frame of the same shot where the run kept none."""
    starts = {shot.start for shot in kept.windows.shots} if kept.windows else set()
    shown = set(chosen)
    ahead = {i + 1 for i in shown if i + 1 < reel.total and i + 1 not in starts}
    wanted = sorted(shown | ahead)
    maps = kept.maps(wanted)
    found = next(maps, None)
    before: tuple[int, _Look] | None = None
    for index, was, now in reel.read(wanted, film.size):
        while found is not None and found[0] < index:
            found = next(maps, None)
        mine = found[1] if found is not None and found[0] == index else None
        look = _Look(was, now, mine)
        if before is not None:
            yield from _with_flow(before, (index, look), ahead, film) if before[0] in shown else ()
        before = index, look
    if before is not None and before[0] in shown:
        yield before


def _with_flow(
    this: tuple[int, _Look], following: tuple[int, _Look], ahead: set[int], film: Film
) -> Iterator[tuple[int, _Look]]:
    index, look = this
    next_one = following[1]
    kept = look.maps is not None and (look.maps.reference is not None or not look.maps.mask.any())
    if kept or following[0] != index + 1 or following[0] not in ahead or look.maps is None or next_one.maps is None:
        yield this
        return
    width, height = film.size
    scale = min(1.0, FLOW_SIDE / max(width, height))
    size = max(16, round(width * scale)), max(16, round(height * scale))
    pictures = [cv2.resize(p, size, interpolation=cv2.INTER_AREA) for p in (look.before, next_one.before)]
    masks = [_shrunk(m.mask.astype(np.float32), size) > 0 for m in (look.maps, next_one.maps)]
    frames = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255
    holes = torch.from_numpy(np.stack(masks)).unsqueeze(1)
    if holes.flatten(1).all(dim=1).any():
        yield this
        return
    flow = reference_flow(frames, holes, (1,), dis_flow)[1].flow[0].numpy()
    clip = look.maps.mask.shape
    longer = np.array([clip[1] / size[0], clip[0] / size[1]], dtype=np.float32)[:, None, None]
    film.flow_made_here = True
    yield index, _Look(look.before, look.after, look.maps, flow * longer)


def _shrunk(plane: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return cv2.resize(plane, size, interpolation=cv2.INTER_AREA)


def _shown(film: Film, index: int, look: _Look) -> Shown:
    shown = Shown(index, {"b": webp(look.before), "a": webp(look.after)})
    maps = look.maps
    if maps is None:
        return shown
    if maps.mask.any():
        made, error, shown.place = _pixel_maps(maps, index, film)
        shown.pictures["k"] = png(made)
        if error is not None:
            shown.pictures["e"] = png(error)
    reference = look.reference if maps.reference is None else maps.reference
    for letter, flow in (("r", reference), ("l", maps.learned)):
        if flow is not None:
            shown.pictures[letter] = _flow(flow, film)
    return shown


def _pixel_maps(
    maps: FrameMaps, index: int, film: Film
) -> tuple[Picture, np.ndarray | None, tuple[int, int, int, int]]:
    """What the pixels of the hole are made of and the error to expect, cut out around the hole, and where that is."""
    width, height = film.size
    rows = (np.arange(height) + 0.5) * maps.mask.shape[0] / height
    columns = (np.arange(width) + 0.5) * maps.mask.shape[1] / width
    near = np.ix_(rows.astype(int), columns.astype(int))
    # thin holes must not slip between the pixels of a smaller picture
    mask = _shrunk(maps.mask.astype(np.float32), film.size) > 0.25
    if not mask.any():
        mask = _shrunk(maps.mask.astype(np.float32), film.size) > 0
    origin = np.where(mask, np.maximum(_nearest(maps.origin, near), 1) if maps.origin.any() else 255, 0)
    source = maps.source[near]
    offset = np.where((source >= 0) & mask & (origin == 1), source - index + 32768, 0).clip(0, 65535)
    made = np.stack((origin, offset >> 8, offset & 255), axis=-1).astype(np.uint8)
    y, x = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    top, bottom, left, right = int(y[0]), int(y[-1]) + 1, int(x[0]), int(x[-1]) + 1
    error = None
    if maps.error is not None:
        share = (maps.error[near] / film.largest_error).clip(0, 1)
        error = np.where(mask, np.round(share * 255), 0).astype(np.uint8)[top:bottom, left:right]
    return made[top:bottom, left:right], error, (left, top, right - left, bottom - top)


def _nearest(origin: np.ndarray, near: Any) -> np.ndarray:
    """The origin at the nearest pixel; where that one was known, the largest of a small neighbourhood."""
    exact = origin[near]
    reach = [2 * -(-whole // part) + 1 for whole, part in zip(origin.shape, exact.shape, strict=True)]
    return np.where(exact > 0, exact, cv2.dilate(origin, np.ones(reach, np.uint8))[near])


def _flow(flow: np.ndarray, film: Film) -> bytes:
    known = np.isfinite(flow).all(axis=0)
    picture = flow_picture(torch.from_numpy(np.nan_to_num(flow)), film.longest_flow)
    picture[~known] = 128
    side = max(picture.shape[:2])
    if side > FLOW_SIDE:
        size = tuple(max(1, round(n * FLOW_SIDE / side)) for n in picture.shape[1::-1])
        picture = cv2.resize(picture, (size[0], size[1]), interpolation=cv2.INTER_AREA)
    return webp(picture)
