"""``vidinternal verify``: a table or JSON, and an exit code that can be relied on."""

import json
from fractions import Fraction
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests import media_made
from vidinternal.cli.main import app
from vidinternal.core.errors import UserError
from vidinternal.media.decode import ClipReader
from vidinternal.media.picture import NativeFrame
from vidinternal.media.probe import probe

REGION = "20,12,16,10"


def verify(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["verify", *map(str, arguments)])


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """A source, and a result whose samples differ under ``REGION`` and two pixels around it."""
    source = media_made.clip(tmp_path / "clip.mkv", frames=4, audio_tracks=1)
    frames: list[NativeFrame] = []
    for native in ClipReader(probe(source)).frames():
        planes = [p.copy() for p in native.planes]
        planes[0][10:24, 18:38] ^= 1
        frames.append(NativeFrame(tuple(planes), native.pts, native.duration, native.index))
    times = [f.pts for f in frames]
    recipe = media_made.Recipe("result.mkv", frames=4, audio_tracks=1, pts=times, time_base=Fraction(1, 1000))
    return media_made.make(recipe, tmp_path, frames), source


def test_nothing_may_change_where_no_mask_was_named(pair: tuple[Path, Path]) -> None:
    done = verify(*pair)
    assert done.exit_code == 1
    assert "MISMATCH" in done.output
    assert "FAILED" in done.output
    assert verify(pair[1], pair[1]).exit_code == 0


def test_the_mask_is_what_is_named_and_grown(pair: tuple[Path, Path], tmp_path: Path) -> None:
    assert verify(*pair, "--region", REGION).exit_code == 1
    done = verify(*pair, "--region", REGION, "--dilate", "3")
    assert done.exit_code == 0, done.output
    assert "verified: 4 frames, every time equal, 1 audio track packet for packet, 0 samples changed" in done.output
    timed = verify(*pair, "--region", f"{REGION}@0-3", "--dilate", "3", "--json")
    assert timed.exit_code == 1
    assert json.loads(timed.output)["outside"]["worst_frame"] == 3
    white = media_made.clip(tmp_path / "white.mkv", frames=4, pix_fmt="gray")
    media_made.rewrite(probe(white), tmp_path / "mask.mkv", lambda plane, *_: plane * 0 + 255)
    assert verify(*pair, "--mask", tmp_path / "mask.mkv").exit_code == 0


def test_least_psnr_and_lossless_set_the_limit(pair: tuple[Path, Path]) -> None:
    assert verify(*pair, "--least-psnr", "45").exit_code == 0
    assert verify(*pair, "--lossless", "--json").exit_code == 1
    both = verify(*pair, "--lossless", "--least-psnr", "45")
    assert isinstance(both.exception, UserError)
    assert both.exception.exit_code == 2


def test_what_cannot_be_checked_is_said(pair: tuple[Path, Path], tmp_path: Path) -> None:
    assert verify(tmp_path / "none.mkv", pair[1]).exit_code == 2
    outside = verify(*pair, "--region", "60,40,50,50")
    assert isinstance(outside.exception, UserError)
    assert outside.exception.exit_code == 2
    broken = tmp_path / "broken.mkv"
    broken.write_text("no film")
    unreadable = verify(broken, pair[1])
    assert isinstance(unreadable.exception, UserError)
    assert unreadable.exception.exit_code == 1
