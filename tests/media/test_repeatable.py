"""The same pictures make the same bytes: in any process, on memory that holds anything, on any number of cores."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import media_made

_ENCODE = """
import hashlib, os, sys
from pathlib import Path

if sys.argv[1] == "1" and hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

import numpy as np
from vidinternal.media.codecs import EncodeSettings
from vidinternal.media.decode import ClipReader
from vidinternal.media.encode import encode
from vidinternal.media.probe import probe

random = np.random.default_rng(int(sys.argv[1]))


def frames(info):
    for native in ClipReader(info).frames():
        litter = [random.integers(0, 256, random.integers(64, 200_000), dtype=np.uint8) for _ in range(20)]
        del litter
        yield native


for codec, suffix, *source in (line.split() for line in sys.argv[3:]):
    info, result = probe(Path(source[0])), Path(sys.argv[2] + suffix)
    encode(info, frames(info), result, EncodeSettings(codec=codec))
    print(codec, suffix, hashlib.sha256(result.read_bytes()).hexdigest())
"""
_CASES = {
    "x264": ["h264 .mp4 whole", "h264 .ts tall", "h264 .mkv odd"],
    "others": ["hevc .mp4 whole", "mpeg2video .ts whole", "prores .mov odd", "ffv1 .mkv odd"],
    "av1 and vp9": ["av1 .mp4 whole", "vp9 .webm odd"],
}


def made(number: int, cases: list[str], folder: Path) -> str:
    """What a fresh process wrote, one digest a line; the memory that it is given is filled with another byte each."""
    environment = {**os.environ, "MALLOC_PERTURB_": str(1 + 83 * number)}
    done = subprocess.run(
        [sys.executable, "-c", _ENCODE, str(number), str(folder / f"result{number}"), *cases],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.mark.parametrize("name", _CASES)
def test_the_same_pictures_make_the_same_bytes_in_every_process(name: str, tmp_path: Path) -> None:
    deep = "yuv422p10le" if name == "others" else "yuv420p"
    sources = {
        "whole": media_made.clip(tmp_path / "whole.mkv", size=(160, 96), frames=24),
        "tall": media_made.clip(tmp_path / "tall.mkv", size=(160, 256), frames=24),
        "odd": media_made.clip(tmp_path / "odd.mkv", size=(66, 50), frames=8, pix_fmt=deep),
    }
    cases = [f"{codec} {suffix} {sources[kind]}" for codec, suffix, kind in map(str.split, _CASES[name])]
    found = [made(number, cases, tmp_path) for number in range(3)]
    assert found[0].count("\n") == len(cases)
    assert found[0] == found[1] == found[2]
