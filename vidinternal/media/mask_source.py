"""Masks as people bring them: a video, one image, or a folder of numbered images. White = remove.

Frame ``i`` of a mask belongs to frame ``i`` of the clip whenever both have as many, whatever their rates say. Anything
else is refused with both numbers, unless the caller asks to have it fitted.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from vidinternal.core.clip import ClipInfo, ReadPolicy
from vidinternal.core.errors import MaskError, MediaError
from vidinternal.media.color import luma
from vidinternal.media.decode import ClipReader
from vidinternal.media.orientation import UPRIGHT, Orientation, orientation, shown_size
from vidinternal.media.probe import probe
from vidinternal.media.stills.animation import is_animation
from vidinternal.media.stills.image_check import declared_size, png_damage
from vidinternal.media.stills.image_sequence import IMAGE_SUFFIXES, Naming, by_number

_WHITE = 127.5 / 255  # brighter is white: 128 of 255 and up


@dataclass(frozen=True)
class MaskFit:
    """How a mask source is laid over a clip.

    Attributes:
        width: Width of the clip's picture as it is shown.
        height: Height of it.
        speed: Mask frames per clip frame.
        turn: How a mask drawn on the stored picture is turned to lie over the shown one.
    """

    width: int
    height: int
    speed: Fraction = Fraction(1)
    turn: Orientation = UPRIGHT


class MaskSource(ABC):
    """Masks of a clip.

    Attributes:
        path: Where they come from.
        kind: ``video``, ``image`` or ``folder``.
        width: Width in pixels.
        height: Height in pixels.
        count: Number of masks; None for one that holds for all frames.
        rate: Frames per second; None where there is none.
    """

    kind: str

    def __init__(self, path: Path, size: tuple[int, int], count: int | None, rate: Fraction | None = None) -> None:
        self.path = path
        self.width, self.height = size
        self.count = count
        self.rate = rate

    @abstractmethod
    def masks(self, start: int, end: int) -> Iterator[np.ndarray]:
        """Masks ``start`` to ``end`` (excluded) as ``h w`` bool at the source's own size and pace."""

    def read(self, start: int, end: int, fit: MaskFit) -> np.ndarray:
        """Masks of the clip's frames ``start`` to ``end`` (excluded).

        Args:
            start: First frame of the clip.
            end: Last frame, excluded.
            fit: From :func:`check_fits`.

        Returns:
            ``T H W`` bool on the picture as it is shown, True = to fill.

        Raises:
            MaskError: A mask cannot be read, or its size is not that of the first.
        """
        drawn = np.zeros((max(0, end - start), fit.height, fit.width), dtype=bool)
        wanted = [self._source_index(i, fit) for i in range(start, end)]
        if not wanted:
            return drawn
        numbered = enumerate(self.masks(wanted[0], wanted[-1] + 1), wanted[0])
        at, fitted = -1, drawn[0]
        for row, index in enumerate(wanted):
            while at < index:
                at, mask = next(numbered)
                if at == index:
                    fitted = fit_mask(mask, fit)
            drawn[row] = fitted
        return drawn

    def _source_index(self, frame: int, fit: MaskFit) -> int:
        index = int(frame * fit.speed)
        return 0 if self.count is None else min(index, self.count - 1)


class _VideoMasks(MaskSource):
    kind = "video"

    def __init__(self, path: Path, max_pixels: int) -> None:
        try:
            info = probe(path, ReadPolicy(max_pixels=max_pixels))
            self.reader = ClipReader(info)
            count = len(self.reader)
        except MediaError as error:
            raise _unreadable(path, error) from error
        super().__init__(path, shown_size(info), count, info.rate)
        self.info = info

    def masks(self, start: int, end: int) -> Iterator[np.ndarray]:
        try:
            for frame in self.reader.frames(start, end):
                yield orientation(self.info).upright(luma(frame, self.info) > _WHITE)
        except MediaError as error:
            raise _unreadable(self.path, error) from error


class _ImageMasks(MaskSource):
    kind = "image"

    def __init__(self, path: Path, max_pixels: int) -> None:
        self.mask = read_image(path, max_pixels)
        super().__init__(path, (self.mask.shape[1], self.mask.shape[0]), None)

    def masks(self, start: int, end: int) -> Iterator[np.ndarray]:
        for _ in range(start, end):
            yield self.mask


