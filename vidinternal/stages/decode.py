"""Stage ``decode``: a handle that reads frames of the source by index, a window at a time."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field, field_validator
from torch import Tensor

from vidinternal.core.clip import ClipInfo, Damage, ReadPolicy
from vidinternal.core.config import StrictModel
from vidinternal.core.errors import ConfigError, MediaError
from vidinternal.media.chroma_beside import chroma_beside
from vidinternal.media.color import to_rgb
from vidinternal.media.decode import ClipReader
from vidinternal.media.dynamic_hdr import check_dynamic
from vidinternal.media.fields import Scan, check_splits, field_infos, scan_of, split, split_lines
from vidinternal.media.orientation import orientation, turn_of
from vidinternal.media.picture import NativeFrame
from vidinternal.media.probe import frame_pts
from vidinternal.media.source_facts import source_facts
from vidinternal.media.stills.clip import is_sequence
from vidinternal.stages.artifacts import Box
from vidinternal.stages.base import Scope, Stage, StageContext

_UPRIGHT = 0.5  # degrees; fixed-point matrices are never quite right-angled


class FrameSource:
    """Reads any span of the clip; holds no more than the span asked for.

    A frame is what the file stores. A picture is what methods see: one instant, upright; a progressive frame holds one,
    an interlaced frame two, its fields.

    Args:
        info: The clip.
        scan: Whether its frames are one picture or two fields.
    """

    def __init__(self, info: ClipInfo, scan: Scan = "progressive") -> None:
        self.info = info
        self.scan: Scan = scan
        self.reader = ClipReader(info)
        self.turn = orientation(info)
        self.infos = field_infos(info, scan)

    @cached_property
    def pts(self) -> tuple[int, ...]:
        """Exact presentation time of every frame, in ticks of ``info.time_base``."""
        return tuple(self.reader.pts)

    def __len__(self) -> int:
        return len(self.pts)

    def native(self, start: int, end: int) -> Iterator[NativeFrame]:
        """Frames ``start`` to ``end`` (excluded) in the source's own planes."""
        return self.reader.frames(start, end)

    @property
    def damage(self) -> Damage:
        """Which frames are damaged; known only where the clip is read on in spite of it."""
        return self.reader.damage

    @property
    def per_frame(self) -> int:
        """Pictures in a frame: 2 where it is interlaced, else 1."""
        return len(self.infos)

    def rgb(self, start: int, end: int, box: Box | None = None) -> Tensor:
        """The pictures of frames ``start`` to ``end`` (excluded), ``T 3 h w`` float32 RGB, upright, cropped to ``box``.

        Each frame gives :attr:`per_frame` of them, in order of time.
        """
        return self._pictures(to_rgb, start, end, box)

    def beside(self, start: int, end: int, masks: Tensor, box: Box | None = None) -> Tensor:
        """The same pictures; of subsampled chroma nothing that is partly under a mask is looked at.

        Args:
            start: First frame.
            end: One past the last.
            masks: ``T 1 H W`` bool, of whole upright pictures, as :meth:`masks` gives them.
            box: What to crop to.
        """
        stored = iter(self.turn.stored(masks[:, 0].cpu().numpy()))
        return self._pictures(
            lambda picture, info: to_rgb(chroma_beside(picture, next(stored), info), info), start, end, box
        )

    def _pictures(
        self, convert: Callable[[NativeFrame, ClipInfo], np.ndarray], start: int, end: int, box: Box | None
    ) -> Tensor:
        y0, y1, x0, x1 = box or (None, None, None, None)
        crops = []
        for native in self.native(start, end):
            for picture, info in zip(split(native, self.scan), self.infos, strict=True):
                upright = self.turn.upright(convert(picture, info))
                crops.append(upright[:, y0:y1, x0:x1].astype(np.float32))
        return torch.from_numpy(np.stack(crops))

    def masks(self, frames: Tensor) -> Tensor:
        """Masks of pictures, ``per_frame * T 1 h w``, from those of upright frames, ``T 1 H W``.

        A line of a frame's mask belongs to the field that has the line.
        """
        if self.per_frame == 1:
            return frames
        lines = split_lines(self.turn.stored(frames[:, 0].cpu().numpy()), self.scan)
        return torch.from_numpy(self.turn.upright(lines).copy()).unsqueeze(1)


def _rate(value: float | str) -> Fraction:
    """A rate as a fraction; decimals are taken as they are written."""
    try:
        return Fraction(str(value))
    except (ValueError, ZeroDivisionError) as error:
        raise ValueError("a rate is a number or a fraction such as 30000/1001") from error


