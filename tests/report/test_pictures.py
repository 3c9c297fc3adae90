import cv2
import numpy as np
import pytest
import torch

from vidinternal.core.errors import UsageError
from vidinternal.report import pictures


def gray(height: int = 20, width: int = 30, value: int = 100) -> np.ndarray:
    return np.full((height, width, 3), value, dtype=np.uint8)


def test_frames_become_eight_bits_and_are_clipped() -> None:
    frame = torch.tensor([-0.5, 0.5, 2.0]).view(3, 1, 1).expand(3, 4, 5)
    picture = pictures.to_picture(frame)
    assert picture.shape == (4, 5, 3)
    assert picture[0, 0].tolist() == [0, 128, 255]
    assert np.array_equal(pictures.to_picture(frame.numpy()), picture)


def test_an_overlay_changes_the_mask_alone() -> None:
    mask = np.zeros((20, 30), dtype=bool)
    mask[5:12, 8:20] = True
    shown = pictures.overlay(gray(), mask)
    assert np.array_equal(shown[~mask], gray()[~mask])
    assert (shown[mask] != gray()[mask]).any(axis=1).all()
    assert not np.array_equal(shown[5, 8], shown[8, 12])


def test_flow_colours_tell_direction_and_length() -> None:
    flow = torch.zeros(2, 1, 6)
    flow[:, 0, 1:] = torch.tensor([[4.0, -4.0, 0.0, 2.0, 8.0], [0.0, 0.0, 4.0, 0.0, 0.0]])
    still, right, left, down, slow, fast = pictures.flow_picture(flow, largest=4.0)[0].tolist()
    assert still == [255, 255, 255]
    assert len({tuple(c) for c in (right, left, down, slow)}) == 4
    assert min(slow) > min(right)
    assert fast == right
    assert (pictures.flow_picture(torch.zeros(2, 3, 3)) == 255).all()


def test_a_label_stays_in_its_corner() -> None:
    labelled = pictures.label(gray(100, 300), "before")
    assert (labelled != gray(100, 300)).any()
    assert np.array_equal(labelled[40:, :], gray(100, 300)[40:, :])


def test_a_grid_holds_every_picture_unchanged() -> None:
    cells = [[gray(value=10), gray(value=20)], [gray(10, 12, 30)]]
    sheet = pictures.grid(cells)
    assert sheet.shape == (44, 64, 3)
    assert (sheet[:20, :30] == 10).all() and (sheet[:20, 34:] == 20).all()
    assert (sheet[24:34, :12] == 30).all() and (sheet[24:, 34:] == 255).all()
    with pytest.raises(UsageError, match="at least one picture"):
        pictures.grid([[]])


def test_pictures_are_shrunk_never_enlarged() -> None:
    assert pictures.fitted(gray(20, 40), 20).shape == (10, 20, 3)
    assert pictures.fitted(gray(20, 40), 80).shape == (20, 40, 3)


def test_png_is_lossless_and_in_rgb_order() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (6, 7, 3), dtype=np.uint8)
    data = np.frombuffer(pictures.png(picture), dtype=np.uint8)
    read = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert read is not None
    assert np.array_equal(read[..., ::-1], picture)
