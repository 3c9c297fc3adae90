from pathlib import Path

import pytest
import torch

from vidinternal.core.clip import Shot, Window
from vidinternal.core.errors import MediaError, UsageError
from vidinternal.runner.workspace import Series, Workspace, digest, file_digest, part_name
from vidinternal.stages.artifacts import MaskTrack, Windows


def windows() -> Windows:
    return Windows((Shot(0, 0, 9),), (Window(0, 0, 0, 6), Window(1, 0, 4, 9, overlap=2)))


def test_a_result_is_there_only_when_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = Workspace(tmp_path)

    def half(_self: Windows, folder: Path) -> None:
        (folder / "half").write_text("x")
        raise OSError("disk full")

    with monkeypatch.context() as patched:
        patched.setattr(Windows, "save", half)
        with pytest.raises(OSError, match="disk full"):
            workspace.save("shots", "k", "clip", {"windows": windows()})
    assert not workspace.has("shots", "k", "clip")
    assert not list(tmp_path.rglob("half"))
    workspace.save("shots", "k", "clip", {"windows": windows()})
    assert workspace.load("shots", "k", "clip", "windows") == windows()


def test_a_series_reads_one_window_at_a_time(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    for k in range(3):
        mask = torch.zeros(2, 1, 5, 7, dtype=torch.bool)
        mask[:, :, k] = True
        workspace.save("masks", "k", part_name(k), {"masks": MaskTrack(mask, (0, 5, 0, 7))})
    series = Series(workspace, "masks", "k", "masks", 3)
    assert len(series) == 3
    for k, track in enumerate(series):
        assert isinstance(track, MaskTrack)
        assert track.masks[0, 0, k].all()
        assert int(track.masks.sum()) == 14


def test_two_jobs_cannot_work_in_one_workspace(tmp_path: Path) -> None:
    with (
        Workspace(tmp_path).locked(),
        pytest.raises(UsageError, match="no other job"),
        Workspace(tmp_path).locked(),
    ):
        raise AssertionError("the lock did not hold")


def test_digests_tell_contents_apart(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    first = file_digest(tmp_path / "a"), file_digest(tmp_path)
    (tmp_path / "a").write_text("2")
    assert file_digest(tmp_path / "a") != first[0]
    assert file_digest(tmp_path) != first[1]
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    with pytest.raises(MediaError, match="readable file"):
        file_digest(tmp_path / "missing")


def test_handles_are_never_stored(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="handle"):
        Workspace(tmp_path).load("decode", "k", "clip", "frames")
