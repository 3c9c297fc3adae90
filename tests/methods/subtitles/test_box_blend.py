"""Boxes measured where they come and go, and letters parted from them."""

import cv2
import numpy as np
import pytest
import torch

from tests.methods.subtitles.made import SIZE, Clip, done, find, letters, masks, moving
from vidinternal.core.finding import SpanRequest
from vidinternal.methods.subtitles import box_blend, detect, unblend
from vidinternal.methods.subtitles.box_blend import measure, sides, strength, surely
from vidinternal.methods.subtitles.config import Config
from vidinternal.methods.subtitles.events import Overlay, cover_name

BOX = (126, 160, 62, 268)
SHARE, ADDED = 0.45, 6.0
START, END = 8, 30


def film() -> tuple[Clip, np.ndarray]:
    """White words on a dark box over a picture that moves slowly; and the film without them."""
    pictures = moving(38, speed=(0, 1))
    bare = pictures.copy()
    y0, y1, x0, x1 = BOX
    color, alpha = letters("Half of it shows", (72, 150), 0.7, 0)
    for t in range(START, END):
        pictures[t, y0:y1, x0:x1] = SHARE * pictures[t, y0:y1, x0:x1] + ADDED
        pictures[t] = alpha[..., None] * color + (1 - alpha[..., None]) * pictures[t]
    return done(pictures), np.clip(bare, 0, 255)


@pytest.fixture(scope="module")
def made() -> tuple[Clip, np.ndarray]:
    return film()


def pair(clip: Clip) -> tuple[np.ndarray, np.ndarray]:
    return clip.pictures[START - 1] / np.float32(255), clip.pictures[START] / np.float32(255)


def test_share_and_colour_are_measured_and_letters_are_strange(made: tuple[Clip, np.ndarray]) -> None:
    clip, _ = made
    pairs = [tuple(cv2.GaussianBlur(p, (0, 0), 1.5) for p in pair(clip))]
    found = measure(pairs, surely(BOX, (0, SIZE[0], 0, SIZE[1])))  # pyright: ignore[reportArgumentType]
    assert found is not None and abs(found.left - SHARE) < 0.06
    assert max(abs(c - ADDED / 255) for c in found.added) < 0.04
    drawn = letters("Half of it shows", (72, 150), 0.7, 0)[1] > 0.95
    assert found.strange[drawn].mean() > 0.9 and found.strange[~drawn].mean() < 0.1
    shown = strength(pairs, found, BOX)  # pyright: ignore[reportArgumentType]
    assert (shown[134:152, 70:260] == 1).all() and not shown[:118].any() and not shown[:, :54].any()


@pytest.mark.parametrize("change", ["none", "even", "solid"])
def test_what_is_no_box_that_lets_the_picture_through_is_none(change: str) -> None:
    picture = moving(1)[0].astype(np.float32) / 255
    bare = np.full_like(picture, 0.5) if change == "even" else picture
    seen = {"none": bare, "even": SHARE * bare, "solid": np.full_like(bare, 0.1)}[change]
    assert measure([(bare, seen)], surely(BOX, (0, SIZE[0], 0, SIZE[1]))) is None
    assert measure([], surely(BOX, (0, SIZE[0], 0, SIZE[1]))) is None


def test_frames_beside_are_those_before_and_after_it_and_its_fades() -> None:
    overlay = Overlay("e", "box", 5, 20, BOX, fade_in=2, fade_out=3)
    assert sides(overlay, 30) == [(4, 7), (20, 16)]
    assert sides(overlay, 20) == [(4, 7)]
    assert sides(Overlay("e", "box", 0, 20, BOX), 20) == []


def test_letters_are_filled_and_the_box_is_taken_off(made: tuple[Clip, np.ndarray]) -> None:
    clip, bare = made
    found, overlays = find(clip)
    assert sorted(o.kind for o in overlays) == ["box", "text"]
    text = next(o for o in overlays if o.kind == "text")
    cover = found.arrays[cover_name(text.id)].numpy() > 0
    assert 0.1 < cover.sum() / ((BOX[1] - BOX[0]) * (BOX[3] - BOX[2])) < 0.75, "the box is no part of the text"
    covered = masks(found, clip)
    y0, y1, x0, x1 = BOX
    assert covered[START:END, y0:y1, x0:x1].all()
    request = SpanRequest(range(len(clip)), clip, _nothing(clip), _nothing(clip))
    recovered = unblend.recover(found, overlays, request)
    assert recovered is not None
    picture, where = recovered
    mine = where[:, 0].numpy()
    assert mine[START:END, y0:y1, x0:x1].mean() > 0.25 and not mine[:START].any() and not mine[END:].any()
    off = np.abs(picture.permute(0, 2, 3, 1).numpy() * 255 - bare)[mine]
    assert off.mean() < 5 and any("box" in facts for facts in found.facts["unblended"].values())


def test_told_by_a_person_text_and_box_are_parted_as_well(made: tuple[Clip, np.ndarray]) -> None:
    clip, _ = made
    text = Overlay("t", "text", START, END, (118, 167, 58, 272))
    box = Overlay("b", "box", START, END, BOX, behind=("t",))
    parted, _ = detect.as_told(clip, [text, box], Config(detector="temporal"))
    whole = detect.as_told(clip, [text], Config(detector="temporal"))[0]
    assert 0 < (parted.cover > 0).sum() < 0.8 * (whole.cover > 0).sum()


def test_where_nothing_can_be_told_the_text_stays_as_it_is() -> None:
    still = done(np.full((12, *SIZE, 3), 128.0))

    def look(frame: int, piece: tuple[int, int, int, int]) -> np.ndarray:
        y0, y1, x0, x1 = piece
        return still.pictures[frame, y0:y1, x0:x1] / np.float32(255)

    assert box_blend.letters_on(look, Overlay("b", "box", 3, 9, BOX), 12, 1) is None


def _nothing(clip: Clip) -> torch.Tensor:
    return torch.zeros(len(clip), 1, *clip.size, dtype=torch.bool)
