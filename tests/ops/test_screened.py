import pytest
import torch
from torch import Tensor

from vidinternal.core.seeds import generator
from vidinternal.ops import screened as module
from vidinternal.ops.screened import screened


def solve(values: Tensor, given: Tensor, wanted: Tensor, pull: float) -> Tensor:
    """``T C H W``, ``values`` taken under ``given`` and the field under ``wanted``, both ``T 1 H W`` bool."""
    count, channels, height, width = values.shape
    padded = torch.nn.functional.pad(torch.cat((values * given, given.to(values)), dim=1), (1, 1, 1, 1))
    around = padded[..., 1:-1, 2:] + padded[..., 1:-1, :-2] + padded[..., 2:, 1:-1] + padded[..., :-2, 1:-1]
    rows = around.permute(0, 2, 3, 1).reshape(-1, channels + 1)[wanted.flatten()]
    where = wanted.flatten().nonzero()[:, 0]
    flat = values.permute(0, 2, 3, 1).reshape(-1, channels).float()
    flat[where] = screened(where, (count, height, width), rows[:, -1], rows[:, :-1], pull)
    return flat.view(count, height, width, channels).permute(0, 3, 1, 2)


def line(pull: float) -> Tensor:
    """One row, 1 given on its left, the rest wanted."""
    given = torch.zeros((1, 1, 1, 40), dtype=torch.bool)
    given[..., 0] = True
    return solve(given.float(), given, ~given, pull)[0, 0, 0]


def scattered(seed: int, count: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    draw = generator(seed, "scattered")
    values = torch.rand((count, 3, 13, 17), generator=draw)
    given = torch.rand((count, 1, 13, 17), generator=draw) < 0.1
    return values, given, ~given & (torch.rand((count, 1, 13, 17), generator=draw) < 0.8)


def test_the_field_fades_as_the_equation_says() -> None:
    filled = line(0.05)
    curvature = 2 * filled[1:-1] - filled[:-2] - filled[2:] + 0.05 * filled[1:-1]
    assert float(curvature.abs().max()) < 1e-4
    assert (filled[:30].diff() < 0).all()
    assert float(filled[-1]) < 0.01


def test_without_pull_to_speak_of_the_field_is_level() -> None:
    assert torch.allclose(line(1e-9), torch.ones(40), atol=1e-3)


def test_what_is_neither_given_nor_wanted_does_not_exist() -> None:
    values = torch.full((1, 1, 5, 5), 100.0)
    values[..., 2, 0] = 1.0
    given, wanted = torch.zeros((1, 1, 5, 5), dtype=torch.bool), torch.zeros((1, 1, 5, 5), dtype=torch.bool)
    given[..., 2, 0] = True
    wanted[..., 1:4, 1:4] = True
    filled = solve(values, given, wanted, 1e-6)
    assert float(filled[wanted].max()) <= 1.0 + 1e-4
    assert float(filled[wanted].min()) > 0.9


def test_the_picture_edge_couples_nothing() -> None:
    given, wanted = torch.zeros((2, 1, 3, 6), dtype=torch.bool), torch.zeros((2, 1, 3, 6), dtype=torch.bool)
    given[0, :, 1, 5] = True
    wanted[0, :, 2], wanted[1, :, 0], wanted[0, :, 0, 0] = True, True, True
    filled = solve(given.float(), given, wanted, 0.01)
    assert (filled[1] == 0).all()
    assert float(filled[0, 0, 0, 0]) == 0
    assert float(filled[0, 0, 2, 0]) > 0


def test_every_pixel_balances_its_neighbours() -> None:
    values, given, wanted = scattered(0)
    field = solve(values, given, wanted, 0.01)
    exists = torch.nn.functional.pad((given | wanted).float(), (1, 1, 1, 1))
    padded = torch.nn.functional.pad(field * (given | wanted), (1, 1, 1, 1))

    def around(x: Tensor) -> Tensor:
        return x[..., 1:-1, 2:] + x[..., 1:-1, :-2] + x[..., 2:, 1:-1] + x[..., :-2, 1:-1]

    gap = (around(exists) + 0.01) * field - around(padded)
    assert float((gap * wanted).abs().max()) < 1e-4


@pytest.mark.parametrize("block", [1, 100])
def test_frames_come_out_as_by_themselves(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    values, given, wanted = scattered(1)
    whole = solve(values, given, wanted, 0.01)
    monkeypatch.setattr(module, "BLOCK", block)
    assert torch.allclose(solve(values, given, wanted, 0.01), whole, atol=1e-3)


def test_no_pixel_is_no_trouble() -> None:
    values, given, wanted = scattered(2)
    assert torch.equal(solve(values, given, wanted & False, 0.01), values)
