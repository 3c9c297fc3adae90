"""Whole frames and layers in files: read one by one, found again, whole whatever happens to where they came from."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from vidinternal.stages import frame_store
from vidinternal.stages.artifacts import KINDS, Patches
from vidinternal.stages.frame_store import FrameStore, WholeFrames, put_planes
from vidinternal.stages.made import Made


def planes(seed: int, dtype: type = np.uint8) -> tuple[np.ndarray, ...]:
    random = np.random.default_rng(seed)
    top = np.iinfo(dtype).max
    return tuple(random.integers(0, top, shape, dtype=dtype) for shape in ((6, 8), (3, 4), (3, 4)))


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_whole_frames_come_back_from_a_folder(tmp_path: Path, kept: bool, dtype: type) -> None:
    store = FrameStore(tmp_path / "scratch" if kept else None)
    for index in (7, 5, 6):
        put_planes(store, index, planes(index, dtype))
    (tmp_path / "kept").mkdir()
    Patches.whole(store, (6, 8)).save(tmp_path / "kept")
    shutil.rmtree(tmp_path / "scratch", ignore_errors=True)
    back = Patches.load(tmp_path / "kept")
    assert back.size == (6, 8) and back.full and back.seam is None
    assert list(back.frames) == [5, 6, 7] and len(back.frames) == 3
    for index in (5, 6, 7):
        found = back.frames[index]
        assert [p[:2] for p in found if p] == [(0, 0)] * 3
        assert all(np.array_equal(p[2], q) for p, q in zip(found, planes(index, dtype), strict=True) if p)
        assert found[0] is not None and found[0][2].dtype == dtype
    assert back.frames.get(8) is None


def test_frames_are_read_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FrameStore(tmp_path / "frames")
    for index in range(4):
        put_planes(store, index, planes(index))
    read: list[str] = []
    load = frame_store.load_file
    monkeypatch.setattr(frame_store, "load_file", lambda path: read.append(path.name) or load(path))
    whole = WholeFrames(FrameStore(tmp_path / "frames"))
    assert sorted(whole) == [0, 1, 2, 3] and not read
    assert np.array_equal(whole[2][1][2], planes(2)[1])
    assert read == ["00000002.safetensors"]


def test_what_a_killed_run_left_is_there_again_and_nothing_half_written(tmp_path: Path) -> None:
    put_planes(FrameStore(tmp_path), 3, planes(3))
    (tmp_path / ".00000004.safetensors.12345678.part").write_bytes(b"half")
    (tmp_path / "notes.txt").write_text("not ours")
    again = FrameStore(tmp_path)
    assert list(again) == [3]
    with pytest.raises(KeyError):
        again[4]
    assert not list(FrameStore(tmp_path, only=(5, 6)))


def test_saving_leaves_the_scratch_as_it_was(tmp_path: Path) -> None:
    """A disk that fills up while layers are saved must not cost the frames that were finished."""
    store = FrameStore(tmp_path / "scratch")
    put_planes(store, 0, planes(0))
    (tmp_path / "first").mkdir()
    Patches.whole(store, (6, 8)).save(tmp_path / "first")
    shutil.rmtree(tmp_path / "first")
    assert np.array_equal(store[0]["0"], planes(0)[0])


def test_a_disk_without_links_gets_copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_given: object) -> None:
        raise OSError(18, "cross-device link")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    store = FrameStore(tmp_path / "scratch")
    put_planes(store, 0, planes(0))
    store.copy_to(tmp_path / "kept")
    assert np.array_equal(FrameStore(tmp_path / "kept")[0]["0"], planes(0)[0])


def test_what_was_made_beside_pictures_comes_back(tmp_path: Path) -> None:
    layers = FrameStore()
    layers.put(4, {"transmission": np.full((1, 3, 5), 40000, np.uint16), "airlight": np.zeros((3, 3, 5), np.uint16)})
    state = {"count": 3, "tiles": {"0": {"weight": torch.arange(4.0)}}, "last": [torch.ones(2, dtype=torch.bool), None]}
    made = Made({"method": "x", "notes": ["a"]}, layers, state, {"w": torch.ones(2)})
    for folder in (tmp_path / "once", tmp_path / "twice"):  # what was read back can be saved again
        folder.mkdir()
        made.save(folder)
        made = KINDS["made"].load(folder)  # pyright: ignore[reportOptionalMemberAccess]
        assert isinstance(made, Made)
    assert Made.facts_in(tmp_path / "twice") == {"method": "x", "notes": ["a"]}
    assert made.layers[4]["transmission"].dtype == np.uint16 and int(made.layers[4]["transmission"].max()) == 40000
    assert made.state["count"] == 3 and torch.equal(made.state["tiles"]["0"]["weight"], torch.arange(4.0))
    assert made.state["last"][0].dtype == torch.bool and made.state["last"][1] is None
    assert torch.equal(made.weights["w"], torch.ones(2)) and list(made.weights) == ["w"] and len(made.weights) == 1


def test_what_leaves_nothing_leaves_no_files(tmp_path: Path) -> None:
    Made({}).save(tmp_path)
    back = Made.load(tmp_path)
    assert not back.layers and not back.state and not back.weights and Made.weights_in(tmp_path) == {}
