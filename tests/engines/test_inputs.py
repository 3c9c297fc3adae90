from pathlib import Path

import pytest

from tests.media.stills.stills_made import write_gif, write_sequence
from vidinternal.core.errors import MediaError, UsageError
from vidinternal.engines.inputs import destinations, expand, mirrors


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
    with pytest.raises(UsageError, match="folder with videos or images"):
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


def test_a_folder_of_images_is_one_clip_and_its_result_a_folder(tmp_path: Path) -> None:
    folder = write_sequence(tmp_path / "in")
    (folder / "notes.txt").touch()
    clips = expand([str(folder)])
    assert clips == [(folder, Path("in"))] and not mirrors([str(folder)], clips)
    assert destinations(clips, tmp_path / "out", folder=False) == [(folder, tmp_path / "out")]
    (tmp_path / "out").mkdir()
    assert destinations(clips, tmp_path / "out", folder=False) == [(folder, tmp_path / "out")]


def test_images_by_pattern_by_glob_and_one_by_one_are_the_same_clip(tmp_path: Path) -> None:
    folder = write_sequence(tmp_path / "in", name="s_{:03d}.png")
    pattern = folder / "s_%03d.png"
    assert expand([str(pattern)]) == [(pattern, Path("in"))]
    assert expand([str(folder / "s_*.png")]) == [(folder / "s_*.png", Path("in"))]
    named = [str(p) for p in sorted(folder.iterdir())]
    assert expand(named) == [(pattern, Path("in"))]
    with pytest.raises(UsageError, match=r"all 4 images[^$]*2 of them"):
        expand(named[:2])
    (folder / "s_002.png").unlink()
    with pytest.raises(MediaError, match=r"1 missing: 2"):
        expand([named[0], named[2]])
    assert expand([named[0]]) == [(Path(named[0]), Path("s_001.png"))]
    with pytest.raises(UsageError, match="no match"):
        expand([str(folder / "t_*.png")])


def test_a_folder_with_videos_is_a_batch_and_one_with_folders_of_images_too(tmp_path: Path) -> None:
    root = tmp_path / "in"
    root.mkdir()
    write_sequence(root / "a")
    write_sequence(root / "b")
    clips = expand([str(root)])
    assert [r for _, r in clips] == [Path("a"), Path("b")] and mirrors([str(root)], clips)
    assert destinations(clips, tmp_path / "out", folder=True)[1] == (root / "b", tmp_path / "out" / "b")
    write_gif(root / "c.gif", False)
    assert [r for _, r in expand([str(root)])] == [Path("c.gif")]
