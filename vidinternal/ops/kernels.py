"""Blur kernels: what makes a low-resolution picture of a sharp one; read, checked, aligned, compared.

One geometry everywhere. Low-resolution pixel ``i`` at scale ``s`` covers high-resolution coordinates around
``s i + (s - 1) / 2``, made as ``ops.imresize.shrink_by_kernel`` does: ``y[i] = sum_t k[t] x[s i + t - n // 2]``. A
kernel is *in line* with the antialiased cubic when its centre of mass lies at index ``n // 2 + (s - 1) / 2``
(``bellkligler2019kernelgan``); :func:`kernel_shift` moves it there. Sides are odd, the sum is 1.
"""

from __future__ import annotations

import math
import struct
import warnings
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import scipy.io
import scipy.ndimage
import torch
from scipy.io.matlab import MatReadError
from torch import Tensor

from vidinternal.core.errors import UsageError
from vidinternal.ops.imresize import scales

MOST_SIDE = 129
"""Longest side of a kernel, pixels."""
SUM_TOLERANCE = 0.01
"""How far from 1 the sum of a kernel from outside may be; the rest is rounding in the file."""

_MOST_WEIGHT = 10.0  # sum of absolute values; sharpening cubics have 1.3 to 2
_MOST_BYTES = 8 << 20
_NEGLIGIBLE = 1e-5
_IN_PLACE = 1e-3
_MARGIN = 6  # zeros around a kernel that keep the spline's ringing inside
ENDINGS = (".npy", ".mat")
"""Of files that hold a kernel."""
_BROKEN = (
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    OSError,
    EOFError,
    NotImplementedError,
    OverflowError,
    MemoryError,
    RuntimeError,
    MatReadError,
    struct.error,
    zlib.error,
)
"""What the readers of NumPy and SciPy raise for files that are not what they should be."""


def read_kernel(path: Path) -> Tensor:
    """Read a kernel: a two-dimensional ``.npy``, or a ``.mat`` with a variable ``Kernel``. Nothing is unpickled.

    Returns:
        ``kh kw`` float32, summing to 1; as it is in the file, not yet in line with a scale.

    Raises:
        UsageError: There is no such file, it cannot be read, or what it holds is no blur kernel.
    """
    where = f"kernel {path}"
    if path.suffix.lower() not in ENDINGS:
        raise UsageError(where, expected="a .npy or .mat file", got=f"'{path.suffix}'", hint="numpy.save(path, kernel)")
    if not path.is_file():
        raise UsageError(where, expected="a file", got="a folder" if path.is_dir() else "no such file")
    size = path.stat().st_size
    if size > _MOST_BYTES:
        raise UsageError(where, expected=f"at most {_MOST_BYTES >> 20} MB", got=f"{size / 2**20:.0f} MB")
    try:
        values = _npy(path) if path.suffix.lower() == ".npy" else _mat(path)
    except UsageError:
        raise
    except _BROKEN as error:
        modern = isinstance(error, NotImplementedError)  # MATLAB 7.3 files are HDF5
        hint = "save it with -v7, or as .npy" if modern else "numpy.save(path, kernel)"
        got = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UsageError(where, expected="a readable array", got=got, hint=hint) from error
    if values.dtype.kind not in "fiub":
        raise UsageError(where, expected="real numbers", got=f"{values.dtype}")
    with np.errstate(over="ignore"):  # what float32 cannot hold is refused as not finite
        return validated(torch.from_numpy(values.astype(np.float32)), where)


def _npy(path: Path) -> np.ndarray:
    # mapped: a header that promises more than the file holds, or an object array, is refused before memory is taken
    with path.open("rb") as opened:
        if opened.read(6) != b"\x93NUMPY":
            raise ValueError("not one array as numpy.save writes it")
    loaded = np.load(path, mmap_mode="r", allow_pickle=False)
    _check_shape(loaded.shape, f"kernel {path}")
    return np.array(loaded)


def _mat(path: Path) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a file that is not quite right; what it holds is checked below
        shapes = {str(name): tuple(shape) for name, shape, _ in scipy.io.whosmat(path)}
        if "Kernel" not in shapes:
            found = ", ".join(sorted(shapes)[:8]) or "none"
            raise UsageError(f"kernel {path}", expected="a variable 'Kernel'", got=f"variables: {found}")
        _check_shape(shapes["Kernel"], f"kernel {path}")
        return np.asarray(scipy.io.loadmat(path, variable_names=("Kernel",))["Kernel"])


