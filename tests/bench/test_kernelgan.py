from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from vidinternal.bench import names
from vidinternal.bench.base import BenchOptions
from vidinternal.bench.kernelgan import MOST, random_kernel, run
from vidinternal.core.errors import UsageError
from vidinternal.core.seeds import generator
from vidinternal.ops.kernels import centre_of_mass, kernel_distance, wanted_centre


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(MOST + 2):
        coarse = torch.rand(1, 3, 12, 14, generator=generator(number))
        fine = torch.nn.functional.interpolate(coarse, (72, 80), mode="nearest")[0]
        cv2.imwrite(str(tmp_path / f"tiles{number:02}.png"), (fine * 255).byte().permute(1, 2, 0).numpy())
    return tmp_path


def options(folder: Path, **more: object) -> BenchOptions:
    return BenchOptions.model_validate({"clips": folder, "iterations": 2, **more})


def test_it_is_found_by_its_name() -> None:
    assert {"kernelgan", "upscale", "denoise"} <= set(names())


def test_each_picture_has_a_kernel_of_its_own_that_stays_the_same() -> None:
    one = random_kernel(0, "a")
    assert torch.equal(one, random_kernel(0, "a"))
    assert kernel_distance(one, random_kernel(0, "b")) > 0.05 and kernel_distance(one, random_kernel(1, "a")) > 0.05
    assert abs(float(one.sum()) - 1) < 1e-5
    for centre, side in zip(centre_of_mass(one), one.shape, strict=True):
        assert abs(centre - wanted_centre(side, 2.0)) < 0.01


def test_the_truth_is_at_no_distance_and_nearer_than_the_cubic(folder: Path) -> None:
    result = run(options(folder, cases=["tiles03"], methods=["cubic", "gaussian", "truth"]))
    rows = {row["kernel"]: row for row in result.rows}
    assert list(rows) == ["cubic", "gaussian", "truth"] == [row["kernel"] for row in result.summary]
    assert rows["truth"]["distance"] == 0 and rows["truth"]["nearer"] is True
    assert rows["cubic"]["over_cubic"] == 0 and rows["cubic"]["nearer"] is None
    assert result.summary[2]["nearer"] == "1 of 1"
    assert all(np.isfinite(row["psnr"]) for row in result.rows)
    assert "cut short at 2" in result.text() and list(result.pictures) == ["tiles03"]


def test_the_rows_can_be_typed() -> None:
    from vidinternal.bench.kernelgan import KERNELS
    from vidinternal.runner.yaml_lines import parse

    assert parse(f"[{', '.join(KERNELS)}]", "--set methods")[0] == list(KERNELS)


def test_what_is_not_there_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'truth'"):
        run(options(folder, methods=["trut"]))
    with pytest.raises(UsageError, match="tiles00"):
        run(options(folder, cases=["nothing"]))
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(UsageError, match="pictures"):
        run(options(empty))
