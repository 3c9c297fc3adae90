import pytest

from vidinternal.bench import run_bench
from vidinternal.bench.base import BenchOptions
from vidinternal.bench.scaling import AXES, FACTORS, case_of, points
from vidinternal.core.errors import UsageError

SMALL = BenchOptions(width=64, height=48, frames=20, methods=("telea",))


@pytest.mark.parametrize("axis", AXES)
def test_along_an_axis_that_quantity_alone_grows(axis: str) -> None:
    quantities = [
        {"frames": len(c.masks), "hole": int(c.masks[0].sum()), "pixels": c.masks[0].numel()}
        for c in (case_of(p, SMALL) for p in points(SMALL, axis))
    ]
    for quantity in AXES:
        for factor, found in zip(FACTORS, quantities, strict=True):
            expected = factor if quantity == axis else 1
            assert found[quantity] / quantities[0][quantity] == pytest.approx(expected, rel=0.15)


def test_every_axis_has_its_seconds_and_its_exponent() -> None:
    result = run_bench("scaling", SMALL)
    assert {e["axis"] for e in result.summary} == set(AXES)
    assert all(e[f"x{f}"] > 0 for e in result.summary for f in FACTORS)
    assert result.pictures["scaling"].startswith(b"\x89PNG")


def test_a_clip_that_is_too_short_is_told_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vidinternal.bench.scaling.run_method", lambda *_: pytest.fail("it has begun"))
    with pytest.raises(UsageError, match="at most 48"):
        run_bench("scaling", SMALL.model_copy(update={"frames": 64}))