def _check_shape(shape: Sequence[int], where: str) -> None:
    if len(shape) != 2 or not all(1 <= side <= MOST_SIDE for side in shape):
        raise UsageError(
            where,
            expected=f"two dimensions of 1 to {MOST_SIDE}",
            got="x".join(map(str, shape)) if shape else "a single number",
        )


def validated(kernel: Tensor, where: str = "kernel") -> Tensor:
    """The kernel as float32 summing to 1, where it can be one.

    Args:
        kernel: Anything.
        where: What it is, for the message.

    Raises:
        UsageError: It is not two-dimensional, too large, not finite, does not sum to 1, or does not blur at all.
    """
    _check_shape(tuple(kernel.shape), where)
    values = kernel.detach().cpu().double()
    if not bool(values.isfinite().all()):
        raise UsageError(where, expected="finite numbers", got=f"{int((~values.isfinite()).sum())} that are not")
    total = float(values.sum())
    if abs(total - 1) > SUM_TOLERANCE:
        raise UsageError(
            where,
            expected="weights that sum to 1",
            got=f"{total:.4g}",
            hint="divide the kernel by its sum" if total else "",
        )
    weight = float(values.abs().sum())
    if weight > _MOST_WEIGHT:
        raise UsageError(
            where, expected=f"a blur: absolute weights of at most {_MOST_WEIGHT:g} in all", got=f"{weight:.3g}"
        )
    return (values / total).float()


def centre_of_mass(kernel: Tensor) -> tuple[float, float]:
    """Row and column index, fractions included, around which the weights balance."""
    values = kernel.detach().cpu().double()
    rows, columns = (torch.arange(n, dtype=torch.float64) for n in values.shape)
    total = values.sum()
    return float((values.sum(dim=1) * rows).sum() / total), float((values.sum(dim=0) * columns).sum() / total)


def wanted_centre(side: int, scale: float) -> float:
    """Index at which the centre of mass of an odd side lies when the kernel is in line at that scale."""
    return side // 2 + 0.5 * (scale - 1)


def kernel_shift(kernel: Tensor, scale: float | tuple[float, float]) -> Tensor:
    """Move a kernel in line with a scale, so that what it makes lies where the antialiased cubic would put it.

    An even side first gets a row or column of zeros at its end, which changes nothing in what the kernel does. The
    move is by cubic splines; a kernel that is in line already is returned as it is, so doing it twice does no harm.

    Args:
        kernel: ``kh kw`` summing to 1.
        scale: One factor, or vertical and horizontal.

    Returns:
        ``kh kw`` float32 of odd sides, summing to 1.

    Raises:
        UsageError: Not one or two finite factors above 0.
    """
    values = _odd(kernel.detach().cpu().double().numpy())
    centre = centre_of_mass(torch.from_numpy(values))
    move = [wanted_centre(n, s) - c for n, s, c in zip(values.shape, scales(scale), centre, strict=True)]
    if max(map(abs, move)) > _IN_PLACE:
        values = np.pad(values, math.ceil(max(map(abs, move))) + _MARGIN)
        values = trimmed(scipy.ndimage.shift(values, move))
    return torch.from_numpy(values / values.sum()).float()


def _odd(values: np.ndarray) -> np.ndarray:
    return np.pad(values, [(0, 1 - n % 2) for n in values.shape])


def trimmed(values: np.ndarray, most_side: int = MOST_SIDE) -> np.ndarray:
    """Rings of the border taken off a kernel of odd sides while they weigh next to nothing, or it is too large."""
    for axis in (0, 1):
        while values.shape[axis] > 1:
            ends = values.take([0, -1], axis=axis)
            if np.abs(ends).sum() > _NEGLIGIBLE and values.shape[axis] <= most_side:
                break
            values = values.take(range(1, values.shape[axis] - 1), axis=axis)
    return values


def gaussian_kernel(size: int, sigma: float) -> Tensor:
    """``size size`` float32, the Gaussian at whole pixels around the middle, summing to 1."""
    return anisotropic_gaussian(size, (sigma**2, sigma**2), 0.0)


def anisotropic_gaussian(size: int, variances: tuple[float, float], theta: float) -> Tensor:
    """An oval Gaussian.

    Args:
        size: Pixels of a side.
        variances: Along its two axes, squared pixels.
        theta: Angle from the columns' direction (x) to the first axis, radians.

    Returns:
        ``size size`` float32 around index ``(size - 1) / 2``, summing to 1.
    """
    turn = torch.tensor([[math.cos(theta), -math.sin(theta)], [math.sin(theta), math.cos(theta)]], dtype=torch.float64)
    inverse = torch.linalg.inv(turn @ torch.diag(torch.tensor(variances, dtype=torch.float64)) @ turn.T)
    place = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    y, x = torch.meshgrid(place, place, indexing="ij")
    points = torch.stack((x, y), dim=-1)
    weights = torch.exp(-0.5 * torch.einsum("hwi,ij,hwj->hw", points, inverse, points))
    return (weights / weights.sum()).float()


