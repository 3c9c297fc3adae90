"""Laws of blur kernels: where they lie, what they do twice, what is refused."""

import io
import math
import zipfile
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch

from vidinternal.core.errors import UsageError
from vidinternal.core.seeds import generator
from vidinternal.ops.imresize import imresize, shrink_by_kernel
from vidinternal.ops.kernels import (
    MOST_SIDE,
    anisotropic_gaussian,
    centre_of_mass,
    cubic_kernel,
    gaussian_kernel,
    kernel_distance,
    kernel_shift,
    power_kernel,
    read_kernel,
    stretched,
    validated,
    wanted_centre,
)

OVAL = anisotropic_gaussian(13, (4.0, 0.8), 0.6)


def picture(height: int = 48, width: int = 60) -> torch.Tensor:
    return torch.rand(1, 3, height, width, generator=generator(0, "picture"))


def variance(kernel: torch.Tensor) -> list[float]:
    found = []
    for axis, middle in enumerate(centre_of_mass(kernel)):
        place = torch.arange(kernel.shape[axis], dtype=torch.float64) - middle
        found.append(float(kernel.double().sum(dim=1 - axis) @ place.square()))
    return found


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_cubic_as_a_kernel_shrinks_as_imresize_does(scale: int) -> None:
    x = picture()
    size = (48 // scale, 60 // scale)
    by_kernel = shrink_by_kernel(x, cubic_kernel((scale, scale)), 1 / scale, size)
    assert torch.allclose(by_kernel, imresize(x, 1 / scale), atol=1e-5)


@pytest.mark.parametrize("scale", [1.0, 2.0, 3.0, 4.0, 2.5, (2.0, 3.0)])
@pytest.mark.parametrize("kernel", [OVAL, gaussian_kernel(12, 1.5), gaussian_kernel(5, 1.0), OVAL.roll(2, 0)[:, :11]])
def test_a_shift_puts_the_centre_of_mass_in_line_and_doing_it_twice_does_nothing(
    kernel: torch.Tensor, scale: float | tuple[float, float]
) -> None:
    moved = kernel_shift(kernel / kernel.sum(), scale)
    pair = scale if isinstance(scale, tuple) else (scale, scale)
    assert all(n % 2 for n in moved.shape)
    for centre, side, s in zip(centre_of_mass(moved), moved.shape, pair, strict=True):
        assert abs(centre - wanted_centre(side, s)) < 0.01
    assert torch.equal(kernel_shift(moved, scale), moved)
    assert abs(float(moved.sum()) - 1) < 1e-6


@pytest.mark.parametrize("kernel", [OVAL, gaussian_kernel(12, 1.5)])
def test_what_a_kernel_in_line_makes_lies_where_the_cubic_puts_it(kernel: torch.Tensor) -> None:
    y, x = torch.meshgrid(torch.arange(48.0), torch.arange(60.0), indexing="ij")
    ramp = (x + 2 * y)[None, None] / 200
    made = shrink_by_kernel(ramp, kernel_shift(kernel, 2.0), 0.5, (24, 30))
    assert torch.allclose(made[..., 6:-6, 6:-6], imresize(ramp, 0.5)[..., 6:-6, 6:-6], atol=1e-4)


def test_an_even_side_gets_zeros_and_does_the_same() -> None:
    even = gaussian_kernel(12, 1.5)
    odd = torch.nn.functional.pad(even, (0, 1, 0, 1))
    x = picture()
    assert torch.allclose(shrink_by_kernel(x, even, 0.5, (24, 30)), shrink_by_kernel(x, odd, 0.5, (24, 30)), atol=1e-6)
    assert torch.equal(kernel_shift(even, 2.0), kernel_shift(odd, 2.0))


def test_shrinking_by_the_power_is_shrinking_twice() -> None:
    x, base = picture(64, 80), kernel_shift(gaussian_kernel(9, 1.0), 2.0)
    once = shrink_by_kernel(x, power_kernel(base, 2), 0.25, (16, 20))
    twice = shrink_by_kernel(shrink_by_kernel(x, base, 0.5, (32, 40)), base, 0.5, (16, 20))
    assert torch.allclose(once[..., 4:-4, 4:-4], twice[..., 4:-4, 4:-4], atol=1e-4)


@pytest.mark.parametrize("doublings", [1, 2, 3])
def test_powers_are_in_line_and_variances_go_with_the_square_of_the_scale(doublings: int) -> None:
    base, scale = kernel_shift(OVAL, 2.0), 2.0**doublings
    power = power_kernel(base, doublings)
    for centre, side in zip(centre_of_mass(power), power.shape, strict=True):
        assert abs(centre - wanted_centre(side, scale)) < 0.01
    for large, small in zip(variance(power), variance(base), strict=True):
        assert large == pytest.approx(small * (scale**2 - 1) / 3, rel=0.02)


def test_stretching_a_gaussian_agrees_with_the_powers_and_does_nothing_at_two() -> None:
    base = kernel_shift(OVAL, 2.0)
    assert kernel_distance(stretched(base, (2, 2)), base) < 1e-4
    for doublings in (2, 3):
        assert kernel_distance(stretched(base, (2.0**doublings, 2.0**doublings)), power_kernel(base, doublings)) < 0.05


@pytest.mark.parametrize("scale", [(1.2, 1.2), (1.5, 3.0), (3.0, 1.0), (1.0, 1.0), (16.0, 2.0)])
def test_any_scale_gives_a_kernel_in_line(scale: tuple[float, float]) -> None:
    made = stretched(kernel_shift(OVAL, 2.0), scale)
    assert abs(float(made.sum()) - 1) < 1e-5
    for centre, side, s in zip(centre_of_mass(made), made.shape, scale, strict=True):
        assert abs(centre - wanted_centre(side, s)) < 0.02
    for side, s in zip(made.shape, scale, strict=True):
        assert (side == 1) == (s == 1)


def test_a_gaussian_has_its_variances_along_its_axes() -> None:
    kernel = anisotropic_gaussian(41, (6.0, 2.0), 0.0)
    down, across = variance(kernel)
    assert across == pytest.approx(6, rel=0.01) and down == pytest.approx(2, rel=0.01)
    turned = anisotropic_gaussian(41, (6.0, 2.0), math.pi / 2)
    assert torch.allclose(turned, kernel.T, atol=1e-6)


def test_the_distance_is_that_of_shapes_and_not_of_places() -> None:
    assert kernel_distance(OVAL, OVAL) == 0
    assert kernel_distance(OVAL, kernel_shift(OVAL, 2.0)) < 0.05
    assert kernel_distance(OVAL, kernel_shift(OVAL, 3.0)) < 1e-4
    assert kernel_distance(OVAL, OVAL.T) == pytest.approx(kernel_distance(OVAL.T, OVAL))
    assert kernel_distance(gaussian_kernel(13, 1.0), gaussian_kernel(13, 2.0)) > 0.5


def test_files_give_back_what_was_written(tmp_path: Path) -> None:
    np.save(tmp_path / "k.npy", OVAL.numpy())
    scipy.io.savemat(tmp_path / "k.mat", {"Kernel": OVAL.double().numpy(), "other": 3})
    for name in ("k.npy", "k.mat"):
        assert torch.allclose(read_kernel(tmp_path / name), OVAL, atol=1e-6)


def test_a_sum_that_is_off_by_rounding_is_put_right() -> None:
    assert abs(float(validated(OVAL * 1.004).sum()) - 1) < 1e-6


@pytest.mark.parametrize(
    ("kernel", "told"),
    [
        (torch.ones(3, 3), "divide the kernel by its sum"),
        (torch.zeros(3, 3), "sum to 1"),
        (torch.ones(9), "two dimensions"),
        (torch.ones(1, 3, 3) / 9, "two dimensions"),
        (torch.ones(0, 3), "two dimensions"),
        (torch.full((MOST_SIDE + 2, 3), 1 / 3 / (MOST_SIDE + 2)), f"1 to {MOST_SIDE}"),
        (torch.tensor([[math.nan, 1.0]]), "finite"),
        (torch.tensor([[math.inf, 1.0]]), "finite"),
        (torch.tensor([[50.0, -49.0]]), "a blur"),
    ],
)
def test_what_is_no_blur_kernel_is_refused(kernel: torch.Tensor, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        validated(kernel)


def _pickled(path: Path) -> None:
    np.save(path, np.array([[{"a": 1}]], dtype=object), allow_pickle=True)


def _archive(path: Path) -> None:
    held = io.BytesIO()
    np.save(held, OVAL.numpy())
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("k.npy", held.getvalue())


def _promising(path: Path) -> None:
    """A header that promises 10 GB."""
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (50000, 50000), }"
    header += b" " * (117 - len(header)) + b"\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)


def _sparse(path: Path) -> None:
    with path.open("wb") as opened:
        opened.truncate(9 << 20)


BROKEN = {
    "missing.npy": lambda path: None,
    "folder.npy": lambda path: path.mkdir(),
    "kernel.txt": lambda path: path.write_text("1"),
    "text.npy": lambda path: path.write_text("0.1 0.2"),
    "empty.npy": lambda path: path.touch(),
    "empty.mat": lambda path: path.touch(),
    "text.mat": lambda path: path.write_text("0.1 0.2" * 50),
    "hdf.mat": lambda path: path.write_bytes(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + bytes(512)),
    "pickled.npy": _pickled,
    "archive.npy": _archive,
    "promising.npy": _promising,
    "huge.npy": _sparse,
    "other.mat": lambda path: scipy.io.savemat(path, {"kernel": OVAL.numpy()}),
    "cell.mat": lambda path: scipy.io.savemat(path, {"Kernel": np.array([[OVAL.numpy()]], dtype=object)}),
    "complex.npy": lambda path: np.save(path, np.full((2, 2), 0.25 + 1j)),
    "wide.npy": lambda path: np.save(path, np.full((3, 3, 3), 1 / 27)),
    "big.npy": lambda path: np.save(path, np.array([[1e300, 1 - 1e300]])),
    "cut.mat": lambda path: (
        scipy.io.savemat(path, {"Kernel": OVAL.numpy()}, do_compression=True),
        path.write_bytes(path.read_bytes()[:-40]),
    ),
}


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_files_that_hold_no_kernel_are_refused_in_a_few_lines(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    BROKEN[name](path)
    with pytest.raises(UsageError) as caught:
        read_kernel(path)
    assert name in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 4
