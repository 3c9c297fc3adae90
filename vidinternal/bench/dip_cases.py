"""The pictures of bench ``dip``, what is done to them, and how a result is judged: the paper's protocol.

Pictures come from a folder of the caller's; of a video it is the first frame. Without a folder, the sample clips.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from vidinternal.bench.base import BenchOptions
from vidinternal.bench.cases import VIDEOS, read_frames
from vidinternal.core.errors import UsageError
from vidinternal.core.seeds import generator
from vidinternal.ops.imresize import imresize
from vidinternal.ops.measures import psnr

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
SIGMA = 25 / 255
SCALE = 4
SET5_BICUBIC = {"baby": 31.78, "bird": 30.20, "butterfly": 22.13, "head": 31.34, "woman": 26.75}
"""Bicubic enlargement by four, dB, measured on the authors' own pictures: what an evaluation must reproduce first."""
SET5_DIP = {"baby": 31.49, "bird": 31.80, "butterfly": 26.23, "head": 31.04, "woman": 28.93}
"""The authors' results by the same protocol."""
F16_DIP = 33.69
"""The authors' best averaged result for F16 with noise of 25 (one run without averages peaks at 30.6)."""
TASKS = ("denoise", "upscale", "pixels", "text")
DEFAULT_CASES = ("denoise/denoise_F16_truth", "upscale/baby", "upscale/bird", "upscale/butterfly", "upscale/head")
DEFAULT_CASES += ("upscale/woman", "pixels/butterfly", "text/butterfly")


@dataclass(frozen=True)
class Picture:
    """One picture and what was done to it.

    Attributes:
        task: One of :data:`TASKS`.
        name: Of the file.
        truth: ``1 3 H W``, for judging alone.
        seen: ``1 3 h w``, what a method gets.
        missing: ``1 1 H W`` bool; None where nothing is.
        whole: Whether no more was cut off than the paper cuts off; its figures are of whole pictures.
    """

    task: str
    name: str
    truth: Tensor
    seen: Tensor
    missing: Tensor | None = None
    whole: bool = True

    @property
    def size(self) -> str:
        """Width and height of what is to be made."""
        return f"{self.truth.shape[-1]}x{self.truth.shape[-2]}"

    @property
    def case(self) -> str:
        """Its name in the table."""
        return f"{self.task}/{self.name}"

    def score(self, made: Tensor) -> float:
        """PSNR in dB as the paper takes it: luma without the border for enlargements, else RGB; 8 bits."""
        rounded = (made.float().cpu().clamp(0, 1) * 255).round() / 255
        return psnr_y(rounded, self.truth) if self.task == "upscale" else psnr(rounded, self.truth)

    def paper(self) -> float | None:
        """The authors' figure of this very picture; None where there is none, or it is of more than this crop."""
        if self.whole and self.task == "upscale":
            return SET5_DIP.get(self.name)
        return F16_DIP if self.whole and self.task == "denoise" and "F16" in self.name else None


def luma(picture: Tensor) -> Tensor:
    """``N 1 H W``: Y of ITU-R BT.601 in studio range, of RGB in [0, 1]."""
    red, green, blue = picture.double().split(1, dim=1)
    return (219 * (0.299 * red + 0.587 * green + 0.114 * blue) + 16) / 255


