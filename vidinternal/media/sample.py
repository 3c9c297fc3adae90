"""Single pictures of a clip, small and in RGB, for looking around in it: subtitle scanning, thumbnails, reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from types import ModuleType
from typing import Any

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from vidinternal.core.clip import ClipInfo
from vidinternal.core.errors import MediaError, UsageError
from vidinternal.media.decode import ClipReader
from vidinternal.media.orientation import orientation, shown_size
from vidinternal.media.picture import NativeFrame, picture_format, to_av
from vidinternal.media.probe import frame_pts
from vidinternal.media.stills.clip import is_stills


@dataclass(frozen=True)
class Samples:
    """Pictures of a clip.

    Attributes:
        frames: ``N H W 3`` uint8 RGB, turned to be upright, not stretched to square pixels.
        backend: ``decord``, or ``pyav`` with the reason in brackets.
    """

    frames: np.ndarray
    backend: str


class _RefusedError(Exception):
    """Why decord is not used."""


class Shrinker:
    """Turns pictures into small packed ones, with FFmpeg's bicubic scaler.

    Args:
        info: The clip.
        height: Rows wanted; the width follows.
        layout: ``rgb24`` or ``bgr24``.
        width: Columns, where they are known better than from the height.
    """

    def __init__(self, info: ClipInfo, height: int, layout: str, width: int | None = None) -> None:
        self._info, self._layout = info, layout
        self._format = picture_format(info.pix_fmt)
        self.width, self.height = small_size(info, height)
        self.width = width or self.width
        self._scaler = VideoReformatter()

    def __call__(self, native: NativeFrame) -> np.ndarray:
        """Return ``H W 3`` uint8."""
        return self.frame(to_av(native, self._format, self._info.width, self._info.height))

    def frame(self, frame: av.VideoFrame) -> np.ndarray:
        """Return ``H W 3`` uint8 of a decoded frame, whose colour tags become the clip's."""
        color = self._info.color
        frame.colorspace, frame.color_range = color.matrix, {None: 0, False: 1, True: 2}[color.full_range]
        return self._scaler.reformat(frame, self.width, self.height, self._layout).to_ndarray()


def small_size(info: ClipInfo, height: int | None) -> tuple[int, int]:
    """Width and height of a picture made ``height`` rows high; its own where None."""
    if height is None:
        return info.width, info.height
    return max(1, round(info.width * height / info.height)), height


def sample_frames(info: ClipInfo, indices: Sequence[int], height: int | None = None) -> Samples:
    """Read pictures by index, in any order, repeats allowed.

    decord reads them where it is installed, agrees with us on how many pictures there are and when the ones asked
    for are shown, and hands out pictures of the right size; else PyAV does, exactly but more slowly.

    Args:
        info: The clip.
        indices: Presentation indices from 0.
        height: Rows of the upright pictures to scale to; None keeps the size.

    Raises:
        UsageError: An index is outside the clip, or ``height`` is below 1.
        MediaError: The clip cannot be read.
    """
    times = frame_pts(info)
    outside = [i for i in indices if not 0 <= i < len(times)]
    if outside:
        where = f"sample {outside[0]} of {info.path}"
        raise UsageError(where, expected=f"an index from 0 to {len(times) - 1}", got=str(outside[0]))
    if height is not None and height < 1:
        raise UsageError("height of samples", expected="at least 1 row", got=str(height))
    turn = orientation(info)
    shown = shown_size(info)
    high = height or shown[1]
    wide = max(1, round(shown[0] * high / shown[1]))
    if not indices:
        return Samples(np.zeros((0, high, wide, 3), np.uint8), "pyav (nothing asked for)")
    width, rows = turn.size(wide, high)
    try:
        return Samples(_by_decord(info, indices, (width, rows), times), "decord")
    except _RefusedError as refused:
        stored = np.moveaxis(_by_pyav(info, indices, rows), -1, 1)
        return Samples(np.ascontiguousarray(np.moveaxis(turn.upright(stored), 1, -1)), f"pyav ({refused})")


def _decord() -> ModuleType | None:
    try:
        import decord  # noqa: PLC0415 - not on every platform, and slow to load
    except (ImportError, OSError):
        return None
    return decord


def _by_decord(info: ClipInfo, indices: Sequence[int], size: tuple[int, int], times: Sequence[int]) -> np.ndarray:
    """The pictures.

    Raises:
        _RefusedError: decord cannot give them, or not the right ones.
    """
    decord = _decord()
    if decord is None:
        raise _RefusedError("decord is not installed")
    if info.rotation or info.mirrored:
        raise _RefusedError("decord turns pictures")
    if is_stills(info.path):
        raise _RefusedError("decord reads no images")
    try:
        reader: Any = decord.VideoReader(str(info.path), width=size[0], height=size[1], num_threads=1)
        if len(reader) != len(times):
            raise _RefusedError(f"decord counts {len(reader)} pictures, not {len(times)}")
        if not _same_times(reader, info, indices, times):
            raise _RefusedError("decord disagrees about times")
        frames = reader.get_batch(list(indices)).asnumpy()
    except (decord.DECORDError, RuntimeError, ValueError, IndexError) as error:
        raise _RefusedError(f"decord: {str(error).strip().splitlines()[-1]}") from error
    # It takes rows that FFmpeg padded to a third more bytes for pictures with four channels.
    if frames.shape != (len(indices), size[1], size[0], 3):
        raise _RefusedError(f"decord gives pictures of shape {frames.shape[1:]}")
    return frames


def _same_times(reader: Any, info: ClipInfo, indices: Sequence[int], times: Sequence[int]) -> bool:
    """Whether decord shows the pictures asked for when we do, both counted from the first one; floats on its side."""
    chosen = sorted(set(indices))
    starts = np.asarray(reader.get_frame_timestamp(chosen), dtype=np.float64)[:, 0]
    first = float(np.asarray(reader.get_frame_timestamp([0]))[0, 0])
    wanted = np.array([float((times[i] - times[0]) * info.time_base) for i in chosen])
    return bool(np.allclose(starts - first, wanted, rtol=1e-5, atol=float(min(Fraction(1, 1000), info.time_base))))


def _by_pyav(info: ClipInfo, indices: Sequence[int], height: int) -> np.ndarray:
    """Neighbours are read in one go; everything else with a seek."""
    reader = ClipReader(info)
    shrink = Shrinker(info, height, "rgb24")
    pictures: dict[int, np.ndarray] = {}
    wanted = sorted(set(indices))
    for start, end in _runs(wanted):
        for frame in reader.frames(start, end):
            if frame.index in wanted:
                pictures[frame.index] = shrink(frame)
    missing = [i for i in wanted if i not in pictures]
    if missing:
        raise MediaError(f"frame {missing[0]} of {info.path}", expected="a picture", got="none")
    return np.stack([pictures[i] for i in indices])


def _runs(wanted: Sequence[int], gap: int = 12) -> list[tuple[int, int]]:
    """Spans that cover sorted indices; a jump of more than ``gap`` frames starts another."""
    runs: list[tuple[int, int]] = []
    for index in wanted:
        if runs and index - runs[-1][1] < gap:
            runs[-1] = (runs[-1][0], index + 1)
        else:
            runs.append((index, index + 1))
    return runs
