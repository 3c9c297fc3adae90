"""Folders as people have them: masks between clips, links, unreadable things, the output inside the input."""

import os
from pathlib import Path
from typing import Any

import pytest

from tests.media.stills.stills_made import write_sequence
from vidinternal.core.errors import UsageError
from vidinternal.engines.folders import Choice, clips_in
from vidinternal.engines.inputs import expand


def fill(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return folder


def names(folder: Path, choice: Choice | None = None) -> list[str]:
    return [str(relative) for relative in clips_in(folder, choice or Choice()).values()]


def test_masks_are_no_clips_and_one_without_its_clip_is_told(tmp_path: Path) -> None:
    fill(tmp_path, "a.mp4", "a.mask.mp4", "b.mkv", "b.mask/1.png", "b.mask/c.mp4", "lost.mask.mkv", "notes.txt")
    choice = Choice()
    assert names(tmp_path, choice) == ["a.mp4", "b.mkv"]
    assert [(str(r), why) for _, r, why in choice.skipped] == [
        ("lost.mask.mkv", "a mask by its name, and no clip 'lost' is beside it")
    ]


def test_masks_of_image_sequences(tmp_path: Path) -> None:
    write_sequence(tmp_path / "a")
    write_sequence(tmp_path / "a.mask")
    assert names(tmp_path) == ["a"]


def test_nested_folders_hidden_ones_and_the_output_inside(tmp_path: Path) -> None:
    fill(tmp_path, "a.mp4", "x/y/z/b.mp4", ".c/d.mp4", "x/.e.mp4", "out/a.mp4", "out/x/y/z/b.mp4")
    assert names(tmp_path, Choice(output=tmp_path / "out")) == ["a.mp4", "x/y/z/b.mp4"]
    assert len(expand([str(tmp_path)], Choice(output=tmp_path / "out"))) == 2


def test_links_that_lead_in_circles_end(tmp_path: Path) -> None:
    fill(tmp_path, "sub/a.mp4")
    (tmp_path / "sub" / "up").symlink_to(tmp_path)
    (tmp_path / "self.mp4").symlink_to(tmp_path / "self.mp4")
    (tmp_path / "gone.mp4").symlink_to(tmp_path / "nowhere.mp4")
    (tmp_path / "linked.mp4").symlink_to(tmp_path / "sub" / "a.mp4")
    choice = Choice()
    assert names(tmp_path, choice) == ["linked.mp4", "sub/a.mp4"]
    assert [str(r) for _, r, _ in choice.problems] == ["gone.mp4", "self.mp4"]
    assert all("cannot be read" in why for _, _, why in choice.problems)
    assert len(choice.notes) == 1 and "not followed" in choice.notes[0]


def test_what_cannot_be_read_is_told_and_the_rest_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, "a.mp4", "shut/b.mp4", "locked.mp4")
    os.mkfifo(tmp_path / "pipe.mkv")
    scan, opened = os.scandir, Path.open

    def scandir(path: Path) -> object:
        if Path(path).name == "shut":
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    def shut(self: Path, *given: Any) -> object:
        if self.name == "locked.mp4":
            raise PermissionError(13, "Permission denied", str(self))
        return opened(self, *given)

    monkeypatch.setattr(os, "scandir", scandir)
    monkeypatch.setattr(Path, "open", shut)
    choice = Choice()
    assert names(tmp_path, choice) == ["a.mp4"]
    told = {str(r): why for _, r, why in choice.problems}
    assert told == {
        "shut": "the folder cannot be read: Permission denied",
        "locked.mp4": "cannot be read: Permission denied",
        "pipe.mkv": "no file: a pipe or device",
    }


@pytest.mark.parametrize(
    ("include", "exclude", "left"),
    [
        (["*.mkv"], [], ["s1/b.mkv", "s2/c.mkv"]),
        (["s1/*"], [], ["s1/a.mp4", "s1/b.mkv"]),
        (["s1"], ["*.mp4"], ["s1/b.mkv"]),
        ([], ["s1", "c.*"], ["d.mp4"]),
        ([], ["s2/"], ["d.mp4", "s1/a.mp4", "s1/b.mkv"]),
        (["*.mkv", "d.*"], ["s2/c.mkv"], ["d.mp4", "s1/b.mkv"]),
    ],
)
def test_patterns_choose(tmp_path: Path, include: list[str], exclude: list[str], left: list[str]) -> None:
    fill(tmp_path, "s1/a.mp4", "s1/b.mkv", "s2/c.mkv", "d.mp4")
    assert names(tmp_path, Choice(include, exclude)) == left


def test_patterns_that_leave_nothing_and_empty_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="folder with videos or images"):
        expand([str(tmp_path)])
    fill(tmp_path, "a.mp4")
    with pytest.raises(UsageError, match=r"--include '\*\.mkv': all 1 clips are left out"):
        expand([str(tmp_path)], Choice(["*.mkv"]))


def test_a_folder_of_which_nothing_can_be_read_is_no_usage_error(tmp_path: Path) -> None:
    (tmp_path / "gone.mp4").symlink_to(tmp_path / "nowhere.mp4")
    choice = Choice()
    assert expand([str(tmp_path)], choice) == []
    assert len(choice.problems) == 1
