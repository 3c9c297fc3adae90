"""Images and animations through the whole command, in and out."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from tests.media.stills.stills_made import HEIGHT, WIDTH, frames_of, write_animation, write_gif, write_sequence
from vidinternal.cli.main import app
from vidinternal.core.errors import UserError
from vidinternal.media.picture import picture_format
from vidinternal.media.probe import probe
from vidinternal.media.stills.animation import animation

HOLE = (slice(10, 20), slice(12, 26))
REGION = "12,10,14,10@1-3"  # frames 1 and 2


def run(*arguments: str | Path, code: int = 0) -> str:
    done = CliRunner().invoke(app, ["run", "inpaint", *map(str, arguments), "--set", "inpaint.method=telea"])
    if isinstance(done.exception, UserError):  # what main() turns into a message and an exit code
        assert done.exception.exit_code == code, done.exception.message
        return done.exception.message
    assert done.exit_code == code, done.output
    return done.output


def row(*arguments: str | Path) -> dict[str, Any]:
    return json.loads(run(*arguments, "--json"))[0]


def check_outside(source: Path, result: Path) -> None:
    """No sample outside the hole changed, alpha nowhere, and the hole did where it should."""
    before, after = frames_of(source), frames_of(result)
    roles = [p.role for p in picture_format(probe(source).pix_fmt).planes]
    assert probe(source).pix_fmt == probe(result).pix_fmt and len(before) == len(after) == 4
    for one, other in zip(before, after, strict=True):
        for role, mine, theirs in zip(roles, one.planes, other.planes, strict=True):
            hole = np.zeros(mine.shape, bool)
            hole[HOLE] = one.index in (1, 2) and role != "a"
            assert np.array_equal(mine[~hole], theirs[~hole])
        assert (one.index in (1, 2)) == any((a != b).any() for a, b in zip(one.planes, other.planes, strict=True))


@pytest.mark.parametrize("name", ["a.gif", "clear.gif", "a.apng", "a.webp", "a.png"])
def test_an_animation_keeps_its_times_loops_and_every_sample_outside(tmp_path: Path, name: str) -> None:
    source, result = tmp_path / name, tmp_path / "out" / name
    options = {"duration": [100, 30, 50, 40], "loop": 3}
    if source.suffix == ".gif":
        write_gif(source, name == "clear.gif")
    elif source.suffix == ".webp":
        write_animation(source, True, lossless=True, exact=True, **options)
    else:
        write_animation(source, True, **options)
    done = row(source, "-o", result, "--region", REGION)
    check_outside(source, result)
    before, after = animation(source), animation(result)
    assert (before.durations, before.plays, before.time_base) == (after.durations, after.plays, after.time_base)
    record = json.loads(Path(done["record"]).read_text())
    assert record["output"]["verification"]["line"] == "4 frames, 0 samples changed outside the mask"


def test_a_folder_of_png_by_a_folder_of_masks_resumed_and_made_again(tmp_path: Path) -> None:
    source, masks, result = write_sequence(tmp_path / "in"), tmp_path / "masks", tmp_path / "out"
    masks.mkdir()
    for index in range(4):
        drawn = np.zeros((HEIGHT, WIDTH), np.uint8)
        drawn[HOLE] = 255 * (index in (1, 2))
        Image.fromarray(drawn).save(masks / f"m{index}.png")
    command = (source, "-o", result, "--mask", masks, "--set", "decode.fps=24000/1001")
    assert "4 frames in 1 shot" in run(*command, "--dry-run") and not result.exists()
    done = row(*command)
    check_outside(source, result)
    assert "2 of 4 images are copied byte for byte, 2 are written anew" in done["notes"]
    assert not any("carry no times" in note for note in done["notes"])
    for name, same in (("001.png", True), ("002.png", False), ("003.png", False), ("004.png", True)):
        assert ((source / name).read_bytes() == (result / name).read_bytes()) == same
    assert row(*command)["status"] == "already done"
    (result / "003.png").unlink()
    assert row(*command)["status"] == "done"
    check_outside(source, result)
    Image.new("RGB", (WIDTH, HEIGHT)).save(source / "004.png")
    assert row(*command)["status"] == "done"
    check_outside(source, result)


def test_a_folder_of_jpeg_and_a_pattern(tmp_path: Path) -> None:
    source = write_sequence(tmp_path / "in", name="{:04d}.jpg", quality=88)
    pattern = tmp_path / "out" / "clean_%03d.jpg"
    done = row(source / "%04d.jpg", "-o", pattern, "--region", REGION)
    assert [p.name for p in sorted(pattern.parent.iterdir())] == [f"clean_{k:03d}.jpg" for k in range(1, 5)]
    for k in (1, 4):
        assert (source / f"{k:04d}.jpg").read_bytes() == (pattern.parent / f"clean_{k:03d}.jpg").read_bytes()
    assert any("25 frames per second are taken" in note for note in done["notes"])
    assert row(source / "%04d.jpg", "-o", pattern, "--region", REGION)["status"] == "already done"
    run(source, "-o", tmp_path / "png" / "%d.png", "--region", REGION)
    assert len(frames_of(tmp_path / "png")) == 4


def test_images_to_a_film_at_the_rate_asked_for_and_back(tmp_path: Path) -> None:
    source, film = write_sequence(tmp_path / "in"), tmp_path / "film.mkv"
    run(source, "-o", film, "--region", REGION, "--set", "decode.fps=24", "--set", "encode.codec=ffv1")
    assert probe(film).rate == 24 and len(frames_of(film)) == 4
    run(film, "-o", tmp_path / "back" / "%04d.png", "--region", REGION)
    assert len(frames_of(tmp_path / "back")) == 4


def test_what_is_wrong_is_said_in_a_few_lines(tmp_path: Path) -> None:
    source = write_sequence(tmp_path / "in", 6)
    (source / "003.png").unlink()
    (source / "004.png").unlink()
    told = run(source, "-o", tmp_path / "out", "--region", REGION, code=1)
    assert "an image for every number from 1 to 6" in told and "2 missing: 3, 4" in told
    gif = write_gif(tmp_path / "a.gif", False)
    told = run(gif, "-o", tmp_path / "b.gif", "--region", REGION, "--set", "decode.fps=12", code=2)
    assert "decode.fps" in told and "times of their own" in told
    told = run(gif, "-o", tmp_path / "b.gif", "--region", REGION, "--set", "decode.fps=fast", code=2)
    assert "30000/1001" in told
    assert not (tmp_path / "out").exists() and not (tmp_path / "b.gif").exists()
