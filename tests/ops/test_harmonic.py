import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ops.scene import box
from vidinternal.core.errors import UsageError
from vidinternal.core.seeds import generator
from vidinternal.ops import harmonic
from vidinternal.ops.harmonic import harmonic_fill

slope = st.floats(-2, 2, allow_subnormal=False)


def ramp(height: int, width: int, x: float, y: float) -> torch.Tensor:
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return (0.3 + x * columns + y * rows).float().expand(1, 2, height, width).contiguous()


def random_holes(seed: int, count: int = 2, height: int = 13, width: int = 17, share: float = 0.6) -> torch.Tensor:
    return torch.rand((count, 1, height, width), generator=generator(seed, "holes")) < share


def random_values(seed: int, count: int = 2, height: int = 13, width: int = 17) -> torch.Tensor:
    return torch.rand((count, 3, height, width), generator=generator(seed, "values"))


@settings(max_examples=20, deadline=None)
@given(slope, slope, st.integers(1, 5), st.integers(6, 10))
def test_ramps_are_continued_exactly(x: float, y: float, start: int, end: int) -> None:
    values = ramp(12, 15, x, y)
    hole = box(1, 12, 15, slice(start, end), slice(2, 13))
    filled = harmonic_fill(values.masked_fill(hole, -7.0), hole)
    assert torch.allclose(filled, values, atol=1e-4)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_the_fill_stays_within_the_known_values(seed: int) -> None:
    values, holes = random_values(seed), random_holes(seed)
    filled = harmonic_fill(values, holes)
    for t in range(2):
        known = values[t][:, ~holes[t, 0]]
        assert (filled[t].amax(dim=(1, 2)) <= known.amax(dim=1) + 1e-6).all()
        assert (filled[t].amin(dim=(1, 2)) >= known.amin(dim=1) - 1e-6).all()


def test_every_filled_pixel_is_the_mean_of_its_neighbours() -> None:
    values, holes = random_values(1).double(), box(2, 13, 17, slice(3, 11), slice(2, 15))
    filled = harmonic_fill(values, holes)
    inner = filled[:, :, 1:-1, 1:-1]
    around = filled[:, :, :-2, 1:-1] + filled[:, :, 2:, 1:-1] + filled[:, :, 1:-1, :-2] + filled[:, :, 1:-1, 2:]
    gap = (inner - around / 4).masked_fill(~holes[:, :, 1:-1, 1:-1], 0.0)
    assert float(gap.abs().max()) < 1e-12


def test_no_gradient_crosses_the_picture_edge() -> None:
    values = ramp(10, 12, 0.0, 1.0)
    hole = box(1, 10, 12, slice(2, 8), slice(0, 5))
    assert torch.allclose(harmonic_fill(values.masked_fill(hole, 0.0), hole), values, atol=1e-5)


def test_what_is_under_the_hole_is_never_read() -> None:
    values, holes = random_values(2), random_holes(2)
    filled = harmonic_fill(values.masked_fill(holes, torch.nan), holes)
    assert torch.equal(filled, harmonic_fill(values, holes))
    assert torch.equal(filled[~holes.expand_as(values)], values[~holes.expand_as(values)])


def test_frames_that_share_a_hole_come_out_as_by_themselves() -> None:
    values, holes = random_values(3, count=4), random_holes(3, count=4)
    holes[2] = holes[0]
    together = harmonic_fill(values, holes)
    apart = torch.cat([harmonic_fill(values[t : t + 1], holes[t : t + 1]) for t in range(4)])
    assert torch.allclose(together, apart, atol=1e-6)


@pytest.mark.parametrize("size", [(40, 60), (41, 59)])
def test_large_holes_are_solved_by_iteration_to_the_same_fill(
    monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    values, holes = random_values(4, 1, *size), box(1, *size, slice(5, 36), slice(3, 50))
    holes |= random_holes(4, 1, *size, share=0.2)
    exact = harmonic_fill(values, holes)
    monkeypatch.setattr(harmonic, "DIRECT_LIMIT", 10)
    assert torch.allclose(harmonic_fill(values, holes), exact, atol=1e-3)


def test_a_hundred_thousand_unknowns_are_solved() -> None:
    values = ramp(330, 340, 0.002, -0.001)
    hole = box(1, 330, 340, slice(4, 324), slice(4, 330))
    assert int(hole.sum()) > 100_000
    assert torch.allclose(harmonic_fill(values.masked_fill(hole, 9.0), hole), values, atol=1e-4)


def test_a_frame_that_knows_nothing_takes_the_mean_of_its_neighbours() -> None:
    values, holes = random_values(5, count=4), random_holes(5, count=4, share=0.2)
    holes[1], holes[3] = True, True
    filled = harmonic_fill(values, holes)
    assert torch.allclose(filled[1], (filled[0] + filled[2]) / 2, atol=1e-6)
    assert torch.allclose(filled[3], filled[2], atol=1e-6)


def test_nothing_known_anywhere_gives_the_value_asked_for() -> None:
    values, holes = random_values(6), torch.ones((2, 1, 13, 17), dtype=torch.bool)
    assert (harmonic_fill(values, holes) == 0.5).all()
    assert (harmonic_fill(values, holes, empty=0.0) == 0.0).all()


def test_shapes_must_belong_together() -> None:
    with pytest.raises(UsageError, match="values T C H W and holes T 1 H W"):
        harmonic_fill(random_values(0), random_holes(0)[:1])