def check_order(info: ClipInfo) -> None:
    """Refuse a clip that shows two frames at the same time, which no file that is written could.

    Raises:
        MediaError: Names the frame.
    """
    pts = frame_pts(info)
    twin = next((i for i, (a, b) in enumerate(pairwise(pts), 1) if b <= a), None)
    if twin is not None:
        raise MediaError(
            f"{info.path}: frame {twin} is shown at the same time as the one before it",
            expected="times that increase from frame to frame",
            got=f"pts {pts[twin - 1]} and {pts[twin]}, {float((pts[twin] - pts[0]) * info.time_base):.3f} s",
            hint=f"ffmpeg -i {shlex.quote(str(info.path))} -fps_mode vfr -c:v ffv1 -c:a copy single.mkv",
        )


class Config(StrictModel):
    """How frames are read."""

    scan: Literal["auto", "progressive", "tff", "bff"] = "auto"
    """Whether frames are interlaced: ``auto`` goes by the marks of pictures from all over the clip, and mixed ones are
    refused; ``tff`` (top field first) and ``bff`` take every frame as two fields, ``progressive`` as one picture."""
    dynamic_hdr: Literal["refuse", "drop"] = "refuse"
    """What to do with a film in Dolby Vision or HDR10+, whose data for each picture cannot be carried."""
    damage: Literal["stop", "repair", "keep"] = "stop"
    """What to do with damaged frames: refuse the clip, fill them as holes, or take what the decoder makes of them."""
    repair_leaning: bool = False
    """Whether ``repair`` also fills frames predicted from a damaged one, up to the next key picture."""
    max_pixels: int = Field(default=ReadPolicy().max_pixels, ge=1, lt=1 << 31)
    """Most pixels of a picture; a file that declares more is refused before it takes any memory."""
    fps: float | str | None = None
    """Pictures per second of numbered images, such as 24 or 30000/1001; None is 25. All others have their own times."""

    @field_validator("fps")
    @classmethod
    def _is_rate(cls, value: float | str | None) -> float | str | None:
        if value is not None and not 0 < _rate(value) <= 1000:
            raise ValueError("a rate lies above 0 and up to 1000")
        return value

    @property
    def policy(self) -> ReadPolicy:
        """How the clip is read."""
        fps = None if self.fps is None else _rate(self.fps)
        return ReadPolicy(self.damage, self.repair_leaning, self.max_pixels, fps)


class Decode(Stage):
    """Opens the source."""

    name = "decode"
    scope = Scope.CLIP
    summary = "Opens the clip; its frames are read by index, in their own planes, a window at a time."
    reads = ()
    writes = ("frames",)
    kept = False
    Config = Config

    def preflight(self, context: StageContext) -> tuple[str, ...]:
        """Refuse fields that cannot be told apart; say how frames are taken where that is not plain."""
        check_order(context.info)
        notes = list(check_dynamic(context.info, drop=self.config.dynamic_hdr == "drop"))
        if self.config.fps is not None and not is_sequence(context.info.path):
            got = f"{context.info.path.name}, whose pictures have times of their own"
            raise ConfigError("decode.fps", expected="numbered images, which carry no times", got=got)
        if self.config.fps is None and is_sequence(context.info.path):
            notes.append("images carry no times: 25 frames per second are taken; --set decode.fps=24 says otherwise")
        scan = self.scan(context.info)
        if scan != "progressive":
            order = {"tff": "top", "bff": "bottom"}[scan]
            notes.append(f"interlaced, {order} field first: each frame is processed as its two fields")
        _, _, off = turn_of(source_facts(context.info).display_matrix)
        if abs(off) > _UPRIGHT:
            notes.append(
                f"players tilt the picture by {off:+.1f} degrees from a right angle: masks and regions are laid over it"
                " untilted; the file keeps the tilt"
            )
        return tuple(notes)

    def scan(self, info: ClipInfo) -> Scan:
        """How the clip's frames are taken.

        Raises:
            MediaError: The file's marks are mixed, or its frames do not divide into two fields.
        """
        asked: Literal["auto", "progressive", "tff", "bff"] = self.config.scan
        if asked == "auto":
            return scan_of(info)
        if asked != "progressive":
            check_splits(info)
        return asked

    def run(self, inputs: Mapping[str, Any], context: StageContext) -> Mapping[str, Any]:
        """Return the handle ``frames``."""
        del inputs
        return {"frames": FrameSource(context.info, self.scan(context.info))}


STAGE = Decode
