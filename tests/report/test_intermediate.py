import shutil
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests import media_made
from tests.report.runs import small_job
from tests.stages.turned import job_of, matrix_of, with_matrix
from tests.woven import woven
from vidinternal.core.contracts import ORIGINS
from vidinternal.media.orientation import Orientation
from vidinternal.report.intermediate import COPIED, SPATIAL, Intermediate
from vidinternal.runner.run import Run, open_run, run_job
from vidinternal.runner.workspace import part_name


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    job = small_job(tmp_path_factory.mktemp("run"))
    run_job(job)
    return open_run(job)


def test_every_frame_is_counted_once_and_the_hole_is_made_of_something(run: Run) -> None:
    facts = list(Intermediate(run, "progressive").survey())
    assert [f.index for f in facts] == list(range(14))
    assert [f.masked for f in facts] == [160 if 2 <= k < 10 else 0 for k in range(14)]
    for f in facts:
        assert sum(f.origins) == f.masked and f.origins[0] == 0
        assert (f.quality is not None) == (f.masked > 0)
    assert sum(f.origins[COPIED] for f in facts) > 0


def test_maps_say_of_each_pixel_what_it_is_made_of_and_where_it_came_from(run: Run) -> None:
    kept = Intermediate(run, "progressive")
    assert kept.windows is not None
    for index, maps in kept.maps(range(14)):
        hole = np.zeros((48, 64), dtype=bool)
        if 2 <= index < 10:
            hole[12:22, 20:36] = True
        assert np.array_equal(maps.mask, hole)
        assert np.array_equal(maps.origin > 0, hole)
        assert set(np.unique(maps.origin[hole])) <= {COPIED, SPATIAL}
        assert np.array_equal(maps.source >= 0, maps.origin == COPIED)
        shot = next(s for s in kept.windows.shots if s.start <= index < s.end)
        from_frames = np.unique(maps.source[maps.source >= 0])
        assert all(shot.start <= f < shot.end and f != index for f in from_frames)
        assert not hole.any() or maps.error is not None
        if maps.error is not None:
            assert np.array_equal(maps.error > 0, hole)
    assert kept.missing == ()


def test_only_windows_that_are_asked_for_are_read(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, read = Intermediate(run, "progressive"), []
    held = kept._hold
    monkeypatch.setattr(kept, "_hold", lambda window: (read.append(window.index), held(window))[1])
    assert [i for i, _ in kept.maps([0, 13])] == [0, 13]
    assert len(read) == 2


def test_what_is_gone_is_named_and_the_rest_is_still_told(tmp_path: Path) -> None:
    job = small_job(tmp_path)
    run_job(job)
    run = open_run(job)
    folder = run.workspace.folder / f"inpaint-{run.keys['inpaint']}"
    shutil.rmtree(folder / part_name(0))
    kept = Intermediate(open_run(job), "progressive")
    facts = list(kept.survey())
    assert kept.missing == ("fills of window 1",)
    assert facts[3].masked == 160 and facts[3].quality is None and sum(facts[3].origins) == 0
    assert facts[9].quality is not None
    shutil.rmtree(run.workspace.folder / f"shots-{run.keys['shots']}")
    gone = Intermediate(open_run(job), "progressive")
    assert gone.windows is None and list(gone.survey()) == [] and "windows" in gone.missing[0]


@pytest.mark.parametrize("turns", [0, 1])
def test_of_an_interlaced_and_turned_clip_the_maps_lie_where_the_mask_is(turns: int, tmp_path: Path) -> None:
    recipe = replace(media_made.Recipe("plain.mkv", interlaced="tff", frames=4, rate=Fraction(25)), pix_fmt="yuv444p")
    plain = media_made.make(recipe, tmp_path, woven(recipe))
    clip = with_matrix(plain, tmp_path / "clip.mkv", matrix_of(Orientation(turns)))
    job = job_of(clip, "20,12,14,10@1-3", sets=("inpaint.method=harmonic", "inpaint.copies=1"))
    run_job(job)
    kept = Intermediate(open_run(job), "tff")
    for index, maps in kept.maps(range(4)):
        hole = np.zeros((48, 64) if turns == 0 else (64, 48), dtype=bool)
        if index in (1, 2):
            hole[12:22, 20:34] = True
        assert np.array_equal(maps.mask, hole)
        assert np.array_equal(maps.origin, np.where(hole, ORIGINS.index("spatial"), 0))
    assert [f.masked for f in kept.survey()] == [0, 140, 140, 0]
