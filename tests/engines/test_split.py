"""One clip on several workers: the very bytes of one worker, parts of whole shots, refusals."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests import media_made
from vidinternal.core.clip import Shot, Window
from vidinternal.core.errors import UsageError
from vidinternal.core.timecode import parse_region
from vidinternal.engines.attempt import attempt
from vidinternal.engines.many import Many
from vidinternal.engines.plain import job_from, job_text
from vidinternal.engines.split import independent, run_split
from vidinternal.engines.staging import StagedJob
from vidinternal.runner.job import Job
from vidinternal.runner.split import PartJob, cut_into_windows, parts_of, run_part
from vidinternal.stages.artifacts import Windows
from vidinternal.stages.base import JobInputs

SETS = ("encode.codec=ffv1", "shots.window=6", "shots.overlap=2")
TRAINED = ("inpaint.method=dip", "inpaint.iterations=5", "inpaint.depth=2", "inpaint.channels=[8,8]")


def job(folder: Path, out: str, *sets: str) -> Job:
    source = folder / "clip.mkv"
    if not source.exists():
        media_made.clip(source, size=(64, 48), frames=30, cuts=(14,), smooth=True)
    inputs = JobInputs(source, folder / out / "clean.mkv", regions=(parse_region("12,8,16,10"),))
    return Job("inpaint", inputs, sets=(*SETS, *sets), device="cpu")


def test_parts_on_two_workers_make_the_bytes_of_one(tmp_path: Path) -> None:
    outcome, notes = run_split(job(tmp_path, "split", *TRAINED), Many(tmp_path / "split", jobs=2))
    assert outcome.result is not None, outcome.error
    assert "2 shots in 2 parts" in notes[-1] and "seams between windows" in notes[-1]
    assert "trained from nothing" in notes[0]
    whole = attempt(job(tmp_path, "whole", *TRAINED, "inpaint.init=cold"))
    assert whole.result is not None, whole.error
    assert (tmp_path / "split" / "clean.mkv").read_bytes() == (tmp_path / "whole" / "clean.mkv").read_bytes()
    assert outcome.result.record["keys"]["inpaint"] == whole.result.record["keys"]["inpaint"]
    assert not list(tmp_path.rglob("*.part"))


def test_what_parts_leave_is_what_the_whole_run_finds(tmp_path: Path) -> None:
    plain = job(tmp_path, "out", "inpaint.method=harmonic")
    assert independent(plain) == (plain, ())
    windows = cut_into_windows(plain)
    assert len(windows.shots) == 2
    first, second = parts_of(windows, 2)
    for part in (second, first):
        given = PartJob(**plain.__dict__, first=part.start, end=part.stop)
        assert job_from(job_text(given)) == given
        run_part(given)
    left = {p.parent.name.split("-")[0] for p in (tmp_path / "out").rglob("window-*") if p.is_dir()}
    assert left == {"masks", "flow", "inpaint", "composite"}
    told: list[str] = []

    class Watch:
        def progress(self, stage: str, share: float, text: str) -> None:
            told.append(f"{stage} {text}")

        def note(self, line: str) -> None:
            told.append(line)

    assert attempt(plain, Watch()).result is not None
    assert not [line for line in told if "windows" in line], "no window is made again"


def made(lengths: list[int], windows_of: int = 1) -> Windows:
    shots, windows, start = [], [], 0
    for index, length in enumerate(lengths):
        shots.append(Shot(index, start, start + length))
        for k in range(windows_of):
            at = start + k * length // windows_of
            windows.append(Window(len(windows), index, at, start + (k + 1) * length // windows_of, 0))
        start += length
    return Windows(tuple(shots), tuple(windows))


@pytest.mark.parametrize("lengths", [[10], [10, 10], [5, 50, 5], [1, 1, 1, 97], [97, 1, 1, 1], [7] * 20])
@pytest.mark.parametrize("most", [1, 2, 3, 50])
def test_parts_are_whole_shots_in_order_and_leave_none_out(lengths: list[int], most: int) -> None:
    windows = made(lengths, 3)
    parts = parts_of(windows, most)
    assert [k for part in parts for k in part] == list(range(len(windows.windows)))
    assert len(parts) <= most and len(parts) == min(most, len(lengths))
    shots = [{windows.windows[k].shot for k in part} for part in parts]
    assert sum(map(len, shots)) == len(lengths)


def test_a_url_is_refused(tmp_path: Path) -> None:
    plain = job(tmp_path, "out")
    with pytest.raises(UsageError, match="disk that all workers share"):
        run_split(StagedJob(**plain.__dict__, source_url="s3://x/y"), Many(tmp_path))
    assert replace(plain) == plain
