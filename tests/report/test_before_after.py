from pathlib import Path

import cv2
import numpy as np
import pytest

from vidinternal.core.errors import MaskError, UsageError
from vidinternal.report.before_after import main, moments, write_atomically

CLIPS = Path(__file__).resolve().parents[2] / "clips"


def test_moments_are_in_the_middle_of_the_fullest_frames_of_equal_parts() -> None:
    assert moments([0, 3, 1, 0, 0, 0, 2, 9, 2]) == (1, 7)
    assert moments([1.0] * 9) == (1, 4, 7)
    assert moments([0.0] * 9) == (1, 4, 7)
    assert moments([0.0, 8, 10, 9.5, 9.8, 2], wanted=1) == (3,)
    assert moments([5.0]) == (0,)


def test_a_strip_shows_source_hole_and_result(tmp_path: Path) -> None:
    source, mask = CLIPS / "flower_captions.mp4", CLIPS / "flower_captions_mask.mkv"
    out = tmp_path / "new" / "strip.png"
    main([str(source), str(CLIPS / "flower.mp4"), str(out), str(mask)])
    sheet = cv2.imread(str(out))
    assert sheet is not None
    height, width = 270, 480
    assert sheet.shape == (3 * height + 8, 3 * width + 8, 3)
    before, hole, after = (sheet[:height, x : x + width].astype(int) for x in (0, width + 4, 2 * width + 8))
    changed = np.abs(before - hole).max(axis=2) > 0
    assert 0.005 < changed[40:].mean() < 0.1
    assert np.abs(before - after)[40:][changed[40:]].mean() > 4 * np.abs(before - after)[40:][~changed[40:]].mean()


def test_wrong_arguments_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="SOURCE RESULT"):
        main(["only", "two"])
    with pytest.raises(MaskError):
        clips = [str(CLIPS / n) for n in ("person.mp4", "person.mp4")]
        main([*clips, str(tmp_path / "x.png"), str(CLIPS / "flower_captions_mask.mkv")])


def test_a_file_is_whole_or_not_there(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    write_atomically(path, b"first")
    with pytest.raises(TypeError):
        write_atomically(path, "text")  # pyright: ignore[reportArgumentType]
    assert path.read_bytes() == b"first"
    assert [p.name for p in tmp_path.iterdir()] == ["a.bin"]


def test_without_a_mask_the_hole_is_where_the_result_differs(tmp_path: Path) -> None:
    out = tmp_path / "strip.png"
    main([str(CLIPS / "flower_captions.mp4"), str(CLIPS / "flower.mp4"), str(out)])
    sheet = cv2.imread(str(out))
    assert sheet is not None
    before, hole = (sheet[40:270, x : x + 480].astype(int) for x in (0, 484))
    shown = np.abs(before - hole).max(axis=2) > 0
    assert 0.005 < shown.mean() < 0.1
    assert shown[150:].mean() > 20 * shown[:150].mean()  # the captions stand below
