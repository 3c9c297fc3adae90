"""What a job will cost counts everything that writing may do."""

from pathlib import Path
from typing import get_args

import pytest

from tests import media_made
from vidinternal.media.codecs import CodecName
from vidinternal.media.probe import probe
from vidinternal.runner.estimate import WRITING_SECONDS_PER_MEGAPIXEL, output_bytes, writing_seconds
from vidinternal.runner.spec import load_pipeline


def seconds(path: Path, *sets: str, frames: int = 500) -> float:
    return writing_seconds(probe(path), frames, load_pipeline("inpaint", sets))


def test_every_codec_has_a_rate() -> None:
    assert set(WRITING_SECONDS_PER_MEGAPIXEL) == set(get_args(CodecName))


def test_a_quality_to_be_found_costs_trials_and_maybe_a_second_encode(tmp_path: Path) -> None:
    path = media_made.clip(tmp_path / "clip.mkv", codec="libx264")
    given, found = seconds(path, "encode.crf=20"), seconds(path)
    assert found > 2 * given - 0.5
    assert seconds(path, "encode.lossless=true") == given
    assert found < seconds(path, frames=1000)


@pytest.mark.parametrize(("encoder", "codec"), [("libx264", "h264"), ("libx265", "hevc"), ("ffv1", "ffv1")])
def test_without_a_codec_the_sources_own_is_counted(encoder: str, codec: str, tmp_path: Path) -> None:
    path = media_made.clip(tmp_path / "clip.mkv", codec=encoder, options=media_made.SILENT.get(encoder, {}))
    assert seconds(path) == seconds(path, f"encode.codec={codec}")
    own, named = (load_pipeline("inpaint", sets) for sets in ((), (f"encode.codec={codec}",)))
    assert output_bytes(probe(path), own) == output_bytes(probe(path), named)