def protocol_box(height: int, width: int) -> tuple[slice, slice]:
    """Rows and columns that the paper judges: the middle, cropped to multiples of 32, less 4 pixels and 5."""

    def one(side: int) -> slice:
        kept = max(32, side // 32 * 32)
        first = max(0, (side - kept) // 2)
        return slice(first + 4, min(side, first + kept) - 5)

    return one(height), one(width)


def psnr_y(made: Tensor, truth: Tensor) -> float:
    """PSNR in dB of the luma inside :func:`protocol_box`."""
    rows, columns = protocol_box(int(truth.shape[-2]), int(truth.shape[-1]))
    return psnr(luma(made)[..., rows, columns], luma(truth)[..., rows, columns])


def shrunk(truth: Tensor, scale: int = SCALE) -> Tensor:
    """The low-resolution picture in 8 bits: antialiased cubic, as the paper's tables of Set5 have it."""
    return (imresize(truth, 1 / scale).clamp(0, 1) * 255).round() / 255


def enlarged(small: Tensor, how: str, scale: int = SCALE) -> Tensor:
    """A classical enlargement, ``cubic`` or ``lanczos3``."""
    return imresize(small, scale, interpolation=how).clamp(0, 1)  # pyright: ignore[reportArgumentType]


def pictures(options: BenchOptions) -> dict[str, Callable[[], Tensor]]:
    """What reads each picture, ``1 3 H W`` in [0, 1] whole, by its name, sorted.

    Raises:
        UsageError: There is no such folder, or no picture in it.
    """
    folder = options.clips
    if not folder.is_dir():
        raise UsageError(
            str(folder), expected="a folder with pictures", got="no such folder", hint="--set clips=FOLDER"
        )
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    found: dict[str, Callable[[], Tensor]] = {}
    for path in files:
        if path.suffix.lower() in ENDINGS and "mask" not in path.stem:
            found.setdefault(path.stem, lambda path=path: read_picture(path))
        elif path.suffix.lower() in VIDEOS:
            found.setdefault(path.stem, lambda path=path: read_frames(path, 0, 1))
    if not found:
        raise UsageError(str(folder), expected="pictures or videos", got="none", hint="--set clips=FOLDER")
    return found


def read_picture(path: Path) -> Tensor:
    """``1 3 H W`` RGB in [0, 1], without alpha.

    Raises:
        UsageError: It cannot be read.
    """
    array = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
    if array is None:
        raise UsageError(str(path), expected="a picture", got="something that cannot be read")
    return torch.from_numpy(cv2.cvtColor(array, cv2.COLOR_BGR2RGB)).permute(2, 0, 1)[None].float() / 255


def middle(picture: Tensor, height: int, width: int) -> Tensor:
    """The middle of a picture, at most of that size, both sides multiples of 32 where they are that long."""

    def one(side: int, most: int) -> slice:
        length = min(side, most)
        length = length // 32 * 32 if length >= 32 else length // SCALE * SCALE
        return slice((side - length) // 2, (side - length) // 2 + length)

    return picture[..., one(picture.shape[-2], height), one(picture.shape[-1], width)]


def cases(options: BenchOptions) -> list[tuple[str, Callable[[], Picture]]]:
    """Name and maker of every case that the options ask for: the paper's, or those of one picture where there are none.

    Raises:
        UsageError: No case fits.
    """
    readers = pictures(options)
    named = [(f"{task}/{name}", task, name) for task in TASKS for name in readers]
    words = options.cases or tuple(d for d in DEFAULT_CASES if any(d == case for case, _, _ in named))
    words = words or tuple(f"/{name}" for name in sorted(readers)[:1])
    chosen = [entry for entry in named if any(word in entry[0] for word in words)]
    if not chosen:
        got = ", ".join(options.cases)
        raise UsageError("--set cases", expected=f"a word of {', '.join(c for c, _, _ in named[:8])} ...", got=got)

    def make(task: str, name: str) -> Picture:
        picture = readers[name]()
        kept = middle(picture, options.height, options.width)
        whole = kept.shape == middle(picture, *picture.shape[-2:]).shape
        return replace(spoilt(task, name, kept, options.seed), whole=whole)

    def maker(task: str, name: str) -> Callable[[], Picture]:
        return lambda: make(task, name)

    return [(case, maker(task, name)) for case, task, name in chosen]


def spoilt(task: str, name: str, truth: Tensor, seed: int) -> Picture:
    """A case: noise that saturates at 8 bits, a smaller picture, half of the pixels gone, or text burnt in."""
    truth = (truth * 255).round() / 255
    random = generator(seed, "bench dip", task, name)
    if task == "denoise":
        noise = torch.randn(truth.shape, generator=random) * SIGMA
        return Picture(task, name, truth, ((truth + noise).clamp(0, 1) * 255).round() / 255)
    if task == "upscale":
        return Picture(task, name, truth, shrunk(truth))
    if task == "pixels":
        missing = torch.rand(1, 1, *truth.shape[-2:], generator=random) > 0.5
    else:
        missing = text_mask(int(truth.shape[-2]), int(truth.shape[-1]))
    return Picture(task, name, truth, truth.masked_fill(missing, 0.0), missing)


def text_mask(height: int, width: int) -> Tensor:
    """``1 1 H W`` bool: lines of letters over the whole picture."""
    drawn = np.zeros((height, width), np.uint8)
    step = max(16, height // 8)
    for number, row in enumerate(range(step, height, step)):
        text = "the quick brown fox jumps over the lazy dog " * 4
        size = step / 32
        cv2.putText(drawn, text[7 * number :], (2, row), cv2.FONT_HERSHEY_SIMPLEX, size, (255,), max(1, step // 16))
    return torch.from_numpy(drawn > 0)[None, None]


def protocol(options: BenchOptions) -> Iterator[dict[str, float | str]]:
    """Bicubic enlargement of the pictures of Set5 that are there, whole, beside the figure of the authors' pictures."""
    for name, read in pictures(options).items():
        if name in SET5_BICUBIC:
            truth = read()
            height, width = (int(n) // SCALE * SCALE for n in truth.shape[-2:])
            truth = truth[..., :height, :width]
            level = psnr_y((enlarged(shrunk(truth), "cubic") * 255).round() / 255, truth)
            yield {"name": name, "bicubic": round(level, 3), "paper": SET5_BICUBIC[name]}
