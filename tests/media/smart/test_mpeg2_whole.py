"""MPEG-2, whose encoder counts pictures in place of times, still writes every picture at its time."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from tests import media_made
from tests.media.smart.smart_made import decoded
from vidinternal.core.errors import MediaError
from vidinternal.media.codecs import EncodeSettings
from vidinternal.media.decode import ClipReader
from vidinternal.media.encode import encode
from vidinternal.media.probe import probe


@pytest.mark.parametrize(
    ("suffix", "recipe"),
    [
        (".mkv", {}),
        (".mp4", {"pts": range(1001, 13013, 1001), "time_base": Fraction(1, 24000), "codec": "libx264"}),
        (".ts", {"pts": range(-7500, 37500, 3750), "time_base": Fraction(1, 90000), "codec": "libx264"}),
        (".mkv", {"frames": 1}),
        (".mkv", {"pix_fmt": "yuv422p", "interlaced": "tff"}),
        (".ts", {"size": (64, 36), "sar": Fraction(1), "codec": "libx264"}),
    ],
)
def test_every_picture_keeps_its_time(suffix: str, recipe: dict[str, Any], tmp_path: Path) -> None:
    info = probe(media_made.clip(tmp_path / f"clip{suffix}", **recipe))
    settings = EncodeSettings(codec="mpeg2video")
    report = encode(info, ClipReader(info).frames(), tmp_path / f"result{suffix}", settings)
    assert sorted(decoded(report.path)) == sorted(decoded(info.path))
    assert report.crf is None


def test_a_rate_that_mpeg2_does_not_know_is_refused(tmp_path: Path) -> None:
    info = probe(media_made.clip(tmp_path / "clip.mkv", rate=Fraction(17)))
    with pytest.raises(MediaError, match="mpeg2video"):
        encode(info, ClipReader(info).frames(), tmp_path / "result.mkv", EncodeSettings(codec="mpeg2video"))
