"""Pipelines that make every picture anew, on the command line: what is printed, refused, and with which exit code."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from tests import media_made
from vidinternal.cli.main import app
from vidinternal.core.errors import UserError
from vidinternal.core.imaging import IMAGE_TASKS

BICUBIC = ("--set", "upscale.method=bicubic")


def call(*arguments: str | Path, code: int = 0) -> str:
    done = CliRunner().invoke(app, list(map(str, arguments)))
    if isinstance(done.exception, UserError):  # what main() turns into a message and an exit code
        assert done.exception.exit_code == code, done.exception.message
        return done.exception.message
    assert done.exit_code == code, done.output
    return done.output


@pytest.mark.parametrize("task", IMAGE_TASKS)
def test_every_task_has_a_pipeline_that_holds_together(task: str) -> None:
    assert f"{task}: fine (decode -> shots -> {task} -> encode)" in call("check", task)
    rows = json.loads(call("pipelines", "--json"))
    assert next(r for r in rows if r["name"] == task)["settings"]["shots"]["overlap"] == 0


def test_a_mask_that_is_made_is_written_without_loss() -> None:
    rows = json.loads(call("pipelines", "--json"))
    assert next(r for r in rows if r["name"] == "segment")["settings"]["encode"]["lossless"] is True


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "P", "1", "I;16"])
def test_every_kind_of_image_is_enlarged(tmp_path: Path, mode: str) -> None:
    grey = (np.add.outer(np.arange(9), np.arange(13)) * 11).astype(np.uint8)
    image = Image.fromarray(grey.astype(np.uint16) * 257) if mode == "I;16" else Image.fromarray(grey).convert(mode)
    (image.quantize(4) if mode == "P" else image).save(tmp_path / "a.png")
    text = call("run", "upscale", tmp_path / "a.png", "-o", tmp_path / "b.png", *BICUBIC)
    assert "done" in text and "every sample as it was made" in text
    with Image.open(tmp_path / "b.png") as made:
        assert made.size == (26, 18)
        assert made.mode == {"P": "RGB", "1": "L"}.get(mode, mode)


def test_one_pixel_is_enlarged(tmp_path: Path) -> None:
    Image.new("RGB", (1, 1), (200, 30, 4)).save(tmp_path / "a.png")
    call("run", "upscale", tmp_path / "a.png", "-o", tmp_path / "b.png", *BICUBIC)
    with Image.open(tmp_path / "b.png") as made:
        assert np.array_equal(np.asarray(made), np.full((2, 2, 3), (200, 30, 4), np.uint8))


def test_cmyk_is_refused_and_what_to_do_is_said(tmp_path: Path) -> None:
    Image.new("CMYK", (8, 8)).save(tmp_path / "a.jpg")
    text = call("run", "upscale", tmp_path / "a.jpg", "-o", tmp_path / "b.png", *BICUBIC, code=1)
    assert "CMYK" in text and "try:" in text
    assert not (tmp_path / "b.png").exists()


@pytest.mark.parametrize("scale", ["0.5", "0", "-2", ".nan", ".inf", "1000", "[2]", "two"])
def test_a_scale_that_is_none_is_refused_before_the_clip_is_opened(tmp_path: Path, scale: str) -> None:
    asked = (*BICUBIC, "--set", f"upscale.scale={scale}")
    text = call("run", "upscale", tmp_path / "none.mkv", "-o", tmp_path / "b.mkv", *asked, code=2)
    assert "scale" in text and "none.mkv" not in text


def test_two_stages_that_make_pictures_anew_are_a_finding(tmp_path: Path) -> None:
    text = "version: 1\nname: both\nstages: [{stage: decode}, {stage: shots}, {stage: upscale, method: bicubic}, "
    (tmp_path / "both.yaml").write_text(text + "{stage: dehaze, method: dark_channel}, {stage: encode}]\n")
    assert "writes" in call("check", tmp_path / "both.yaml", code=2)


def test_a_result_elsewhere_is_verified_with_a_word_and_not_without(tmp_path: Path) -> None:
    clip = media_made.clip(tmp_path / "clip.mkv", size=(32, 24), frames=4, codec="libx264")
    made, lone = tmp_path / "out" / "big.mkv", tmp_path / "lone.mkv"
    call("run", "upscale", clip, "-o", made, *BICUBIC)
    assert "against the pictures made" in call("verify", made, clip)
    shutil.copyfile(made, lone)
    assert "verify --remade" in call("verify", lone, clip, code=1)
    assert json.loads(call("verify", lone, clip, "--remade", "--json"))["ok"]
    assert "--remade" in call("compare", lone, clip, code=2)
