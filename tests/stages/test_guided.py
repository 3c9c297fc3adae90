"""A second picture beside every picture: another mixture of the same two layers."""

from pathlib import Path

import numpy as np
import pytest

import vidinternal
from tests.methods.double_dip.pictures import plain
from tests.stages.test_per_frame import film, picture, preflight, stage_of
from vidinternal.core.errors import ConfigError, UsageError
from vidinternal.media.probe import probe
from vidinternal.stages.decode import FrameSource
from vidinternal.stages.restore import Restore
from vidinternal.stages.separate import Separate

FIRST, SECOND = (t[0].permute(1, 2, 0).numpy() for t in (plain(1), plain(2, cells=11)))


def mixture(share: float) -> np.ndarray:
    return (255 * (share * FIRST + (1 - share) * SECOND)).round().astype(np.uint8)


def test_separate_takes_a_second_mixture_of_the_same_size_only(tmp_path: Path) -> None:
    clip = film(tmp_path)
    other = picture(tmp_path / "other.png", np.full((24, 32, 3), 90, np.uint8))
    fits = stage_of(Separate, "double_dip", guide=other)
    preflight(fits, clip)
    guide = fits.guide(FrameSource(probe(clip)))
    assert guide is not None and guide.pictures(0, 2).shape == (2, 3, 24, 32)
    assert stage_of(Separate, "double_dip").guide(FrameSource(probe(clip))) is None
    small = picture(tmp_path / "small.png", np.full((20, 32, 3), 90, np.uint8))
    with pytest.raises(UsageError, match=r"separate\.guide"):
        preflight(stage_of(Separate, "double_dip", guide=small), clip)


def test_a_method_that_takes_none_is_named(tmp_path: Path) -> None:
    clip = film(tmp_path)
    other = picture(tmp_path / "other.png", np.full((24, 32, 3), 90, np.uint8))
    with pytest.raises(ConfigError, match=r"restore\.method=double_dip, which takes none"):
        preflight(stage_of(Restore, "double_dip", guide=other), clip)


def test_two_mixtures_in_python_are_parted() -> None:
    first, second = vidinternal.separate(mixture(0.7), guide=mixture(0.35))
    for found, truth in ((first, FIRST), (second, SECOND)):
        assert found.dtype == np.uint8 and found.shape == truth.shape
        assert float(np.mean((found / 255 - truth) ** 2)) < 1e-3
    with pytest.raises(UsageError, match=r"separate\(guide\)"):
        vidinternal.separate(mixture(0.7), guide=mixture(0.35)[:-1])
