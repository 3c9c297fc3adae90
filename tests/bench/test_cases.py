import shutil
from pathlib import Path

import pytest
import torch

from vidinternal.bench.base import SAMPLE_CLIPS, BenchOptions
from vidinternal.bench.cases import SAMPLES, cases, count, make_case, read_frames, read_sample, read_track, view
from vidinternal.bench.holes import GLASS, HOLES
from vidinternal.core.errors import UsageError
from vidinternal.core.seeds import generator

SMALL = BenchOptions(width=64, height=48, frames=3)


def test_the_view_has_the_shape_asked_for_and_stays_inside() -> None:
    for share in (None, 0.0, 0.4, 1.0):
        rows, columns = view(270, 480, (112, 192), share)
        assert 0 <= rows.start < rows.stop <= 270
        assert 0 <= columns.start < columns.stop <= 480
        ratio = (columns.stop - columns.start) / (rows.stop - rows.start)
        assert ratio == pytest.approx(192 / 112, rel=0.02)


def test_the_moving_window_moves() -> None:
    starts = [view(270, 480, (112, 192), share)[1].start for share in (0.0, 0.5, 1.0)]
    assert starts == sorted(starts)
    assert starts[-1] - starts[0] > 100


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda s: s.name)
def test_every_sample_is_there_at_the_default_length(sample) -> None:
    frames = read_sample(sample, BenchOptions(width=64, height=48))
    assert frames.shape == (20, 3, 48, 64)
    assert torch.equal((frames * 255).round(), frames * 255) or torch.allclose((frames * 255).round(), frames * 255)
    assert float(frames.std()) > 0.05
    assert (frames[1:] != frames[:-1]).flatten(1).any(dim=1).all()


def test_a_case_carries_nothing_of_the_truth_in_its_hole() -> None:
    truth = torch.rand((3, 3, 48, 64), generator=generator(0))
    masks = torch.zeros((3, 1, 48, 64), dtype=torch.bool)
    masks[:, :, 10:20, 10:30] = True
    other = torch.where(masks, torch.rand(truth.shape, generator=generator(1)), truth)
    assert torch.equal(make_case("a", truth, masks).input, make_case("a", other, masks).input)
    case = make_case("a", truth, masks)
    assert torch.equal(torch.where(masks, case.truth, case.input), truth)


def test_cases_are_picked_by_words_in_their_names() -> None:
    chosen = SMALL.model_copy(update={"cases": ("flower/box", "bottles")})
    names = [c.name for c in cases(chosen)]
    assert names == ["flower/box", *(f"bottles/{hole}" for hole in (*HOLES, GLASS))]
    assert count(chosen) == len(names)
    assert count(SMALL) == (len(HOLES) + 1) * len(SAMPLES)


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="flower/caption"):
        list(cases(SMALL.model_copy(update={"cases": ("tulip",)})))
    with pytest.raises(UsageError, match=r"videos \(\.mp4"):
        list(cases(SMALL.model_copy(update={"clips": tmp_path})))
    with pytest.raises(UsageError, match="mask videos"):
        list(cases(SMALL.model_copy(update={"masks": tmp_path})))
    with pytest.raises(UsageError, match="no such file"):
        read_frames(tmp_path / "tulip.mp4", 0, 3)
    with pytest.raises(UsageError, match="at most 48"):
        list(cases(SMALL.model_copy(update={"frames": 60})))


def test_another_folder_gives_its_videos_and_mask_tracks_give_one_more_hole(tmp_path: Path) -> None:
    clips, tracks = tmp_path / "clips", tmp_path / "tracks"
    clips.mkdir()
    tracks.mkdir()
    shutil.copy(SAMPLE_CLIPS / "flower.mp4", clips / "mine.mp4")
    shutil.copy(SAMPLE_CLIPS / "flower_captions_mask.mkv", tracks / "text.mkv")
    options = SMALL.model_copy(update={"clips": clips, "masks": tracks})
    assert [c.name for c in cases(options)] == [f"mine/{hole}" for hole in (*HOLES, GLASS, "object")]


def test_a_short_track_runs_forth_and_back() -> None:
    track = read_track(SAMPLE_CLIPS / "flower_captions_mask.mkv", 100, 54, 96)
    assert track.shape == (100, 1, 54, 96)
    assert torch.equal(track[48:94], track[1:47].flip(0))
