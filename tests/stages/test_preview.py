from pathlib import Path

import cv2
import pytest
import torch

from vidinternal.core.seeds import generator
from vidinternal.stages.preview import MOMENTS, WIDTH, strip, write_strip

FRAMES = torch.rand((9, 3, 20, 30), generator=generator(0))


def test_the_strip_shows_moments_of_both_one_above_the_other() -> None:
    sheet = strip(FRAMES, 1 - FRAMES)
    assert sheet.shape == (40, MOMENTS * 30, 3)
    assert (sheet[:20].astype(int) + sheet[20:] == 255).all()
    assert (sheet[:20, :30, ::-1] == (FRAMES[0] * 255).round().byte().permute(1, 2, 0).numpy()).all()
    assert strip(FRAMES[:1], FRAMES[:1]).shape == (40, 30, 3)


def test_large_pictures_are_shrunk() -> None:
    large = torch.zeros((1, 3, 100, 2 * WIDTH))
    assert strip(large, large).shape == (2 * 50, WIDTH, 3)


def test_the_first_strip_is_told_of_and_later_ones_replace_it(tmp_path: Path) -> None:
    told: list[str] = []
    path = tmp_path / "preview.png"
    show = write_strip(path, told.append)
    show(FRAMES, FRAMES)
    first = path.read_bytes()
    show(FRAMES, 1 - FRAMES)
    assert path.read_bytes() != first
    assert cv2.imread(str(path)) is not None
    assert told == [f"preview: {path}"]
    assert [p.name for p in tmp_path.iterdir()] == ["preview.png"]


def test_a_full_disk_costs_the_preview_and_not_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    told: list[str] = []
    monkeypatch.setattr(Path, "write_bytes", full)
    write_strip(tmp_path / "preview.png", told.append)(FRAMES, FRAMES)
    assert told == ["no preview: No space left on device"]
    assert not list(tmp_path.iterdir())
