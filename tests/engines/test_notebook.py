import numpy as np
import pytest
import torch

import vidinternal
from vidinternal.core.errors import ConfigError, MaskError, PipelineError, UsageError


def clip() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    frames = random.integers(0, 255, (4, 24, 32, 3), dtype=np.uint8)
    mask = np.zeros((24, 32), dtype=np.uint8)
    mask[8:14, 10:18] = 1
    return frames, mask


def test_arrays_in_arrays_out_and_known_pixels_stay() -> None:
    frames, mask = clip()
    filled = vidinternal.inpaint(frames, mask, "harmonic")
    assert filled.dtype == np.uint8
    assert np.array_equal(filled[:, mask == 0], frames[:, mask == 0])
    assert (filled[:, mask == 1] != frames[:, mask == 1]).any()


def test_tensors_and_floats_give_floats() -> None:
    frames, mask = clip()
    as_float = frames.astype(np.float32) / 255
    tensor = torch.from_numpy(as_float).permute(0, 3, 1, 2)
    assert np.allclose(vidinternal.inpaint(as_float, mask, "telea"), vidinternal.inpaint(tensor, mask, "telea"))


def test_what_is_under_the_mask_does_not_matter() -> None:
    frames, mask = clip()
    other = frames.copy()
    other[:, mask == 1] = 7
    assert np.array_equal(
        vidinternal.inpaint(frames, mask, "propagation"), vidinternal.inpaint(other, mask, "propagation")
    )


def test_methods_that_train_take_settings_and_time() -> None:
    frames, mask = clip()
    filled = vidinternal.inpaint(frames, mask, "dip_vid_flow", iterations=2, depth=2)
    assert filled.shape == frames.shape


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"masks": np.zeros((5, 24, 32))}, MaskError),
        ({"frames": np.zeros((24, 32, 3))}, UsageError),
        ({"method": "tela"}, PipelineError),
        ({"radios": 3}, ConfigError),
    ],
)
def test_what_does_not_fit_is_refused(change: dict, error: type[Exception]) -> None:
    frames, mask = clip()
    with pytest.raises(error):
        vidinternal.inpaint(**{"frames": frames, "masks": mask, "method": "telea", **change})


def test_only_public_names_are_there() -> None:
    with pytest.raises(AttributeError, match="public: inpaint, run"):
        _ = vidinternal.upscail
