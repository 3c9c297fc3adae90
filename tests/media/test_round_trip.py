"""From planes to planes through composite, patch and a lossless file: every sample the mask does not touch, every bit.

``VIDINTERNAL_CASES=50 pytest tests/media/test_round_trip.py -k every_format`` tries more sizes and masks.
"""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests import media_made
from tests.media.test_fields import noise
from vidinternal.core.clip import ClipInfo
from vidinternal.media.codecs import EncodeSettings
from vidinternal.media.decode import ClipReader
from vidinternal.media.encode import encode
from vidinternal.media.fields import Scan, touched_samples
from vidinternal.media.fit_planes import fit_planes
from vidinternal.media.orientation import shown_size
from vidinternal.media.picture import _TABLE, NativeFrame, picture_format
from vidinternal.media.probe import probe
from vidinternal.stages.artifacts import Patches
from vidinternal.stages.composite import patch
from vidinternal.stages.decode import FrameSource
from vidinternal.stages.encode import lay_over

FORMATS = tuple(_TABLE)
CASES = int(os.environ.get("VIDINTERNAL_CASES", "2"))
LEAST = 1
SCANS: tuple[Scan, ...] = ("progressive", "tff", "bff")
FFV1 = EncodeSettings(codec="ffv1")


@pytest.fixture(scope="module")
def one_frame(tmp_path_factory: pytest.TempPathFactory) -> ClipInfo:
    return probe(media_made.clip(tmp_path_factory.mktemp("round") / "source.mkv", frames=1, size=(16, 16)))


def some_mask(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """A rectangle, scattered pixels, nothing or everything."""
    mask = np.zeros((height, width), dtype=bool)
    kind = rng.integers(6)
    if kind < 3:
        y, x = rng.integers(height), rng.integers(width)
        mask[y : y + 1 + rng.integers(height), x : x + 1 + rng.integers(width)] = True
    elif kind < 5:
        mask = rng.random((height, width)) < (0.02, 0.5)[kind - 3]
    else:
        mask[:] = rng.random() < 0.5
    return mask


@pytest.mark.parametrize("pix_fmt", FORMATS)
def test_every_format_keeps_every_untouched_sample(pix_fmt: str, one_frame: ClipInfo, tmp_path: Path) -> None:
    for case in range(CASES):
        rng = np.random.default_rng([case, *pix_fmt.encode()])
        there_and_back(pix_fmt, one_frame, tmp_path / f"{case}.mkv", rng)


def there_and_back(pix_fmt: str, one_frame: ClipInfo, path: Path, rng: np.random.Generator) -> None:
    """One picture of a random size, way of scanning, turn and mask."""
    size = int(rng.integers(LEAST, 41)), int(rng.integers(LEAST, 41))
    scan: Scan = SCANS[rng.integers(3)]
    fmt = picture_format(pix_fmt)
    if scan != "progressive":
        lines = 2 << max(p.y_shift for p in fmt.planes)
        size = (size[0], -(-size[1] // lines) * lines)
    info = replace(
        one_frame,
        width=size[0],
        height=size[1],
        pix_fmt=pix_fmt,
        rotation=90 * int(rng.integers(4)),
        mirrored=bool(rng.integers(2)),
    )
    native = replace(noise(pix_fmt, size, int(rng.integers(2**31))), pts=0, index=0)
    mask = some_mask(rng, *shown_size(info))
    changed = filled(info, scan, native, mask, rng)
    stored = np.rot90(mask, info.rotation // 90)
    where = touched_samples(stored[:, ::-1] if info.mirrored else stored, fmt, scan)
    for old, new, here in zip(native.planes, changed.planes, where, strict=True):
        np.testing.assert_array_equal(old[~here], new[~here])
    # the source's own turn is not the file's here
    plain = replace(info, rotation=0, mirrored=False)
    encode(plain, [changed], path, FFV1)
    written = probe(path)
    (back,) = ClipReader(written).frames()
    wanted = fit_planes(changed.planes, fmt, picture_format(written.pix_fmt), info.color.full_range)
    for found, plane in zip(back.planes, wanted, strict=True):
        np.testing.assert_array_equal(found, plane)


def filled(info: ClipInfo, scan: Scan, native: NativeFrame, mask: np.ndarray, rng: np.random.Generator) -> NativeFrame:
    """The frame with noise under its mask, the way the stages put it there."""
    source = FrameSource(info, scan)
    weights = [m[0].numpy().astype(np.float32) for m in source.masks(torch.from_numpy(mask)[None, None])]
    canvases = [rng.random((3, *w.shape), dtype=np.float32) for w in weights]
    return lay_over(native, patch(source, native, canvases, weights))


def test_alpha_stays_as_it_is_under_the_mask_too(one_frame: ClipInfo) -> None:
    for pix_fmt in ("yuva420p", "gbrap10le", "ya8", "bgra"):
        info = replace(one_frame, pix_fmt=pix_fmt)
        native = noise(pix_fmt, (16, 16))
        everything = np.ones((16, 16), dtype=bool)
        changed = filled(info, "progressive", native, everything, np.random.default_rng(0))
        for layout, old, new in zip(picture_format(pix_fmt).planes, native.planes, changed.planes, strict=True):
            assert (old == new).all() == (layout.role == "a")


def test_patches_come_back_from_disk_as_they_were(tmp_path: Path, one_frame: ClipInfo) -> None:
    info = replace(one_frame, pix_fmt="yuv420p10le")
    native = noise("yuv420p10le", (16, 16))
    mask = np.zeros((16, 16), dtype=bool)
    mask[3:9, 5:6] = True
    source = FrameSource(info, "tff")
    weights = [m[0].numpy().astype(np.float32) for m in source.masks(torch.from_numpy(mask)[None, None])]
    patches = Patches({0: patch(source, native, [np.zeros((3, 8, 16), np.float32)] * 2, weights)})
    patches.save(tmp_path)
    again = lay_over(native, Patches.load(tmp_path).frames[0])
    for one, two in zip(lay_over(native, patches.frames[0]).planes, again.planes, strict=True):
        np.testing.assert_array_equal(one, two)
