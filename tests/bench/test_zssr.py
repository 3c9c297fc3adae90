"""Bench ``zssr``: its protocol, its rows, its judgement of the resize."""

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from vidinternal.bench import names, run_bench
from vidinternal.bench.base import BenchOptions
from vidinternal.bench.zssr import compare_rows
from vidinternal.bench.zssr_cases import BLURS, cases, eight_bits, published_pairs, small
from vidinternal.core.errors import UsageError
from vidinternal.ops.imresize import imresize
from vidinternal.ops.kernels import centre_of_mass, wanted_centre


def saved(folder: Path, name: str, picture: torch.Tensor) -> None:
    codes = (picture[0].permute(1, 2, 0) * 255).round().byte().numpy()
    cv2.imwrite(str(folder / f"{name}.png"), cv2.cvtColor(codes, cv2.COLOR_RGB2BGR))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    y, x = torch.meshgrid(torch.arange(61), torch.arange(72), indexing="ij")
    picture = torch.stack([((x * (k + 1) + 2 * y) % 23 < 11).float() * 0.6 + 0.2 for k in range(3)])[None]
    saved(tmp_path, "stripes", picture)
    return tmp_path


def options(folder: Path, **other: object) -> BenchOptions:
    return BenchOptions.model_validate({"clips": folder, "device": "cpu", **other})


def test_it_is_found_and_its_helpers_are_no_benches() -> None:
    assert "zssr" in names() and not {"zssr_cases", "zssr_start"} & set(names())


def test_a_case_for_each_blur_with_even_sides_in_eight_bits(folder: Path) -> None:
    made = [make() for _, make in cases(options(folder))]
    assert [c.case for c in made] == [f"{blur}/stripes" for blur in BLURS]
    for case in made:
        assert case.truth.shape == (1, 3, 60, 72) and case.seen.shape == (1, 3, 30, 36)
        torch.testing.assert_close(case.seen, eight_bits(case.seen))
        if case.kernel is not None:
            assert centre_of_mass(case.kernel)[0] == pytest.approx(wanted_centre(case.kernel.shape[0], 2.0), abs=1e-3)
    assert [c.case for _, m in cases(options(folder, cases=["sigma2"])) for c in [m()]] == ["sigma2/stripes"]
    assert cases(options(folder, width=48, height=48))[0][1]().truth.shape == (1, 3, 48, 48)
    with pytest.raises(UsageError, match="a word of"):
        cases(options(folder, cases=["nothing"]))


def test_the_score_looks_at_luma_without_the_border() -> None:
    case = small("cubic", "x", torch.full((1, 3, 32, 32), 0.5))
    wrong = case.truth.clone()
    wrong[..., :2, :] = 1.0
    assert case.score(wrong)[0] == 99.0
    wrong[:, :, 8, 8] += 10 / 255
    error = (219 / 255 * 10 / 255) ** 2 / 28**2
    assert case.score(wrong)[0] == pytest.approx(-10 * math.log10(error), abs=0.05)
    assert case.score(case.truth)[1] == pytest.approx(1.0)


def test_rows_are_put_in_relation(folder: Path) -> None:
    rows = [
        {"method": "bicubic", "psnr": 30.0, "seconds": 0.1, "iterations": None},
        {"method": "zssr, fast", "psnr": 33.0, "seconds": 2.0, "iterations": 9},
        {"method": "zssr, faithful", "psnr": 33.1, "seconds": 40.0, "iterations": 99},
    ]
    compare_rows(rows)
    assert rows[1]["over_bicubic"] == 3.0 and rows[1]["to_faithful"] == -0.1 and rows[1]["share"] == 0.05
    assert "share" not in rows[0]


def test_the_bench_runs_from_a_folder_and_keeps_pictures(folder: Path) -> None:
    result = run_bench("zssr", options(folder, cases=["cubic"], iterations=2))
    zssr = ["zssr, fast", "zssr, fast by steps", "zssr, faithful", "zssr, faithful by steps"]
    assert [row["method"] for row in result.rows] == ["bicubic", "lanczos", *zssr]
    assert result.rows[3]["iterations"] > 2 * result.rows[2]["iterations"]  # a training for each of the sizes
    assert all(row["published"] is None for row in result.summary)  # it is not Set5
    assert "cut short at 2" in result.text() and result.pictures["cubic/stripes"][:4] == b"\x89PNG"
    assert result.rows[2]["iterations"] >= 2 and result.rows[2]["share"] > 0
    with pytest.raises(UsageError, match="did you mean 'faithful'"):
        run_bench("zssr", options(folder, methods=["faithfull"]))


@pytest.mark.parametrize("border", ["mirror", "replicate"])
def test_published_pairs_are_told_apart_by_their_borders(tmp_path: Path, border: str) -> None:
    truth = eight_bits(torch.rand(1, 3, 24, 30, generator=torch.Generator().manual_seed(0)))
    saved(tmp_path, "a_gt", truth)

    def half(picture: torch.Tensor, scale: tuple[float, float]) -> torch.Tensor:
        made = imresize(picture, scale, border=border).clamp(0, 1)  # pyright: ignore[reportArgumentType]
        return torch.from_numpy(np.floor(made.numpy() * 255 + 0.5)) / 255

    saved(tmp_path, "a_lr", half(half(truth.double(), (0.5, 1.0)), (1.0, 0.5)).float())
    found = {entry["border"]: entry for entry in published_pairs(options(tmp_path))}
    assert found[border]["differ"] == 0.0
    other = next(entry for name, entry in found.items() if name != border)
    assert other["differ"] != 0.0 and other["inside"] == 0.0
