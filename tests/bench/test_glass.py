import dataclasses

import pytest
import torch

from vidinternal.bench import run_bench
from vidinternal.bench.base import BenchOptions
from vidinternal.bench.cases import Case, cases
from vidinternal.bench.glass import compare, taken_off, words
from vidinternal.bench.holes import glass, logo
from vidinternal.ops.measures import hole_psnr

SMALL = BenchOptions(width=128, height=80, frames=6, cases=("flower-pan/glass",), methods=("propagation",))


@pytest.fixture(scope="module")
def case() -> Case:
    return next(cases(SMALL))


@pytest.mark.parametrize("size", [(112, 192), (1080, 1920), (48, 48)])
def test_the_logo_lets_the_picture_through_just_where_the_hole_is(size: tuple[int, int]) -> None:
    opacity, color = glass(*size)
    assert torch.equal(opacity > 0, logo(1, *size)[0])
    assert 0.3 < float(opacity[opacity > 0].min()) < float(opacity.max()) < 0.7
    assert 0 <= float(color.min()) < 0.2 and 0.8 < float(color.max()) <= 1


def test_the_case_shows_what_its_input_hides(case: Case) -> None:
    assert case.seen is not None
    assert torch.equal(torch.where(case.masks, 0, case.seen), torch.where(case.masks, 0, case.truth))
    under = torch.where(case.masks, case.truth, 0) - torch.where(case.masks, case.seen, 0)
    assert 0.02 < float(under.abs().max()) < 0.7
    other = next(cases(SMALL.model_copy(update={"cases": ("flower-pan/logo",)})))
    assert torch.equal(case.input, other.input) and other.seen is None


def test_taking_it_off_gives_back_the_picture_and_sees_nothing_of_the_truth(case: Case) -> None:
    rest = taken_off(case)
    assert rest is not None
    back = case.masks & ~rest.masks
    assert float(back.sum()) > 0.5 * float(case.masks.sum())
    assert case.seen is not None
    assert hole_psnr(rest.input, case.truth, back) > hole_psnr(case.seen, case.truth, back) + 6
    unknown = dataclasses.replace(case, truth=torch.where(case.masks, 0.5, case.truth))
    again = taken_off(unknown)
    assert again is not None and torch.equal(again.input, rest.input) and torch.equal(again.masks, rest.masks)


def test_holes_of_other_kinds_are_left_alone(case: Case) -> None:
    assert taken_off(dataclasses.replace(case, seen=None)) is None
    assert taken_off(dataclasses.replace(case, masks=torch.zeros_like(case.masks))) is None
    assert compare(dataclasses.replace(case, seen=None), ("propagation",), lambda *_: None) is None
    assert compare(case, ("telea",), lambda *_: None) is None


def test_the_bench_says_what_it_is_worth() -> None:
    found = run_bench("inpaint", SMALL)
    (told,) = found.facts["half_transparent"]
    assert told["case"] == "flower-pan/glass" and told["method"] == "propagation"
    # copying from where the camera showed the place may well be the better of the two
    assert told["filled_psnr"] == found.rows[0]["hole_psnr"] != told["hole_psnr"] > 20
    assert "Half-transparent logos: taken off in 1 of 1 cases" in found.text()
    assert [r["method"] for r in found.rows] == ["propagation"]


def test_words() -> None:
    assert words([]) == ()
    lost = {"case": "a", "method": "internal", "recovered": 0.0, "hole_psnr": None, "filled_psnr": 20.0}
    assert words([lost]) == (
        "Half-transparent logos: taken off in 0 of 1 cases. The rows of the table fill all of it.",
    )
    won = lost | {"recovered": 0.9, "hole_psnr": 30.0}
    (line,) = words([lost, won])
    assert "in 1 of 2 cases, 90% of their pixels, the rest filled by internal: +10.00 dB" in line
