"""Beside a mask the luma stays, and no chroma sample that is partly under it is looked at."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests import media_made
from vidinternal.core.clip import ClipInfo
from vidinternal.media.chroma_beside import chroma_beside
from vidinternal.media.color import to_rgb
from vidinternal.media.composite import touched
from vidinternal.media.picture import NativeFrame, picture_format, plane_shape
from vidinternal.media.probe import probe

SIZE = (48, 32)


def info(tmp_path: Path, pix_fmt: str) -> ClipInfo:
    return probe(media_made.clip(tmp_path / "clip.mkv", size=SIZE, frames=1, pix_fmt=pix_fmt))


def picture(pix_fmt: str, slope: float = 0.3) -> NativeFrame:
    """Luma of coarse blobs; chroma a line of it."""
    fmt = picture_format(pix_fmt)
    top = 2**fmt.depth - 1
    soft = media_made.texture(0, smooth=True)[: SIZE[1], : SIZE[0]]
    planes = []
    for layout in fmt.planes:
        rows, columns = plane_shape(layout, *SIZE)
        at = soft[:: 1 << layout.y_shift, :: 1 << layout.x_shift][:rows, :columns]
        value = 0.2 + 0.6 * at if layout.role == "y" else 0.5 + slope * (at - 0.5)
        planes.append((value * top).astype(np.uint8 if fmt.depth == 8 else np.uint16))
    return NativeFrame(tuple(planes), 0, 1, 0)


def letters() -> np.ndarray:
    mask = np.zeros(SIZE[::-1], bool)
    mask[9:21, 7:40:5] = True
    return mask


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p", "yuv411p", "yuv420p10le"])
def test_what_is_under_the_mask_is_not_seen_beside_it(pix_fmt: str, tmp_path: Path) -> None:
    clip, mask, made = info(tmp_path, pix_fmt), letters(), []
    fmt = picture_format(pix_fmt)
    for seed in (0, 1):
        random = np.random.default_rng(seed)
        planes = []
        for plane, hidden in zip(picture(pix_fmt).planes, touched(mask, fmt), strict=True):
            noise = random.integers(0, 2**fmt.depth, plane.shape).astype(plane.dtype)
            planes.append(np.where(hidden, noise, plane))
        made.append(to_rgb(chroma_beside(NativeFrame(tuple(planes), 0, 1, 0), mask, clip), clip))
    assert np.array_equal(made[0][:, ~mask], made[1][:, ~mask])


def test_luma_and_all_other_samples_stay(tmp_path: Path) -> None:
    frame, mask = picture("yuv420p"), letters()
    made = chroma_beside(frame, mask, info(tmp_path, "yuv420p"))
    hidden = touched(mask, picture_format("yuv420p"))
    assert np.array_equal(made.planes[0], frame.planes[0])
    for k in (1, 2):
        assert np.array_equal(made.planes[k][~hidden[k]], frame.planes[k][~hidden[k]])


def test_chroma_that_goes_with_luma_is_told_by_it(tmp_path: Path) -> None:
    frame, mask = picture("yuv420p"), letters()
    spoilt = replace(
        frame,
        planes=tuple(
            np.where(h, 16, p).astype(np.uint8)
            for p, h in zip(frame.planes, touched(mask, picture_format("yuv420p")), strict=True)
        ),
    )
    # luma beside the mask is known: only what lies under it was spoilt there
    spoilt = replace(spoilt, planes=(np.where(mask, 16, frame.planes[0]).astype(np.uint8), *spoilt.planes[1:]))
    made = chroma_beside(spoilt, mask, info(tmp_path, "yuv420p"))
    hidden = touched(mask, picture_format("yuv420p"))[1]
    off = np.abs(made.planes[1].astype(int) - frame.planes[1])[hidden]
    flat = np.abs(frame.planes[1][hidden].astype(int) - int(np.median(frame.planes[1])))
    assert off.mean() < 0.35 * flat.mean()


def test_full_chroma_and_nothing_masked_are_left_as_they_are(tmp_path: Path) -> None:
    frame = picture("yuv444p")
    assert chroma_beside(frame, letters(), info(tmp_path, "yuv444p")) is frame
    frame = picture("yuv420p")
    assert chroma_beside(frame, np.zeros(SIZE[::-1], bool), info(tmp_path, "yuv420p")) is frame


def test_where_nothing_is_known_chroma_is_grey(tmp_path: Path) -> None:
    made = chroma_beside(picture("yuv420p"), np.ones(SIZE[::-1], bool), info(tmp_path, "yuv420p"))
    assert (made.planes[1] == 128).all() and (made.planes[2] == 128).all()
