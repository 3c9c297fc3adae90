from pathlib import Path

import pytest

from vidinternal.core.errors import UsageError
from vidinternal.engines.inputs import destinations, expand


def tree(root: Path) -> Path:
    for name in ("a.mp4", "sub/b.mkv", "sub/notes.txt", ".hidden/c.mp4", "clip [1].mp4"):
        path = root / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root / "in"


def test_a_folder_is_mirrored_without_hidden_files_and_others(tmp_path: Path) -> None:
    clips = expand([str(tree(tmp_path))])
    assert [str(r) for _, r in clips] == ["a.mp4", "clip [1].mp4", "sub/b.mkv"]
    pairs = destinations(clips, tmp_path / "out", folder=True)
    assert pairs[2][1] == tmp_path / "out" / "sub" / "b.mkv"


def test_files_are_taken_as_named_even_with_brackets(tmp_path: Path) -> None:
    clip = tree(tmp_path) / "clip [1].mp4"
    assert expand([str(clip)]) == [(clip, Path("clip [1].mp4"))]


def test_globs(tmp_path: Path) -> None:
    assert len(expand([str(tree(tmp_path) / "**" / "*.m*")])) == 3


def test_what_matches_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no match"):
        expand([str(tmp_path / "nothing.mp4")])
    with pytest.raises(UsageError, match="folder with video files"):
        expand([str(tmp_path)])


def test_one_file_goes_to_a_file_or_into_an_existing_folder(tmp_path: Path) -> None:
    clips = expand([str(tree(tmp_path) / "a.mp4")])
    assert destinations(clips, tmp_path / "o.mp4", folder=False)[0][1] == tmp_path / "o.mp4"
    assert destinations(clips, tmp_path, folder=False)[0][1] == tmp_path / "a.mp4"


def test_a_source_is_never_overwritten_and_names_never_collide(tmp_path: Path) -> None:
    root = tree(tmp_path)
    with pytest.raises(UsageError, match="source"):
        destinations(expand([str(root / "a.mp4")]), root / "a.mp4", folder=False)
    (root / "sub" / "a.mp4").touch()
    with pytest.raises(UsageError, match="different name"):
        destinations(expand([str(root / "a.mp4"), str(root / "sub" / "a.mp4")]), tmp_path / "out", folder=False)
