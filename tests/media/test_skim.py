"""One pass through a clip gives the frames it says, whole and in pieces."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests import media_made
from vidinternal.core.errors import MediaError
from vidinternal.media import skim as skimming
from vidinternal.media.color import to_rgb
from vidinternal.media.decode import ClipReader
from vidinternal.media.orientation import orientation
from vidinternal.media.probe import frame_pts, probe
from vidinternal.media.sample import sample_frames
from vidinternal.media.skim import cropped, pieces, skim

CLIPS = ("vfr", "b_frames", "negative_start", "ten_bit", "yuv444", "gray", "rgb", "odd_size", "one_frame", "two_frames")
CLIPS += ("cut", "rotated", "wide_pixels")


def smooth(name: str, folder: Path) -> Path:
    recipe = media_made.RECIPES[name]
    assert isinstance(recipe, media_made.Recipe)
    return media_made.make(replace(recipe, smooth=True), folder)


@pytest.mark.parametrize("step", [1, 4])
@pytest.mark.parametrize("name", CLIPS)
def test_looks_are_the_frames_they_say(name: str, step: int, tmp_path: Path) -> None:
    info = probe(smooth(name, tmp_path))
    count = len(frame_pts(info))
    looks = list(skim(info, step, 24))
    indices = [index for index, _ in looks]
    assert indices == sorted(set(indices))
    assert indices[0] == 0
    assert all(b - a <= 2 * step + 2 for a, b in zip(indices, [*indices[1:], count], strict=True))
    if step == 1:
        assert indices == list(range(count))
    wanted = sample_frames(info, indices, 24).frames
    assert np.abs(np.stack([p for _, p in looks]).astype(int) - wanted).mean() < 4


def test_a_decoder_that_leaves_out_too_many_is_made_to_decode_all(tmp_path: Path) -> None:
    info = probe(smooth("b_frames", tmp_path))
    indices = [index for index, _ in skim(info, 3, 24)]
    assert max(np.diff(indices)) <= 8
    assert len(indices) >= len(frame_pts(info)) // 8


def test_times_that_the_table_does_not_know_are_left_to_the_strict_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = probe(smooth("b_frames", tmp_path))
    table = skimming.time_table(info)
    moved = (*table.pts[:9], *(t + 1 for t in table.pts[9:]))
    monkeypatch.setattr(skimming, "time_table", lambda _info: replace(table, pts=moved))
    indices = [index for index, _ in skim(info, 2, 24)]
    assert indices[:4] == [0, 2, 4, 6]
    assert indices[-1] >= 28


def test_a_file_that_ends_early_is_told(tmp_path: Path) -> None:
    path = smooth("b_frames", tmp_path)
    info = probe(path)
    data = path.read_bytes()
    frame_pts(info)
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(MediaError):
        list(skim(info, 1, 24))


@pytest.mark.parametrize("name", CLIPS)
def test_pieces_are_cut_from_the_frames_asked_for(name: str, tmp_path: Path) -> None:
    info = probe(smooth(name, tmp_path))
    turn, count = orientation(info), len(frame_pts(info))
    truth = [turn.upright(to_rgb(f, info)).transpose(1, 2, 0) * 255 for f in ClipReader(info).frames()]
    boxes = [(3, 20, 5, 30), (0, 11, 0, 13)]
    wanted = {count - 1: boxes, 0: boxes[:1], count // 2: boxes}
    found = dict(pieces(info, wanted))
    assert list(found) == sorted(wanted)
    for index, parts in found.items():
        for (y0, y1, x0, x1), part in zip(wanted[index], parts, strict=True):
            assert part.dtype == np.uint8
            assert part.shape == (y1 - y0, x1 - x0, 3)
            assert np.abs(part - truth[index][y0:y1, x0:x1]).mean() < 6


@pytest.mark.parametrize("name", ["b_frames", "yuv444", "odd_size", "ten_bit", "gray"])
def test_a_crop_has_the_colours_of_the_whole(name: str, tmp_path: Path) -> None:
    info = probe(smooth(name, tmp_path))
    native = next(iter(ClipReader(info).frames(0, 1)))
    whole = to_rgb(native, info)
    high, wide = whole.shape[1:]
    for y0, y1, x0, x1 in ((0, 9, 0, 9), (high - 7, high, wide - 9, wide), (5, 18, 3, 22), (0, high, 0, wide)):
        part, (top, left) = cropped(native, info, (y0, y1, x0, x1))
        own = to_rgb(part, info)[:, top : top + y1 - y0, left : left + x1 - x0]
        assert np.allclose(own, whole[:, y0:y1, x0:x1], atol=1e-5)
