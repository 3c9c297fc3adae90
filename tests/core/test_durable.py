import os
from pathlib import Path

import pytest

from vidinternal.core import durable
from vidinternal.core.durable import aside, into_place, make_folder, read_sealed, write_sealed


def test_a_sealed_object_comes_back_and_damage_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    assert read_sealed(path) == (None, False)
    write_sealed(path, {"a": [1, 2], "b": {"c": 0.1}})
    assert read_sealed(path) == ({"a": [1, 2], "b": {"c": 0.1}}, False)
    text = path.read_text()
    for broken in (text.replace("0.1", "0.2"), text[:-5], "", "[1]", "{}"):
        path.write_text(broken)
        assert read_sealed(path) == (None, True)
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_nothing_gets_its_name_before_it_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    happened: list[str] = []
    real_sync, real_replace = os.fsync, Path.replace

    def sync(handle: int) -> None:
        happened.append(f"flush {Path(f'/proc/self/fd/{handle}').readlink().name}")
        real_sync(handle)

    def replace(self: Path, target: Path) -> Path:
        happened.append(f"name {target.name}")
        return real_replace(self, target)

    monkeypatch.setattr(durable.os, "fsync", sync)
    monkeypatch.setattr(Path, "replace", replace)
    written = aside(tmp_path / "result")
    (written / "deep").mkdir(parents=True)
    (written / "deep" / "file").write_text("x")
    into_place(written, tmp_path / "result")
    named = happened.index("name result")
    assert set(happened[:named]) == {"flush file", "flush deep", f"flush {written.name}"}
    assert happened[named + 1 :] == [f"flush {tmp_path.name}"]


def test_names_of_new_folders_are_flushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[Path] = []
    monkeypatch.setattr(durable, "to_disk", flushed.append)
    make_folder(tmp_path / "a" / "b")
    assert flushed == [tmp_path, tmp_path / "a"]
    make_folder(tmp_path / "a" / "b")
    assert len(flushed) == 2
