import pytest
import torch

from vidinternal.bench.base import BenchOptions
from vidinternal.bench.denoise import SIGMA, noisy, run
from vidinternal.core.errors import UsageError


def options(**more: object) -> BenchOptions:
    return BenchOptions.model_validate({"width": 64, "height": 48, "frames": 3, "cases": ["bunny"], **more})


def test_noise_is_drawn_anew_for_every_frame_and_kept_in_eight_bits() -> None:
    truth = torch.full((2, 3, 40, 40), 0.5)
    seen = noisy(truth, 0, "a")
    assert torch.equal(seen, noisy(truth, 0, "a")) and not torch.equal(seen, noisy(truth, 1, "a"))
    assert float((seen - truth).std() * 255) == pytest.approx(SIGMA, rel=0.03)
    assert not torch.equal(seen[0], seen[1])
    assert torch.allclose((seen * 255).round() / 255, seen, atol=1e-6)


def test_every_row_is_measured_and_some_take_off_noise() -> None:
    result = run(options(iterations=3))
    rows = {row["method"]: row for row in result.summary}
    assert list(rows) == ["noisy", "nlm", "nlm temporal", "zs_n2n alone", "zs_n2n", "zs_n2n alone, deflickered"]
    assert rows["nlm"]["psnr"] > rows["noisy"]["psnr"] + 2 and rows["nlm temporal"]["psnr"] > rows["noisy"]["psnr"] + 2
    assert rows["zs_n2n alone"]["iterations"] == 9 and rows["zs_n2n"]["iterations"] > 3
    assert "cut short at 3" in result.text()


def test_what_is_not_there_is_refused() -> None:
    with pytest.raises(UsageError, match="did you mean 'noisy'"):
        run(options(methods=["noise"]))
    with pytest.raises(UsageError, match="bunny"):
        run(options(cases=["nothing"]))
