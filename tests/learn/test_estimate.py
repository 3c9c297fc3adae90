import pytest
import torch

from vidinternal.core.contracts import Holdout, PartError
from vidinternal.learn.estimate import ALONE, EIGHTY, OTHER_CONTENT, estimate


def part(area: int, *decibels: float) -> PartError:
    return PartError(area, tuple((100, 10 ** (-d / 10)) for d in decibels))


def test_parts_count_as_their_own_areas_do() -> None:
    even = estimate([part(100, 30, 30), part(100, 30, 30)])
    assert even.psnr == pytest.approx(30)
    assert estimate([part(1000, 40, 40), part(10, 20, 20)]).psnr > estimate([part(10, 40, 40), part(1000, 20, 20)]).psnr


def test_the_interval_is_around_the_number_and_wider_where_copies_disagree_or_are_few() -> None:
    agreed, apart, alone = (estimate([part(100, *d)]) for d in ((30, 30), (25, 40), (30,)))
    for found in (agreed, apart, alone):
        assert found.low < found.psnr < found.high
    assert agreed.high - agreed.psnr == pytest.approx(EIGHTY * OTHER_CONTENT)
    assert apart.high - apart.low > agreed.high - agreed.low
    assert alone.high - alone.psnr == pytest.approx(EIGHTY * (OTHER_CONTENT**2 + ALONE**2) ** 0.5)


def test_a_part_without_a_copy_has_no_say_but_widens_the_interval() -> None:
    whole, half = estimate([part(100, 30, 30)]), estimate([part(100, 30, 30), part(100)])
    assert half.psnr == pytest.approx(whole.psnr)
    assert half.high > whole.high


def test_errors_are_told_apart_by_part_and_copy() -> None:
    truth = torch.zeros((1, 3, 4, 8))
    masks = torch.zeros((1, 1, 4, 8), dtype=torch.bool)
    masks[..., 4:] = True
    parts = torch.tensor([0, 0, 0, 1, 0, 0, 0, 1], dtype=torch.int8).expand(1, 1, 4, 8)
    copies = torch.tensor([-1, -1, -1, -1, 0, 0, 1, 2], dtype=torch.int8).expand(1, 1, 4, 8)
    fill = torch.tensor([9.0, 9, 9, 9, 0.1, 0.1, 0.2, 0.3]).expand(1, 3, 4, 8)
    errors = Holdout(masks, truth, parts, copies).errors(fill)
    assert [e.area for e in errors] == [12, 4]
    assert [[n for n, _ in e.copies] for e in errors] == [[24, 12], [12]]
    assert [round(x, 4) for e in errors for _, x in e.copies] == [0.01, 0.04, 0.09]
    assert estimate(errors).psnr == pytest.approx(Holdout(masks, truth, parts, copies).score(fill))


def test_a_harder_part_lowers_the_number_by_its_own_area() -> None:
    errors = [part(100, 30, 30), part(100, 30, 30)]
    assert estimate(errors, (10.0, 10.0)).psnr == pytest.approx(20)
    assert 20 < estimate(errors, (10.0, 1.0)).psnr < 30
    assert estimate(errors, (1.0, 1.0)) == estimate(errors)
