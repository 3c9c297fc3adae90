from dataclasses import replace
from pathlib import Path

import cv2
import pytest
import torch

from vidinternal.bench import names
from vidinternal.bench.base import BenchOptions
from vidinternal.bench.dip import run
from vidinternal.bench.dip_cases import (
    Picture,
    cases,
    luma,
    middle,
    pictures,
    protocol,
    protocol_box,
    psnr_y,
    shrunk,
    spoilt,
)
from vidinternal.bench.dip_pieces import pieces
from vidinternal.bench.dip_rows import CUT_ROW, FAITHFUL_ROW, FAST_ROW, HELD_ROW, Curve, iterations_of, quick
from vidinternal.core.errors import UsageError
from vidinternal.core.seeds import generator
from vidinternal.methods.dip.presets import FAITHFUL, FAST
from vidinternal.methods.dip.stopping import WindowedVariance


def smooth(height: int = 96, width: int = 96) -> torch.Tensor:
    coarse = torch.rand(1, 3, 7, 8, generator=generator(1))
    return torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic", align_corners=False).clamp(0, 1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    array = (smooth()[0] * 255).round().byte().permute(1, 2, 0).numpy()
    (tmp_path / "deep").mkdir()
    for name in ("plane.png", "deep/baby.png", "deep/baby_mask.png"):
        cv2.imwrite(str(tmp_path / name), array[..., ::-1])
    (tmp_path / "notes.txt").write_text("no picture")
    return tmp_path


def options(folder: Path, **more: object) -> BenchOptions:
    return BenchOptions.model_validate({"clips": folder, "width": 64, "height": 64, "iterations": 30, **more})


def test_the_bench_is_found_by_its_name_and_its_parts_are_not() -> None:
    assert "dip" in names()
    assert not {"dip_cases", "dip_pieces", "dip_rows"} & set(names())


def test_pictures_are_found_in_folders_below_and_masks_are_none(folder: Path) -> None:
    assert list(pictures(options(folder))) == ["baby", "plane"]


def test_of_a_video_the_first_frame_is_taken() -> None:
    found = pictures(BenchOptions())
    assert "flower" in found
    frame = found["flower"]()
    assert frame.shape[:2] == (1, 3)


def test_an_empty_folder_and_a_missing_one_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="pictures or videos"):
        pictures(options(tmp_path))
    with pytest.raises(UsageError, match="no such folder"):
        pictures(options(tmp_path / "gone"))
    with pytest.raises(UsageError, match="set cases"):
        (tmp_path / "a.png").write_bytes(b"")
        cases(options(tmp_path, cases=("nothing",)))


def test_without_the_papers_pictures_one_is_taken(folder: Path) -> None:
    assert [name for name, _ in cases(options(folder))] == ["upscale/baby"], "one of the paper's is there"
    (folder / "deep" / "baby.png").unlink()
    found = [name for name, _ in cases(options(folder))]
    assert found == ["denoise/plane", "upscale/plane", "pixels/plane", "text/plane"]


def test_a_broken_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(UsageError, match="cannot be read"):
        pictures(options(tmp_path))["a"]()


def test_the_box_is_the_middle_multiple_of_32_less_four_and_five() -> None:
    rows, columns = protocol_box(344, 228)
    assert (rows.start, rows.stop) == (12 + 4, 12 + 320 - 5)
    assert (columns.start, columns.stop) == (2 + 4, 2 + 224 - 5)


def test_luma_is_studio_range() -> None:
    ends = luma(torch.stack([torch.zeros(3, 1, 1), torch.ones(3, 1, 1)]))[:, 0, 0, 0]
    assert ends.tolist() == pytest.approx([16 / 255, 235 / 255])


def test_errors_at_the_border_do_not_count() -> None:
    truth = smooth()
    made = truth.clone()
    made[..., :4, :] = 0.0
    made[..., -5:, :] = 0.0
    assert psnr_y(made, truth) == 99.0
    made[..., 4, 10] = 0.0
    assert psnr_y(made, truth) < 60


def test_the_middle_is_a_multiple_of_32(folder: Path) -> None:
    assert middle(smooth(100, 90), 80, 512).shape == (1, 3, 64, 64)
    assert middle(smooth(30, 90), 80, 512).shape == (1, 3, 28, 64)


def test_every_task_spoils_the_picture_its_own_way() -> None:
    truth = smooth(64, 64)
    made = {task: spoilt(task, "x", truth, 0) for task in ("denoise", "upscale", "pixels", "text")}
    assert made["upscale"].seen.shape == (1, 3, 16, 16)
    assert made["denoise"].score(made["denoise"].seen) == pytest.approx(20.4, abs=0.5)
    assert made["pixels"].missing is not None
    assert float(made["pixels"].missing.float().mean()) == pytest.approx(0.5, abs=0.05)
    assert made["text"].missing is not None
    assert 0.03 < float(made["text"].missing.float().mean()) < 0.5
    again = spoilt("denoise", "x", truth, 0).seen
    assert torch.equal(again, made["denoise"].seen)
    assert not torch.equal(again, spoilt("denoise", "x", truth, 1).seen)


def test_shrinking_gives_8_bits() -> None:
    small = shrunk(smooth()) * 255
    assert torch.allclose(small, small.round(), atol=1e-4)


def test_the_protocol_is_checked_on_the_pictures_of_set5_that_are_there(folder: Path) -> None:
    found = list(protocol(options(folder)))
    assert [entry["name"] for entry in found] == ["baby"]
    assert float(found[0]["bicubic"]) > 20


