"""The pictures of bench ``zssr``, how they are made small, and how a result is judged: the protocol of the papers.

Pictures come from a folder of the caller's (``--set clips=FOLDER``: Set5 and the like); without one they are the first
frames of the sample clips.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from vidinternal.bench.base import BenchOptions
from vidinternal.bench.dip_cases import luma, pictures
from vidinternal.core.errors import UsageError
from vidinternal.methods.zssr.objective import father_to_son
from vidinternal.ops.imresize import imresize
from vidinternal.ops.kernels import gaussian_kernel, kernel_shift
from vidinternal.ops.measures import psnr, ssim

SCALE = 2
SET5 = ("baby", "bird", "butterfly", "head", "woman")
BLURS = {"cubic": 0.0, "sigma2": 2.0, "variance2": math.sqrt(2.0)}
"""Standard deviation of the known Gaussian blur in pixels of the large picture; 0 = the antialiased cubic."""
PUBLISHED = {
    "cubic": {"bicubic": 33.66, "zssr, fast by steps": 37.37, "zssr, faithful by steps": 37.37},
    "variance2": {"bicubic": 28.73, "zssr, faithful": 34.90},
}
"""Set5 by two, mean dB: the paper's, which is by way of several sizes, and those of a later paper's table "g2.0,
direct". That its 2.0 is the variance is what its bicubic figure says: 28.74 dB comes out for a standard deviation of
1.41 that is sampled half a pixel beside, 27.28 for 2.0; in line with the pixels, as here, bicubic has 29.77 and
27.78."""
BARS = {"cubic": 37.2, "sigma2": 34.9, "variance2": 34.9}
"""What is to be reached on Set5."""


@dataclass(frozen=True)
class Small:
    """One picture made small.

    Attributes:
        blur: One of :data:`BLURS`.
        name: Of the file.
        truth: ``1 3 H W`` with even sides, in 8 bits.
        seen: ``1 3 H/2 W/2``, in 8 bits.
        kernel: What it was blurred by, in line with the scale; None = the cubic.
    """

    blur: str
    name: str
    truth: Tensor
    seen: Tensor
    kernel: Tensor | None

    @property
    def case(self) -> str:
        """Its name in the table."""
        return f"{self.blur}/{self.name}"

    def score(self, made: Tensor) -> tuple[float, float]:
        """PSNR in dB and SSIM of the luma in 8 bits, without as many border pixels as the scale."""
        shave = slice(SCALE, -SCALE)
        left, right = (luma(eight_bits(x))[..., shave, shave] for x in (made.float().cpu(), self.truth))
        return psnr(left, right), ssim(left.float(), right.float())


def eight_bits(picture: Tensor) -> Tensor:
    """Rounded to whole codes, in [0, 1]."""
    return (picture.clamp(0, 1) * 255).round() / 255


def cases(options: BenchOptions) -> list[tuple[str, Callable[[], Small]]]:
    """Name and maker of every case that the options ask for; all of Set5 under each blur where it is there.

    ``width`` and ``height``, where they are given, cut out the middle: a part is no figure to be compared.

    Raises:
        UsageError: No case fits.
    """
    readers = pictures(options)
    named = [(f"{blur}/{name}", blur, name) for blur in BLURS for name in sorted(readers)]
    usual = [entry for entry in named if entry[2] in SET5] or named
    chosen = [e for e in named if any(word in e[0] for word in options.cases)] if options.cases else usual
    if not chosen:
        known = ", ".join(name for name, _, _ in named[:8])
        raise UsageError("--set cases", expected=f"a word of {known} ...", got=", ".join(options.cases))

    def maker(blur: str, name: str) -> Callable[[], Small]:
        return lambda: small(blur, name, _part(readers[name](), options))

    return [(case, maker(blur, name)) for case, blur, name in chosen]


def small(blur: str, name: str, truth: Tensor) -> Small:
    """Make a picture small, in 8 bits as a file would hold it."""
    sigma = BLURS[blur]
    kernel = kernel_shift(gaussian_kernel(15, sigma), float(SCALE)) if sigma else None
    truth = eight_bits(truth)
    return Small(blur, name, truth, eight_bits(father_to_son(truth, (SCALE, SCALE), kernel)), kernel)


def _part(picture: Tensor, options: BenchOptions) -> Tensor:
    given = options.model_fields_set
    sides = []
    for dim, name in ((-2, "height"), (-1, "width")):
        length = int(picture.shape[dim])
        kept = min(length, getattr(options, name)) if name in given else length
        kept = kept // SCALE * SCALE
        sides.append(slice((length - kept) // 2, (length - kept) // 2 + kept))
    return picture[..., sides[0], sides[1]]


def published_pairs(options: BenchOptions) -> Iterator[dict[str, float | str]]:
    """How far our resize is from published small pictures: files ``NAME_lr`` beside ``NAME_gt`` in the folder.

    The largest difference in codes and the share of samples that differ, for mirrored and for replicated borders; rows
    are resized before columns and rounded in between, as MATLAB does with 8 bits.
    """
    readers = pictures(options)
    for name in sorted(readers):
        if not name.endswith("_lr") or f"{name[:-3]}_gt" not in readers:
            continue
        truth, seen = readers[f"{name[:-3]}_gt"](), readers[name]()
        scale = (seen.shape[-2] / truth.shape[-2], seen.shape[-1] / truth.shape[-1])
        for border in ("mirror", "replicate"):
            rows = _half_up(imresize(truth.double(), (scale[0], 1.0), border=border))
            made = _half_up(imresize(rows, (1.0, scale[1]), border=border))
            far = ((made - seen.double()).abs() * 255).round()
            yield {
                "name": name,
                "border": border,
                "largest": float(far.max()),
                "differ": float((far > 0).double().mean()),
                "inside": float(far[..., 3:-3, 3:-3].max()),
            }


def _half_up(picture: Tensor) -> Tensor:
    # a half goes up in MATLAB; the tiny part is for sums that should be a half and are just below
    return torch.floor(picture.clamp(0, 1) * 255 + 0.5 + 1e-9) / 255
