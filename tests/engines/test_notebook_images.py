"""Images in, images out: the same type and kind back, and one clear error for what is no image."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

import vidinternal
from vidinternal.core.errors import ConfigError, MaskError, MediaError, PipelineError, UsageError, UserError
from vidinternal.engines import notebook_images
from vidinternal.engines.image_arrays import as_mask, taken

RANDOM = np.random.default_rng(3)


def picture(*shape: int) -> np.ndarray:
    return RANDOM.integers(0, 256, shape, dtype=np.uint8)


def double(image: Any, **options: Any) -> Any:
    return vidinternal.upscale(image, 2, method="bicubic", **options)


@pytest.mark.parametrize(
    "shape", [(9, 13), (9, 13, 1), (9, 13, 2), (9, 13, 3), (9, 13, 4), (2, 9, 13, 3), (2, 9, 13, 4)]
)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64", "float16"])
def test_type_and_kind_stay(shape: tuple[int, ...], dtype: str) -> None:
    image = picture(*shape)
    typed = (
        (image / 255).astype(dtype)
        if dtype.startswith("float")
        else image.astype(dtype) * (257 if "16" in dtype else 1)
    )
    kept = typed.copy()
    made = double(typed)
    at = 1 if len(shape) == 4 else 0
    assert made.shape == (*shape[:at], 18, 26, *shape[at + 2 :])
    assert made.dtype == typed.dtype
    assert np.array_equal(typed, kept)
    same = vidinternal.upscale(typed, 1, method="bicubic")
    assert np.allclose(same.astype(float), typed.astype(float), atol=1e-3 if dtype == "float16" else 1e-6, rtol=0)


def test_sixteen_bits_are_not_eight() -> None:
    ramp = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
    assert len(np.unique(double(ramp))) > 4000


def test_grey_is_what_any_of_three_equal_channels_is() -> None:
    grey = picture(9, 13)
    assert np.array_equal(double(grey), double(np.stack([grey] * 3, axis=-1))[..., 0])


def test_tensors_give_tensors() -> None:
    image = torch.rand(3, 9, 13)
    made = double(image)
    assert isinstance(made, torch.Tensor) and made.shape == (3, 18, 26)
    assert double(image[None]).shape == (1, 3, 18, 26)


@pytest.mark.parametrize(
    ("name", "mode", "dtype", "shape"),
    [
        ("rgb.png", "RGB", "uint8", (18, 26, 3)),
        ("grey.png", "L", "uint8", (18, 26)),
        ("alpha.png", "RGBA", "uint8", (18, 26, 4)),
        ("grey_alpha.png", "LA", "uint8", (18, 26, 2)),
        ("photo.jpg", "RGB", "uint8", (18, 26, 3)),
    ],
)
def test_files_give_arrays_of_their_own_kind(
    tmp_path: Path, name: str, mode: str, dtype: str, shape: tuple[int, ...]
) -> None:
    Image.fromarray(picture(9, 13, 3)).convert(mode).save(tmp_path / name)
    made = double(tmp_path / name)
    assert (made.shape, made.dtype) == (shape, np.dtype(dtype))
    assert np.array_equal(made, double(str(tmp_path / name)))


def test_a_file_of_sixteen_bits_gives_sixteen_bits(tmp_path: Path) -> None:
    deep = RANDOM.integers(0, 65536, (9, 13, 3), dtype=np.uint16)
    cv2.imwrite(str(tmp_path / "deep.png"), deep[..., ::-1])
    assert np.array_equal(vidinternal.upscale(tmp_path / "deep.png", 1, method="bicubic"), deep)


def test_one_pixel_is_an_image() -> None:
    assert np.array_equal(double(np.full((1, 1, 3), 77, np.uint8)), np.full((2, 2, 3), 77, np.uint8))
    assert vidinternal.upscale(picture(1, 7), (3, 1.5), method="lanczos").shape == (3, 11)
    small, details = vidinternal.upscale(np.full((1, 1, 3), 77, np.uint8), 2, details=True)
    told = [note for note in details.facts["notes"] if "too few to learn from" in note]
    assert small.shape == (2, 2, 3) and len(told) == 1


@pytest.mark.parametrize(
    ("image", "told"),
    [
        (np.zeros((0, 5, 3), np.uint8), "at least one pixel"),
        (np.zeros((4, 4, 5), np.uint8), r"shape \(4, 4, 5\)"),
        (np.zeros(7, np.uint8), r"shape \(7,\)"),
        (np.zeros((4, 4, 3), np.int64), "int64"),
        (np.zeros((4, 4, 3), complex), "complex128"),
        (np.full((4, 4, 3), np.nan), "NaN"),
        (np.full((4, 4, 3), 200.0), "image / 255"),
        (np.full((4, 4, 3), -0.5), "floats from -0.5"),
        ([[1, 2], [3, 4]], "list"),
        (None, "NoneType"),
        (torch.zeros(4, 4, 3), "3 H W"),
        (torch.zeros(3, 4, 4, dtype=torch.uint8), "uint8"),
    ],
)
def test_what_is_no_image_is_refused_in_words(image: Any, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        double(image)


def test_files_that_are_no_image_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError):
        double(tmp_path / "nothing.png")
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(MediaError):
        double(tmp_path / "text.png")
    Image.fromarray(picture(9, 13, 3)).convert("CMYK").save(tmp_path / "print.jpg")
    with pytest.raises(MediaError, match=r"print\.jpg"):
        double(tmp_path / "print.jpg")
    frames = [Image.fromarray(picture(9, 13, 3)) for _ in range(2)]
    frames[0].save(tmp_path / "moves.gif", save_all=True, append_images=frames[1:])
    with pytest.raises(UsageError, match="one image"):
        double(tmp_path / "moves.gif")


@pytest.mark.parametrize("scale", [0.5, 0, -1, float("nan"), float("inf"), (2, 0.1), 99, "two"])
def test_a_scale_that_cannot_be_is_refused_in_words(scale: Any) -> None:
    with pytest.raises(ConfigError, match=r"upscale\(method='bicubic'\): scale"):
        vidinternal.upscale(picture(4, 4, 3), scale, method="bicubic")


def test_settings_are_checked_by_name_and_type() -> None:
    image = picture(4, 4, 3)
    with pytest.raises(ConfigError, match="did you mean 'budget'"):
        double(image, budgt=3)
    with pytest.raises(ConfigError, match="seed"):
        double(image, seed="many")
    with pytest.raises(ConfigError, match="tile"):
        double(image, tile=-1)
    with pytest.raises(ConfigError, match="budget"):
        double(image, budget=-1.0)
    with pytest.raises(PipelineError, match="did you mean 'bicubic'"):
        vidinternal.upscale(image, method="bicubc")
    with pytest.raises(UsageError, match="takes hints"):
        notebook_images._Asked("upscale", "bicubic", {}).run(
            torch.rand(1, 3, 4, 4), notebook_images.Beside(torch.zeros(1, 1, 4, 4))
        )


def test_layers_come_as_arrays_when_asked_for() -> None:
    made, told = vidinternal.dehaze(picture(24, 32, 3), method="dark_channel", details=True)
    assert made.shape == (24, 32, 3)
    assert told.layers["transmission"].shape == (24, 32) and told.layers["transmission"].dtype == np.float32
    assert told.facts["groups"] == 1 and "notes" in told.facts
    _, still = vidinternal.upscale(picture(2, 24, 32, 3), method="bicubic", deflicker=True, details=True)
    assert still.facts["deflicker"] == {"taken": False}


def test_masks_fit_their_picture() -> None:
    frames, _ = taken(picture(2, 9, 13, 3), "x")
    mask = np.zeros((9, 13), bool)
    mask[2:4, 3:5] = True
    assert as_mask(mask, frames, "m").shape == (2, 1, 9, 13)
    assert float(as_mask(np.stack([mask, ~mask]), frames, "m")[1].sum()) == 9 * 13 - 4
    for wrong in (mask[:-1], mask[None], np.zeros((9, 13), complex), "nothing.png"):
        with pytest.raises(UserError):
            as_mask(wrong, frames, "m")


def test_restoring_wants_a_mask_that_says_something() -> None:
    image = picture(9, 13, 3)
    with pytest.raises(MaskError, match="selects nothing"):
        vidinternal.restore(image, mask=np.zeros((9, 13)))
    with pytest.raises(MaskError, match="all of them masked"):
        vidinternal.restore(image, mask=np.ones((9, 13)))
    with pytest.raises(UsageError, match="13x8"):
        vidinternal.restore(image, guide=picture(8, 13, 3))


@pytest.mark.parametrize(
    "hints",
    [
        {"box": (0, 0, 20, 5)},
        {"box": (1, 1, 0, 4)},
        {"box": (1, 1, 4)},
        {"box": (1.5, 1, 4, 4)},
        {"box": (-1, 1, 4, 4)},
        {"points": [(13, 2)]},
        {"outside": [(2, 2)]},
        {"points": [(2, 2)], "outside": [(2, 2)]},
        {"mask": np.zeros((9, 13))},
        {"mask": np.ones((4, 4))},
        {"mask": np.ones((9, 13)), "box": (1, 1, 4, 4)},
    ],
)
def test_hints_that_cannot_be_are_refused(hints: dict[str, Any]) -> None:
    with pytest.raises(UserError):
        vidinternal.segment(picture(9, 13, 3), **hints)


def test_a_box_says_what_is_outside_and_a_point_what_is_inside() -> None:
    frames = torch.rand(2, 3, 40, 60)
    known = notebook_images._object(frames, ((10, 8, 30, 20), [(20, 15)], [(35, 25)], None))
    assert known is not None and known.shape == (2, 1, 40, 60)
    assert bool(known[1].isnan().all())
    assert known[0, 0, 0, 0] == 0 and known[0, 0, 15, 20] == 1 and known[0, 0, 25, 35] == 0
    assert bool(known[0, 0, 10, 12].isnan())
    assert notebook_images._object(frames, (None, (), (), None)) is None