def test_classical_rows_beat_what_came() -> None:
    for task in ("denoise", "text"):
        rows = {row["method"]: row["psnr"] for row, _ in quick(spoilt(task, "x", smooth(64, 64), 0))}
        assert max(rows.values()) > rows["as it came"] + 1


def test_ours_takes_its_share_of_the_published_steps() -> None:
    case = spoilt("denoise", "x", smooth(64, 64), 0)
    asked = BenchOptions(iterations=3000)
    assert iterations_of(FAITHFUL_ROW, case, asked) == FAITHFUL["denoise"].iterations
    assert iterations_of(FAST_ROW, case, asked) == FAST["denoise"].iterations


def test_no_schedule_is_longer_than_its_own() -> None:
    case, asked = spoilt("upscale", "x", smooth(64, 64), 0), BenchOptions(iterations=11000)
    assert iterations_of(FAITHFUL_ROW, case, asked) == FAITHFUL["upscale"].iterations
    assert iterations_of(FAST_ROW, case, asked) == FAST["upscale"].iterations


def test_the_authors_figure_stands_by_whole_pictures_alone(folder: Path) -> None:
    whole = dict(cases(options(folder, width=512, height=512)))
    cropped = dict(cases(options(folder)))
    assert whole["upscale/baby"]().paper() == 31.49
    assert cropped["upscale/baby"]().paper() is None


def test_a_published_schedule_that_time_cut_is_told_apart(folder: Path) -> None:
    torch.optim.Adam([torch.zeros(1, requires_grad=True)])  # the first one takes seconds to import
    asked = options(folder, cases=("upscale/baby",), methods=(FAITHFUL_ROW,), seconds=3.0, iterations=2000)
    found = next(row for row in run(asked).rows if row["method"] == CUT_ROW)
    assert found["stopped"] == "budget"
    assert found["iterations"] < 2000
    assert found["whole"] == pytest.approx(found["seconds"] / found["iterations"] * FAITHFUL["upscale"].iterations)


def test_a_curve_tells_best_time_and_the_early_choice() -> None:
    truth = smooth(64, 64)
    case = Picture("denoise", "x", truth, truth)
    clock = iter(range(100)).__next__
    curve = Curve(case, WindowedVariance(2, 3, generator(0)), every=1, clock=clock)
    for iteration, error in enumerate((0.2, 0.1, 0.05, 0.05, 0.1, 0.2, 0.3), start=1):
        made = (truth + error).clamp(0, 1)
        curve(iteration, made, made)
    assert max(curve.levels, key=curve.levels.__getitem__) in (3, 4)
    assert curve.at(2) == curve.levels[2]
    assert curve.reached(curve.levels[3]) == curve.times[3]
    assert curve.reached(99.5) is None
    assert curve.after(2.0) == curve.levels[2]
    assert curve.after(20.0) is None, "it was over by then"
    assert curve.at(20) is None
    assert curve.rule.iteration == 4, "the window of two over equal outputs has no variance"
    assert curve.stop == 7
    assert curve.chosen() == pytest.approx(curve.levels[4], abs=0.01)


def test_a_short_bench_has_every_row_and_says_what_it_is(folder: Path) -> None:
    found = run(options(folder, cases=("text/plane", "upscale/baby"), width=48, height=48, iterations=12))
    table = {(row["case"], row["method"]) for row in found.summary}
    assert {m for t, m in table if t.startswith("upscale")} >= {"bicubic", "Lanczos", FAITHFUL_ROW, FAST_ROW}
    assert {m for t, m in table if t.startswith("text")} >= {"Telea", FAITHFUL_ROW, FAST_ROW}
    text = found.text()
    assert "not all in the folder" in text
    assert "at most 12 steps" in text
    fast = next(row for row in found.rows if row["method"] == FAST_ROW and row["task"] == "upscale")
    assert fast["same"] is not None
    assert fast["same_time"] is None or fast["same_time"] > 5
    assert fast["paper"] is None, "the authors' figure is of the whole picture, not of this crop"
    assert set(found.pictures) == {"text/plane", "upscale/baby"}


def test_a_picture_that_a_run_cuts_is_fitted_by_pieces_and_judged_whole(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FAST, "denoise", replace(FAST["denoise"], tile=48))
    asked = options(folder, cases=("denoise/plane", "text/plane"), iterations=10)
    found = run(asked)
    cut = [row for row in found.rows if "pieces" in row]
    assert [(row["task"], row["method"]) for row in cut] == [("denoise", FAST_ROW), ("denoise", HELD_ROW)]
    for row in cut:
        assert row["pieces"] == 4
        assert row["best"] == pytest.approx(max(level for level, _ in row["curve"].values()), abs=1e-3)
        assert row["psnr"] <= row["best"] + 0.5
        assert row["seconds"] == pytest.approx(row["curve"][str(row["iterations"])][1], rel=0.2)
        assert row["gap"] == pytest.approx(row["best"] - row["early"])
    assert "denoise/plane, dip, fast: 4" in found.text()


def test_pieces_of_an_enlargement_are_as_large_as_the_preset_says_when_they_are_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(FAST, "upscale", replace(FAST["upscale"], tile=256))
    case = spoilt("upscale", "x", smooth(384, 384), 0)
    cut = pieces(FAST_ROW, case, BenchOptions())
    assert len(cut) == 4
    assert all(16 * tile.height * tile.width <= 256**2 for tile in cut)
    assert len(pieces(FAITHFUL_ROW, case, BenchOptions())) == 1
