"""Checkpoints of a running fit: what comes back, what is refused, when it is written."""

import weakref
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from vidinternal.core.budget import Budget
from vidinternal.core.contracts import FitContext
from vidinternal.core.stop import Interrupted, Stop
from vidinternal.learn import resume
from vidinternal.learn.resume import LARGE, CheckpointSettings, FileCheckpoints, kept

STATE = {"w": torch.arange(6.0).view(2, 3), "n": 3, "deep": {"list": [None, 0.1, "x", torch.tensor(True)]}}


def door(folder: Path, **settings: Any) -> FileCheckpoints:
    return FileCheckpoints(folder, CheckpointSettings(**settings))


def same(a: Any, b: Any) -> bool:
    if isinstance(a, Tensor):
        return torch.equal(a, b) and a.dtype == b.dtype
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return a == b


def test_what_is_saved_comes_back_to_the_bit(tmp_path: Path) -> None:
    door(tmp_path / "c").save("fit", "net", STATE)
    assert same(door(tmp_path / "c").load("fit", "net"), STATE)
    assert door(tmp_path / "c").load("other", "net") is None
    assert door(tmp_path / "c").load("fit", "another net") is None
    assert [p.name for p in (tmp_path / "c").iterdir()] == ["fit.safetensors"]


def test_large_tensors_are_written_only_when_they_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resume, "LARGE", 1000)
    checkpoints, best = door(tmp_path), torch.rand(500)
    checkpoints.save("fit", "net", {"best": best, "step": 1})
    (large,) = tmp_path.glob("*.large")
    before = large.stat().st_mtime_ns
    checkpoints.save("fit", "net", {"best": best, "step": 2})
    assert large.stat().st_mtime_ns == before
    best += 1
    checkpoints.save("fit", "net", {"best": best, "step": 3})
    assert not large.exists(), "what is no longer used goes"
    found = door(tmp_path).load("fit", "net")
    assert found is not None
    assert torch.equal(found["best"], best)
    assert found["step"] == 3


@pytest.mark.parametrize("harm", ["truncate", "flip", "empty"])
@pytest.mark.parametrize("which", ["*.safetensors", "*.large"])
def test_damage_is_noticed_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, harm: str, which: str) -> None:
    monkeypatch.setattr(resume, "LARGE", 1000)
    door(tmp_path).save("fit", "net", {"best": torch.rand(500), "small": torch.rand(7)})
    (path,) = tmp_path.glob(which)
    content = bytearray(path.read_bytes())
    if harm == "flip":
        content[-3] ^= 4
    path.write_bytes({"truncate": content[:-9], "flip": content, "empty": b""}[harm])
    told: list[str] = []
    assert door(tmp_path, damaged=told.append).load("fit", "net") is None
    assert told == ["fit.safetensors"]


def test_a_missing_large_tensor_is_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resume, "LARGE", 1000)
    door(tmp_path).save("fit", "net", {"best": torch.rand(500)})
    next(tmp_path.glob("*.large")).unlink()
    told: list[str] = []
    assert door(tmp_path, damaged=told.append).load("fit", "net") is None
    assert told == ["fit.safetensors"]


def test_an_offer_is_taken_when_it_is_time(tmp_path: Path) -> None:
    asked: list[int] = []

    def state() -> dict[str, Any]:
        asked.append(1)
        return STATE

    door(tmp_path / "later", every=1000.0).offer("fit", "net", state)
    assert not asked
    now = door(tmp_path / "now", every=0.0)
    now.offer("fit", "net", state)
    now.offer("fit", "net", state)
    assert len(asked) == 2


def test_when_somebody_has_asked_to_stop_the_state_is_saved_and_the_work_ends(tmp_path: Path) -> None:
    stop = Stop(grace=0.0)
    checkpoints = door(tmp_path, every=1000.0, stop=stop)
    checkpoints.offer("fit", "net", lambda: STATE)
    stop.ask()
    with pytest.raises(Interrupted, match="saved"):
        checkpoints.offer("fit", "net", lambda: STATE)
    assert same(door(tmp_path).load("fit", "net"), STATE)
    patient = Stop(grace=1000.0)
    patient.ask()
    assert patient.asked
    door(tmp_path / "b", every=1000.0, stop=patient).offer("fit", "net", lambda: STATE)


def test_the_time_spent_stands_in_the_checkpoint(tmp_path: Path) -> None:
    assert door(tmp_path).spent() is None
    door(tmp_path, budget=Budget(100.0).charge(40.0)).save("fit", "net", STATE)
    assert door(tmp_path).spent() == pytest.approx(40.0, abs=5.0)


def test_state_that_is_neither_plain_nor_a_tensor_is_refused(tmp_path: Path) -> None:
    for wrong in ({"x": object()}, {1: 2}, {"$tensor": 1}):
        with pytest.raises(TypeError, match="state"):
            door(tmp_path).save("fit", "net", wrong)  # pyright: ignore[reportArgumentType]
    assert not list(tmp_path.glob("*"))


@dataclass(frozen=True)
class Copied:
    frames: Tensor
    covered: float
    shape: tuple[int, int]


def test_a_piece_is_made_once(tmp_path: Path) -> None:
    made: list[int] = []

    def make() -> Copied:
        made.append(1)
        return Copied(torch.rand(4), 0.3, (2, 2))

    context = FitContext(seed=0, device=torch.device("cpu"))
    kept(context, "copied", "w", Copied, make)
    assert len(made) == 1, "without a place to keep it, it is simply made"
    context = replace(context, checkpoint=door(tmp_path))
    first = kept(context, "copied", "w", Copied, make)
    again = kept(replace(context, checkpoint=door(tmp_path)), "copied", "w", Copied, make)
    assert len(made) == 2
    assert torch.equal(first.frames, again.frames)
    assert (again.covered, again.shape) == (0.3, (2, 2))
    kept(context, "copied", "other window", Copied, make)
    assert len(made) == 3


def test_a_piece_that_is_made_once_is_not_held_in_memory(tmp_path: Path) -> None:
    context = FitContext(seed=0, device=torch.device("cpu"), checkpoint=door(tmp_path))
    made = kept(context, "copied", "w", Copied, lambda: Copied(torch.rand(LARGE // 4), 0.3, (2, 2)))
    gone = weakref.ref(made.frames)
    del made
    assert gone() is None
