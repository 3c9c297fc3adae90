import os
from pathlib import Path

import pytest

from vidinternal.bench import memory
from vidinternal.bench.base import BenchOptions
from vidinternal.bench.memory import cases_of, measured, run
from vidinternal.bench.memory_child import MemoryCase, Watch, job_of, make_clip
from vidinternal.core.errors import UsageError
from vidinternal.media.probe import frame_pts, probe


def case(**changes) -> MemoryCase:
    given = {
        "name": "tiny",
        "method": "harmonic",
        "size": (64, 48),
        "frames": 20,
        "hole": (16, 8),
        "on": 4,
        "every": 10,
    }
    return MemoryCase(**(given | changes))


def test_a_case_is_measured_in_a_process_of_its_own() -> None:
    row = measured(case(memory=1 << 30))
    assert 100 < row["peak_mib"] < 1024 == row["limit_mib"]
    assert row["frames"] == 20 and row["windows_filled"] == 1
    with pytest.raises(UsageError, match="a run that ends well"):
        measured(case(method="nothing"))


def test_the_hole_comes_and_goes(tmp_path: Path) -> None:
    source = make_clip(case(), tmp_path / "clip.mp4")
    assert len(frame_pts(probe(source))) == 20
    assert [(repr(r.start), repr(r.end)) for r in job_of(case(), source, tmp_path).inputs.regions].__len__() == 2


def test_growth_of_open_files_is_seen(tmp_path: Path) -> None:
    watch = Watch()
    watch.progress("encode", 0.1, "")
    held = [os.open(tmp_path, os.O_RDONLY) for _ in range(5)]
    watch.progress("encode", 0.9, "")
    for handle in held:
        os.close(handle)
    watch.progress("encode", 1.0, "done")
    assert watch.growth()[0] == 5


def test_the_long_clip_is_compared_with_the_short_one(monkeypatch: pytest.MonkeyPatch) -> None:
    peaks = iter((100, 120))
    row = {"method": "m", "limit_mib": 200, "files_grown": 0, "threads_grown": 0, "seconds": 1.0}
    monkeypatch.setattr(
        memory, "measured", lambda c: {"case": c.name, "frames": c.frames, "peak_mib": next(peaks), **row}
    )
    result = run(BenchOptions(cases=("720p",), minutes=2))
    assert [r["ratio"] for r in result.summary] == [1.0, 1.2]
    assert [r["frames"] for r in result.summary] == [500, 3000]
    assert "1.20" in result.text()
    assert [c.size[1] for c in cases_of(BenchOptions())] == [720, 720, 1080, 2160]
    with pytest.raises(UsageError, match="720p 10 min"):
        run(BenchOptions(cases=("8K",)))