def cubic_kernel(scale: tuple[float, float]) -> Tensor:
    """The antialiased cubic of a scale, a kernel in line: ``imresize`` by ``1 / scale`` in numbers: ``keys1981cubic``.

    Exact for whole scales; at others the taps change from pixel to pixel, and these are those of the first.
    """
    rows, columns = (_cubic_taps(s) for s in scale)
    return torch.outer(rows, columns).float()


def _cubic_taps(scale: float) -> Tensor:
    reach = math.ceil(2.5 * scale + 0.5)
    place = torch.arange(-reach, reach + 1, dtype=torch.float64) - 0.5 * (scale - 1)
    x = (place / scale).abs()
    near, far = 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    taps = torch.where(x <= 1, near, torch.where(x <= 2, far, torch.zeros_like(x)))
    return taps / taps.sum()


def power_kernel(kernel: Tensor, doublings: int) -> Tensor:
    """The kernel of scale ``2 ** doublings`` from that of scale 2: ``k4 = k2 * dilate_2(k2)``, and so on.

    Shrinking by it is the same as shrinking by the first ``doublings`` times (``bellkligler2019kernelgan``).

    Args:
        kernel: ``kh kw`` in line at scale 2.
        doublings: At least 1.
    """
    base = kernel.detach().cpu().double().numpy()
    made = base
    for k in range(1, doublings):
        spread = np.zeros([(n - 1) * 2**k + 1 for n in base.shape])
        spread[:: 2**k, :: 2**k] = base
        pad = [(n - 1, n - 1) for n in made.shape]
        made = scipy.ndimage.convolve(np.pad(spread, pad), made, mode="constant")
        made = trimmed(made)
    return kernel_shift(torch.from_numpy(made / made.sum()), 2.0**doublings)


def stretched(kernel: Tensor, scale: tuple[float, float]) -> Tensor:
    """The kernel of any scale from that of scale 2, widened so that its second moments go with ``s^2 - 1``.

    A camera whose blur is as many of its own pixels wide at every scale needs just that: exact where the blur is
    Gaussian (whose ``power_kernel`` has the same moments), an approximation elsewhere. At scale 1 a side is left alone.

    Args:
        kernel: ``kh kw`` in line at scale 2.
        scale: Vertical and horizontal, at least 1.
    """
    values = kernel.detach().cpu().double().numpy()
    centre = [wanted_centre(n, 2.0) for n in values.shape]
    for axis, (s, middle) in enumerate(zip(scale, centre, strict=True)):
        if s <= 1:
            values = values.sum(axis=axis, keepdims=True)
            continue
        widen = max(0.4, math.sqrt((s * s - 1) / 3))  # narrower than that between the pixels it would be lost
        reach = math.ceil(widen * values.shape[axis] / 2 + s)
        matrix, offset = np.ones(2), np.zeros(2)
        shape = list(values.shape)
        shape[axis] = 2 * reach + 1
        matrix[axis], offset[axis] = 1 / widen, middle - (reach + 0.5 * (s - 1)) / widen
        values = scipy.ndimage.affine_transform(
            values,
            matrix,
            offset,  # pyright: ignore[reportArgumentType] - one for each axis
            tuple(shape),
            order=3,
        )
    return kernel_shift(torch.from_numpy(trimmed(_odd(values / values.sum()))), scale)


def kernel_distance(left: Tensor, right: Tensor) -> float:
    """``sum |a - b|`` of two kernels laid centre of mass on centre of mass: 0 where they are alike, at most about 2."""
    a, b = (kernel_shift(k, 1.0).double() for k in (left, right))
    sides = [max(p, q) for p, q in zip(a.shape, b.shape, strict=True)]
    return float((_around(a, sides) - _around(b, sides)).abs().sum())


def mean_kernel(left: Tensor, right: Tensor) -> Tensor:
    """The mean of two kernels of odd sides that are in line with the same scale, on the sides of the larger."""
    sides = [max(p, q) for p, q in zip(left.shape, right.shape, strict=True)]
    return (_around(left, sides) + _around(right, sides)) / 2


def _around(kernel: Tensor, sides: Sequence[int]) -> Tensor:
    rows, columns = ((wanted - n) // 2 for wanted, n in zip(sides, kernel.shape, strict=True))
    return torch.nn.functional.pad(kernel, (columns, columns, rows, rows))