class _FolderMasks(MaskSource):
    kind = "folder"

    def __init__(self, path: Path, max_pixels: int) -> None:
        self.files = _in_order(path)
        self.max_pixels = max_pixels
        first = read_image(self.files[0], max_pixels)
        super().__init__(path, (first.shape[1], first.shape[0]), len(self.files))

    def masks(self, start: int, end: int) -> Iterator[np.ndarray]:
        for file in self.files[start:end]:
            mask = read_image(file, self.max_pixels)
            if mask.shape != (self.height, self.width):
                raise MaskError(
                    f"mask {file}",
                    expected=f"{self.width}x{self.height} as in {self.files[0].name}",
                    got=f"{mask.shape[1]}x{mask.shape[0]}",
                )
            yield mask


def check_path(path: Path) -> None:
    """Refuse what no mask can be read from, without opening it: opening a pipe would wait for ever.

    Raises:
        MaskError: There is nothing there, or a pipe or device.
    """
    if path.is_file() or path.is_dir():
        return
    got = "a pipe or device, which cannot be read twice" if path.exists() else "nothing at that path"
    raise MaskError(f"mask {path}", expected="a video, an image or a folder of images", got=got)


def open_masks(path: Path, max_pixels: int = ReadPolicy().max_pixels) -> MaskSource:
    """Open a mask video, a mask image that holds for all frames, or a folder of numbered mask images.

    Args:
        path: Where it is.
        max_pixels: Most pixels of a mask; one that declares more is refused before it takes any memory.

    Raises:
        MaskError: There is nothing there, it cannot be read, or numbers are missing in the folder.
    """
    path = Path(path)
    if path.is_dir():
        return _FolderMasks(path, max_pixels)
    check_path(path)
    still = path.suffix.lower() in IMAGE_SUFFIXES and not is_animation(path)
    return (_ImageMasks if still else _VideoMasks)(path, max_pixels)


def _unreadable(path: Path, error: MediaError) -> MaskError:
    got = f"{error.where.removeprefix(f'{path}: ')}: {error.got}"
    return MaskError(f"mask {path}: cannot be read", expected="a video, an image or a folder of images", got=got)


def _in_order(folder: Path) -> list[Path]:
    """The folder's images by number; the number is the last one in the name.

    Raises:
        MaskError: There are none, numbers are missing or used twice, or only some have one.
    """
    files = [f for f in folder.iterdir() if f.suffix.lower() in IMAGE_SUFFIXES and not f.name.startswith(".")]
    if not files:
        raise MaskError(
            f"mask {folder}", expected=f"images ({', '.join(sorted(IMAGE_SUFFIXES))})", got="a folder without any"
        )
    if not any(re.search(r"\d", f.stem) for f in files):
        return sorted(files)
    hint = "add the missing images (all black where nothing is to be removed)"
    return list(by_number(files, Naming(f"mask {folder}", MaskError, hint)).values())


def read_image(path: Path, max_pixels: int = ReadPolicy().max_pixels) -> np.ndarray:
    """Read one mask image.

    White is what is brighter than half. Where an image has one colour throughout and an alpha channel that varies, the
    drawing is in the alpha: opaque then counts as white.

    Returns:
        ``h w`` bool.

    Raises:
        MaskError: The file is no image.
    """
    image = _decoded(path, max_pixels)
    peak = float(np.iinfo(str(image.dtype)).max) if image.dtype.kind in "ui" else 1.0
    unit = image.reshape(*image.shape[:2], -1).astype(np.float32) / np.float32(peak)
    color, alpha = unit[..., :3], unit[..., 3] if unit.shape[2] == 4 else None
    if alpha is not None and alpha.min() < alpha.max() and (color == color[:1, :1]).all():
        return alpha > _WHITE
    if color.shape[2] < 3:
        return color[..., 0] > _WHITE
    return color @ np.array([0.114, 0.587, 0.299], dtype=np.float32) > _WHITE  # OpenCV's order: blue, green, red


