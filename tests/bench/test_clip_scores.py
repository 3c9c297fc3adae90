import pytest
import torch

from vidinternal.bench.base import Column
from vidinternal.bench.clip_scores import QUALITY, judged, means


def test_the_truth_is_judged_as_perfect_and_no_steadier_than_itself() -> None:
    truth = (torch.rand(3, 3, 40, 40, generator=torch.Generator().manual_seed(0)) * 255).round() / 255
    still = (torch.zeros(2, 2, 40, 40), torch.ones(2, 1, 40, 40, dtype=torch.bool))
    scores = judged(truth, truth, still)
    assert scores["psnr"] == 99.0 and scores["ssim"] == pytest.approx(1.0)
    assert scores["warping_error_e3"] == scores["truth_e3"] > 0
    calm = judged(truth.mean(dim=0, keepdim=True).expand(3, -1, -1, -1), truth, still)
    assert calm["warping_error_e3"] == 0.0 and calm["truth_e3"] == scores["truth_e3"] and calm["psnr"] < 20
    assert set(scores) < {c.key for c in QUALITY}
    assert judged(truth + 0.4 / 255, truth, still) == scores  # as 8 bits would hold it


def test_means_are_of_what_was_told() -> None:
    columns = (Column("method", "method"), Column("a", "a", 1), Column("b", "b", 1))
    rows = [{"method": "x", "a": 1.0, "b": None}, {"method": "y", "a": 5}, {"method": "x", "a": 2.0, "c": 9}]
    assert means(rows, columns) == [{"method": "x", "cases": 2, "a": 1.5}, {"method": "y", "cases": 1, "a": 5.0}]
