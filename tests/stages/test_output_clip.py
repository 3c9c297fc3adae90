"""The clip that is written where pictures are made anew: size, samples, alpha, whichever way it is stored."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as nn_functional

from tests import media_made
from vidinternal.core.clip import ClipInfo, ColorTags, ReadPolicy
from vidinternal.core.errors import ConfigError
from vidinternal.media.color import to_rgb
from vidinternal.media.fields import scan_of
from vidinternal.media.picture import NativeFrame, picture_format, plane_shape, sample_dtype
from vidinternal.media.probe import probe
from vidinternal.runner.spec import load_pipeline
from vidinternal.stages.decode import FrameSource
from vidinternal.stages.output_clip import layer_frame, output_info, picture_size, whole_frame, written


def opened(tmp_path: Path, **recipe: Any) -> FrameSource:
    info = probe(media_made.clip(tmp_path / "clip.mkv", **{"size": (48, 32), "frames": 2, "smooth": True, **recipe}))
    return FrameSource(info, scan_of(info))


LAYOUTS = ["yuv420p", "yuv422p10le", "yuv444p", "yuv411p", "gray", "gray16le", "bgr0", "yuva420p"]


@pytest.mark.parametrize("pix_fmt", LAYOUTS)
@pytest.mark.parametrize("rotation", [0, 90])
def test_pictures_given_back_as_they_were_are_the_frame_again(tmp_path: Path, pix_fmt: str, rotation: int) -> None:
    """To RGB and back at the same size: chroma lies where it lay, nothing is turned or shifted."""
    frames = opened(tmp_path, pix_fmt=pix_fmt, rotation=rotation)
    native = next(frames.native(0, 1))
    out = output_info(frames.info, picture_size(frames.info, frames.scan))
    assert out == frames.info
    planes = whole_frame(list(frames.rgb(0, 1)), native, frames, out)
    step = 1 << (picture_format(pix_fmt).depth - 8)
    for mine, theirs in zip(planes, native.planes, strict=True):
        assert mine.dtype == theirs.dtype and mine.shape == theirs.shape
        assert np.abs(mine.astype(float) - theirs).mean() < 2.5 * step


@pytest.mark.parametrize("recipe", [{}, {"rotation": 270}, {"pix_fmt": "yuv444p"}, {"pix_fmt": "yuv422p10le"}])
def test_an_enlarged_frame_shrinks_back_in_place(tmp_path: Path, recipe: dict[str, Any]) -> None:
    """Half a pixel of shift, in luma or chroma, would cost far more than the rounding."""
    frames = opened(tmp_path, **recipe)
    rgb = frames.rgb(0, 1)
    large = nn_functional.interpolate(rgb, scale_factor=2, mode="bicubic", align_corners=False)
    out = output_info(frames.info, (large.shape[-2], large.shape[-1]))
    made = NativeFrame(whole_frame([large[0]], next(frames.native(0, 1)), frames, out), 0, 1, 0)
    back = torch.from_numpy(frames.turn.upright(to_rgb(made, out)).copy())[None]
    small = nn_functional.avg_pool2d(back, 2)
    inner = (..., slice(2, -2), slice(2, -2))
    error = float((small - rgb)[inner].abs().mean())
    for shifted in (small.roll(1, -1), small.roll(1, -2)):
        assert error < 0.5 * float((shifted - rgb)[inner].abs().mean())


def test_fields_are_woven_from_their_own_pictures(tmp_path: Path) -> None:
    frames = opened(tmp_path, interlaced="bff")
    assert picture_size(frames.info, frames.scan) == (16, 48)
    out = output_info(frames.info, (32, 96), frames.scan)
    assert (out.width, out.height) == (96, 64)
    first, second = torch.zeros(3, 32, 96), torch.ones(3, 32, 96)
    luma = whole_frame([first, second], next(frames.native(0, 1)), frames, out)[0]
    assert (luma[1::2] == 16).all() and (luma[0::2] == 235).all()  # the bottom field comes first
    with pytest.raises(ValueError, match="2 pictures"):
        whole_frame([first], next(frames.native(0, 1)), frames, out)


def test_range_and_depth_are_the_clips_own(tmp_path: Path) -> None:
    white = torch.full((3, 32, 48), 1.5)  # clipped
    for pix_fmt, full, top in (("yuv420p", True, 255), ("yuv420p", False, 235), ("yuv420p10le", False, 940)):
        frames = opened(tmp_path, pix_fmt=pix_fmt, color=ColorTags(full_range=full))
        assert (whole_frame([white], next(frames.native(0, 1)), frames, frames.info)[0] == top).all()


def test_alpha_is_carried_and_resized(tmp_path: Path) -> None:
    frames = opened(tmp_path, pix_fmt="yuva444p")
    native = next(frames.native(0, 1))
    alpha = np.zeros((32, 48), np.uint8)
    alpha[:, 24:] = 255
    native = replace(native, planes=(*native.planes[:3], alpha))
    same = whole_frame([frames.rgb(0, 1)[0]], native, frames, frames.info)[3]
    assert np.array_equal(same, alpha)
    out = output_info(frames.info, (64, 96))
    large = whole_frame([torch.zeros(3, 64, 96)], native, frames, out)[3]
    assert large.shape == (64, 96) and (large[:, :44] == 0).all() and (large[:, 52:] == 255).all()
    assert abs(float(large.mean()) - float(alpha.mean())) < 1
    tiny = whole_frame([torch.zeros(3, 1, 1)], native, frames, output_info(frames.info, (1, 1)))[3]
    assert tiny.shape == (1, 1) and 126 <= int(tiny[0, 0]) <= 129


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    frames = opened(tmp_path)
    native = next(frames.native(0, 1))
    with pytest.raises(ValueError, match="not of NaN"):
        whole_frame([torch.full((3, 32, 48), float("nan"))], native, frames, frames.info)
    with pytest.raises(ValueError, match="as it is stored"):
        whole_frame([torch.zeros(3, 33, 48)], native, frames, frames.info)


def info(width: int = 100, height: int = 50, **changes: Any) -> ClipInfo:
    known = ClipInfo(Path("a.mkv"), width, height, "yuv420p", Fraction(1, 24), Fraction(24), 5, 1.0)
    return replace(known, **changes)


def test_an_odd_size_is_kept_to_the_pixel() -> None:
    assert output_info(info(), (75, 151)) == info(151, 75)
    assert output_info(info(rotation=90), (151, 75)) == info(151, 75, rotation=90)
    shapes = [plane_shape(p, 151, 75) for p in picture_format("yuv420p").planes]
    assert shapes == [(75, 151), (38, 76), (38, 76)] and sample_dtype(picture_format("yuv420p")) == np.uint8


@pytest.mark.parametrize(
    ("size", "expected"),
    [((0, 10), "at least one pixel"), ((40_000, 4), "32768 pixels a side"), ((400, 800), "at most 300000 pixels")],
)
def test_a_size_that_cannot_be_is_refused_in_one_line_each(size: tuple[int, int], expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        output_info(info(policy=ReadPolicy(max_pixels=300_000)), size)
    assert expected in caught.value.expected and caught.value.where == "upscale.scale"
    assert f"{size[1]}x{size[0]} from a.mkv" in caught.value.got


def test_layers_are_upright_and_of_all_16_bits(tmp_path: Path) -> None:
    frames = opened(tmp_path, rotation=90)
    ramp = torch.linspace(-0.5, 1.5, 48)[None, :, None].expand(1, 48, 32)
    layer = layer_frame([ramp], frames)
    assert layer.shape == (1, 48, 32) and layer.dtype == np.uint16
    assert layer[0, 0, 0] == 0 and layer[0, -1, 0] == 65535 and (np.diff(layer[0, :, 5].astype(int)) >= 0).all()


def test_a_pipeline_tells_what_it_writes(tmp_path: Path) -> None:
    source = probe(media_made.clip(tmp_path / "clip.mkv", size=(48, 32), frames=2, rotation=90))
    sets = ("upscale.method=bicubic", "upscale.scale=[2, 1.5]")
    made = written(load_pipeline("upscale", sets).stages, source)
    assert (made.width, made.height) == (96, 48)  # rows and columns are upright, the frame is stored on its side
    assert written(load_pipeline("inpaint").stages, source) is source