def read_rgba(path: Path, max_pixels: int = ReadPolicy().max_pixels) -> np.ndarray:
    """Read an image with its colours, ``h w 4`` uint8, such as a scribble.

    Raises:
        MaskError: The file is no image.
    """
    image = _decoded(path, max_pixels)
    if image.dtype == np.uint16:
        image = (image // 257).astype(np.uint8)
    elif image.dtype != np.uint8:
        raise MaskError(f"mask {path}", expected="an image of 8 or 16 bits", got=str(image.dtype))
    planes = image.reshape(*image.shape[:2], -1)
    color = planes[..., 2::-1] if planes.shape[2] >= 3 else np.repeat(planes[..., :1], 3, axis=2)
    alpha = planes[..., 3:] if planes.shape[2] == 4 else np.full_like(planes[..., :1], 255)
    return np.ascontiguousarray(np.concatenate([color, alpha], axis=2))


def _decoded(path: Path, max_pixels: int) -> np.ndarray:
    """An image as OpenCV gives it.

    Raises:
        MaskError: It is too large, damaged or none.
    """
    size = declared_size(path)
    if size is not None and size[0] * size[1] > max_pixels:
        raise MaskError(
            f"mask {path}: the picture is too large",
            expected=f"at most {max_pixels} pixels (decode.max_pixels)",
            got=f"{size[0]}x{size[1]}",
            hint="a mask of the clip's size",
        )
    try:
        data = path.read_bytes()
        damage = png_damage(data)
        if damage:
            raise MaskError(f"mask {path}: damaged", expected="a whole PNG file", got=damage)
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # what is wrong is told once, by us
        image = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_UNCHANGED) if data else None
    except OSError as error:
        raise MaskError(f"mask {path}", expected="a readable image", got=str(error.strerror)) from error
    except cv2.error as error:  # sizes beyond OpenCV's own limits
        raise MaskError(f"mask {path}", expected="an image that OpenCV reads", got=str(error.err)) from error
    if image is None:
        raise MaskError(f"mask {path}", expected="an image", got="a file that is none")
    return image


def check_fits(source: MaskSource, info: ClipInfo, frame_count: int, fit: bool) -> MaskFit:
    """Compare a mask with the clip it is for, as it is shown.

    Args:
        source: The mask.
        info: The clip.
        frame_count: Number of the clip's frames.
        fit: Whether to fit the mask instead of refusing it: resized, and paced by the rates or held and cut.

    Returns:
        How to read the mask.

    Raises:
        MaskError: Size, length or rate differ and ``fit`` is False; names both numbers.
    """
    size, shown = (source.width, source.height), shown_size(info)
    same_size = size == shown
    same_count = source.count is None or source.count == frame_count
    same_rate = source.rate is None or source.rate == info.rate
    if not fit and not (same_size and same_count):
        raise _misfit(source, info, frame_count, same_rate)
    speed = Fraction(1)
    if not same_count and not same_rate and source.rate is not None:
        speed = source.rate / info.rate
    as_stored = not same_size and size == (info.width, info.height)
    return MaskFit(*shown, speed, orientation(info) if as_stored else UPRIGHT)


def _misfit(source: MaskSource, info: ClipInfo, frame_count: int, same_rate: bool) -> MaskError:
    width, height = shown_size(info)
    expected, got = [f"{width}x{height}"], [f"{source.width}x{source.height}"]
    if source.count is not None:
        expected.append(f"{frame_count} frames")
        got.append(f"{source.count} frames")
        if not same_rate and source.count != frame_count and source.rate is not None:
            expected.append(f"{float(info.rate):.3f} frames per second")
            got.append(f"{float(source.rate):.3f} frames per second")
    turned = f" as it is shown, turned by {info.rotation} degrees" if info.rotation else ""
    return MaskError(
        f"mask {source.path} does not fit {info.path}",
        expected=f"{', '.join(expected)} as in the clip{turned}",
        got=", ".join(got),
        hint="--mask-fit to have it resized and paced to the clip",
    )


def fit_mask(mask: np.ndarray, fit: MaskFit) -> np.ndarray:
    """Turn and resize one mask; a pixel that a white one overlaps becomes white, so that no coverage is lost.

    Args:
        mask: ``h w`` bool.
        fit: Size and turn.

    Returns:
        ``H W`` bool.
    """
    turned = fit.turn.upright(mask)
    if turned.shape == (fit.height, fit.width):
        return np.ascontiguousarray(turned)
    return _stretch_rows(_stretch_rows(turned, fit.height).T, fit.width).T


def _stretch_rows(mask: np.ndarray, rows: int) -> np.ndarray:
    """Resize the first axis; each new row is the union of the rows it overlaps."""
    first, last = _overlaps(mask.shape[0], rows)
    stretched = mask[first]
    for step in range(1, int((last - first).max()) + 1):
        stretched = stretched | mask[np.minimum(first + step, last)]
    return stretched


@lru_cache(maxsize=8)
def _overlaps(old: int, new: int) -> tuple[np.ndarray, np.ndarray]:
    """First and last of the ``old`` rows that each of the ``new`` rows overlaps, in exact integers."""
    index = np.arange(new)
    return index * old // new, ((index + 1) * old - 1) // new
