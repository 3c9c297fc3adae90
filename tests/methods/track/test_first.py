"""The first mask of an object by a method of task ``segment``."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from vidinternal.core.clip import Shot
from vidinternal.methods.track.carry import Pace
from vidinternal.methods.track.config import Config
from vidinternal.methods.track.first_mask import hints_of
from vidinternal.methods.track.method import _segmenter
from vidinternal.methods.track.tracks import Follower
from vidinternal.ops.objects.frames import SmallFrames
from vidinternal.ops.objects.seeds import OBJECT, OTHER, UNKNOWN, Seed

SIZE = (24, 32)


def _seed(*, corrects: bool = False, exact: bool = False) -> Seed:
    known = np.full((48, 64), OTHER, np.uint8)
    known[10:40, 20:50] = UNKNOWN
    known[24:28, 30:36] = OBJECT
    return Seed(0, known, exact, corrects)


def test_a_hint_keeps_its_meaning_at_the_size_it_is_looked_at() -> None:
    hints = hints_of(_seed(), SIZE)
    assert hints.shape == (1, 1, *SIZE)
    assert float(hints[0, 0, 13, 16]) == 1.0 and float(hints[0, 0, 1, 1]) == 0.0
    assert bool(hints[0, 0, 8, 12].isnan())


def test_a_point_smaller_than_a_pixel_is_kept() -> None:
    known = np.full((48, 64), UNKNOWN, np.uint8)
    known[20, 30] = OBJECT
    assert bool((hints_of(Seed(0, known, exact=False, corrects=True), SIZE) == 1).any())


@dataclass
class _Asked:
    """Answers with a fixed mask and remembers the questions."""

    answer: Tensor
    questions: list[tuple[torch.Size, int]] = field(default_factory=list)

    def __call__(self, picture: Tensor, hints: Tensor, index: int) -> Tensor:
        assert 0 <= float(picture.min()) <= float(picture.max()) <= 1 and hints.shape[-2:] == picture.shape[-2:]
        self.questions.append((picture.shape, index))
        return self.answer


class _Frames:
    """Two grey frames with a red block."""

    size = SIZE

    def __getitem__(self, index: int) -> np.ndarray:
        picture = np.full((*SIZE, 3), 120, np.uint8)
        picture[8:18, 12:22] = (220, 30, 30)
        return picture


def _follower(asked: Any) -> Follower:
    pace = Pace(1, 0, 0, torch.device("cpu"))
    return Follower(cast(SmallFrames, _Frames()), [Shot(0, 0, 2)], pace, None, lambda *_: None, segment=asked)


def test_whoever_is_asked_cuts_out_the_first_mask_but_what_is_exact_stays() -> None:
    answer = torch.zeros(1, 1, *SIZE)
    answer[..., 3:9, 4:10] = 1.0
    asked = _Asked(answer)
    follower = _follower(asked)
    assert np.array_equal(follower._first("object", _seed(), None), answer[0, 0].numpy())
    assert asked.questions == [(torch.Size((1, 3, *SIZE)), 0)]
    follower._first("object", _seed(exact=True), None)
    assert len(asked.questions) == 1 and not follower.notes


def test_where_nothing_is_cut_out_grabcut_is_asked_and_it_is_told() -> None:
    follower = _follower(_Asked(torch.zeros(1, 1, *SIZE)))
    assert follower._first("object", _seed(), None).any()
    assert any("GrabCut was asked" in note for note in follower.notes)


def test_nobody_is_asked_unless_the_settings_say_so() -> None:
    context: Any = SimpleNamespace(segment=lambda name, *_: name)
    assert _segmenter(Config(), context) is None
    assert _segmenter(Config(first="double_dip"), context)(None, None, 0) == "double_dip"
    assert _segmenter(Config(first="double_dip"), cast(Any, SimpleNamespace(segment=None))) is None
