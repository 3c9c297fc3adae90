from pathlib import Path

import pytest

from tests.media.stills.stills_made import write_sequence
from vidinternal.core.errors import MediaError
from vidinternal.media.stills.image_sequence import is_pattern, pattern_name, pattern_of, sequence_files


def files(folder: Path, *names: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


def test_numbers_decide_the_order_with_and_without_zeros(tmp_path: Path) -> None:
    folder = files(tmp_path / "a", *(f"take2_{k}.png" for k in range(1, 13)), "notes.txt", ".hidden_99.png")
    assert [f.name for f in sequence_files(folder)] == [f"take2_{k}.png" for k in range(1, 13)]
    padded = files(tmp_path / "b", *(f"{k:04d}.jpg" for k in range(998, 1003)))
    assert [int(f.stem) for f in sequence_files(padded)] == list(range(998, 1003))


def test_patterns_and_globs_choose_among_several_sequences(tmp_path: Path) -> None:
    folder = files(tmp_path / "a", "l_1.png", "l_2.png", "r_1.png", "r_2.png", "r_3.png")
    assert [f.name for f in sequence_files(folder / "l_%d.png")] == ["l_1.png", "l_2.png"]
    assert [f.name for f in sequence_files(folder / "r_*.png")] == ["r_1.png", "r_2.png", "r_3.png"]
    with pytest.raises(MediaError, match=r"one image a number"):
        sequence_files(folder)
    (folder / "r_1.png").unlink()
    (folder / "r_2.png").unlink()
    with pytest.raises(MediaError, match=r"more than one sequence\n.*l_1\.png in the number alone\n.*r_3\.png"):
        sequence_files(folder)


def test_every_missing_number_is_named(tmp_path: Path) -> None:
    folder = files(tmp_path / "a", "f_1.png", "f_2.png", "f_5.png", "f_7.png")
    with pytest.raises(MediaError, match=r"every number from 1 to 7\n  got:      3 missing: 3, 4, 6\n"):
        sequence_files(folder)
    files(folder, "f_90.png")
    with pytest.raises(MediaError, match=r"85 missing: 3, 4, 6, 8, 9, 10, 11, 12, 13, 14 and 75 more"):
        sequence_files(folder)


def test_doubles_and_images_without_numbers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"01\.png and 1\.png for number 1"):
        sequence_files(files(tmp_path / "a", "1.png", "01.png"))
    with pytest.raises(MediaError, match=r"none in cover\.png"):
        sequence_files(files(tmp_path / "b", "1.png", "cover.png"))
    with pytest.raises(MediaError, match="no images"):
        sequence_files(tmp_path / "b" / "x_%d.png")


def test_pattern_names_go_there_and_back(tmp_path: Path) -> None:
    folder = write_sequence(tmp_path / "a", 2, name="shot1_{:05d}_v2x.png")
    pattern = pattern_of(folder / "shot1_00001_v2x.png")
    assert pattern.name == "shot1_00001_v%dx.png"  # the last number counts
    assert pattern_name(Path("out/%05d.png"), 12) == "00012.png"
    assert pattern_name(Path("out/a_%d.png"), 12) == "a_12.png"
    assert (
        is_pattern(Path("out/%05d.png")) and not is_pattern(Path("out/%05d.mkv")) and not is_pattern(Path("out/1.png"))
    )
