"""``imresize`` against the formula written out in numpy, and the laws of resizing."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from vidinternal.core.errors import UsageError
from vidinternal.ops.imresize import imresize, output_size, scales, shrink, shrink_by_kernel


def picture(height: int, width: int, seed: int = 0) -> Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def keys(x: float) -> float:
    x = abs(x)
    if x <= 1:
        return 1.5 * x**3 - 2.5 * x**2 + 1
    return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x < 2 else 0.0


def by_hand(line: np.ndarray, scale: float, count: int) -> np.ndarray:
    """One line, output by output and input by input, straight from the definition."""
    n, stretch = len(line), min(1.0, scale)
    out = []
    for u in range(count):
        centre = (u + 0.5) / scale - 0.5
        total = weight = 0.0
        for i in range(math.floor(centre - 2 / stretch) - 1, math.ceil(centre + 2 / stretch) + 2):
            w = keys(stretch * (centre - i))
            m = i % (2 * n)
            total += w * line[m if m < n else 2 * n - 1 - m]
            weight += w
        out.append(total / weight)
    return np.array(out)


@pytest.mark.parametrize(
    ("scale", "count"), [(0.5, 8), (0.5, 9), (2.0, 32), (1.5, 24), (1 / 3, 6), (0.37, 6), (3.3, 53)]
)
def test_a_line_is_resized_as_the_definition_says(scale: float, count: int) -> None:
    line = np.random.default_rng(1).random(16)
    made = imresize(torch.from_numpy(line)[None, None, None], (1.0, scale), (1, count))
    np.testing.assert_allclose(made[0, 0, 0].numpy(), by_hand(line, scale, count), atol=1e-12)


def test_known_numbers() -> None:
    # halving a ramp: taps 1/2 h(t/2) at -1.75 ... 1.75 are -3, -9, 29, 111, 111, 29, -9, -3 over 256
    line = torch.arange(8, dtype=torch.float64)[None]
    taps = np.array([-3, -9, 29, 111, 111, 29, -9, -3]) / 256
    mirrored = np.array([3, 2, 1, 0, 0, 1, 2, 3, 4, 5, 6, 7, 7, 6, 5, 4], dtype=float)
    expected = [float(taps @ mirrored[1 + 2 * u : 9 + 2 * u]) for u in range(4)]
    np.testing.assert_allclose(imresize(line, (1.0, 0.5))[0].numpy(), expected, atol=1e-12)
    assert imresize(line, (1.0, 0.5))[0, 1].item() == pytest.approx(2.5 + (-9 * 0 - 3 * 1) / 256)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 24), st.integers(1, 24), st.floats(0.2, 3.5), st.floats(0.2, 3.5))
def test_any_size_a_flat_picture_stays_flat(height: int, width: int, down: float, across: float) -> None:
    made = imresize(torch.full((1, 1, height, width), 0.7, dtype=torch.float64), (down, across))
    assert tuple(made.shape[-2:]) == output_size(height, width, (down, across))
    torch.testing.assert_close(made, torch.full_like(made, 0.7))


@pytest.mark.parametrize("how", ["cubic", "lanczos2", "lanczos3", "linear", "box"])
def test_scale_one_changes_nothing_and_mirroring_commutes(how: str) -> None:
    x = picture(12, 10)
    torch.testing.assert_close(imresize(x, 1.0, interpolation=how), x)  # pyright: ignore[reportArgumentType]
    for scale in (0.5, 2.0):
        made = imresize(x, scale, interpolation=how)  # pyright: ignore[reportArgumentType]
        turned = imresize(x.flip(-1), scale, interpolation=how).flip(-1)  # pyright: ignore[reportArgumentType]
        if how != "box":  # a box's edge belongs to one side
            torch.testing.assert_close(made, turned)


def test_pixel_centres_stay_where_they_are() -> None:
    ramp = torch.arange(40, dtype=torch.float64).expand(4, 40)[None, None]
    up = imresize(ramp, 2.0)[0, 0, 0]
    torch.testing.assert_close(up[10:-10], ((torch.arange(80, dtype=torch.float64) + 0.5) / 2 - 0.5)[10:-10])


def test_a_window_is_a_part_of_the_whole() -> None:
    x = picture(33, 21)
    for scale in (2.0, 0.5, (1.5, 0.4)):
        whole = imresize(x, scale)
        rows, columns = whole.shape[-2:]
        part = imresize(x, scale, window=(rows // 3, columns // 4, rows // 2, columns // 2))
        expected = whole[..., rows // 3 : rows // 3 + rows // 2, columns // 4 : columns // 4 + columns // 2]
        torch.testing.assert_close(part, expected)


def test_large_pictures_take_the_other_way_to_the_same_result(monkeypatch: pytest.MonkeyPatch) -> None:
    x = picture(40, 30)
    dense = [imresize(x, s) for s in (2.0, 0.5, (1.3, 0.7))]
    monkeypatch.setattr("vidinternal.ops.imresize._DENSE", 0)
    for made, s in zip(dense, (2.0, 0.5, (1.3, 0.7)), strict=True):
        torch.testing.assert_close(imresize(x, s), made)


def test_without_antialiasing_and_with_replicated_borders() -> None:
    x = picture(16, 16)
    near = imresize(x, 0.5, interpolation="linear", antialias=False)
    expected = (x[..., ::2, ::2] + x[..., 1::2, ::2] + x[..., ::2, 1::2] + x[..., 1::2, 1::2]) / 4
    torch.testing.assert_close(near, expected)
    padded = torch.nn.functional.pad(x, (8, 8, 8, 8), mode="replicate")
    torch.testing.assert_close(imresize(x, 0.5, border="replicate"), imresize(padded, 0.5)[..., 4:-4, 4:-4])


def test_gradients_flow() -> None:
    x = picture(6, 5).requires_grad_()
    assert torch.autograd.gradcheck(lambda y: imresize(y, (0.5, 1.7)), (x,))
    kernel = torch.rand(3, 3, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda y: shrink_by_kernel(y, kernel, 0.5, (3, 3)), (x,))


@pytest.mark.parametrize("scale", [0.0, -1.0, math.nan, math.inf, (2.0, 0.0), (1.0, 2.0, 3.0)])
def test_an_impossible_scale_is_refused(scale: float) -> None:
    with pytest.raises(UsageError, match="one or two finite numbers above 0"):
        scales(scale)
    with pytest.raises(UsageError):
        imresize(picture(4, 4), scale)


def test_other_mistakes_are_refused() -> None:
    x = picture(4, 4)
    with pytest.raises(UsageError, match="a scale or a size"):
        imresize(x)
    with pytest.raises(UsageError, match="at least 1x1"):
        imresize(x, size=(0, 4))
    with pytest.raises(UsageError, match="a kernel: cubic"):
        imresize(x, 2.0, interpolation="sinc")  # pyright: ignore[reportArgumentType]
    with pytest.raises(UsageError, match="a picture of real numbers"):
        imresize(x[..., :0], 2.0)
    with pytest.raises(UsageError, match="two dimensions"):
        shrink_by_kernel(x, torch.ones(3), 0.5, (2, 2))


def test_the_numeric_kernel_is_a_mirrored_correlation_that_is_sampled() -> None:
    ndimage = pytest.importorskip("scipy.ndimage")
    x, kernel = picture(15, 12), np.random.default_rng(2).random((5, 4))
    blurred = ndimage.correlate(x[0, 1].numpy(), kernel, mode="reflect")
    made = shrink_by_kernel(x, torch.from_numpy(kernel), 0.5, (8, 6))
    np.testing.assert_allclose(made[0, 1].numpy(), blurred[::2, ::2], atol=1e-12)
    uneven = shrink_by_kernel(x, torch.from_numpy(kernel), (1 / 1.5, 1 / 3), (10, 4))
    np.testing.assert_allclose(uneven[0, 1].numpy(), blurred[[round(i * 1.5) for i in range(10)]][:, ::3], atol=1e-12)


def test_the_cubic_as_numbers_is_the_cubic() -> None:
    taps = torch.tensor([0, -3, -9, 29, 111, 111, 29, -9, -3], dtype=torch.float64) / 256
    x = picture(14, 20)
    torch.testing.assert_close(shrink(x, 0.5, (7, 10), torch.outer(taps, taps)), shrink(x, 0.5, (7, 10), None))


def test_a_size_that_is_whole_but_for_rounding_is_whole() -> None:
    assert output_size(10, 3, 1.1) == (11, 4)
    assert output_size(49, 1, 1 / 49) == (1, 1)
