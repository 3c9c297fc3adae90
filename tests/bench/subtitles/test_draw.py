from typing import Any

import numpy as np
import pytest

from vidinternal.bench.subtitles.draw import LOGO, STYLES, Overlay, burn, draw_text, opacity, placed
from vidinternal.bench.subtitles.fonts import BUILT_IN, font

SIZE = (80, 200)


def overlay(style: str = "outlined", text: str = "Two words", **changes: Any) -> Overlay:
    alpha, color, sung = draw_text(text, font(BUILT_IN, 16), LOGO if style == "logo" else STYLES[style])
    drawn = {"start": 2, "end": 8, "alpha": alpha, "color": color, "sung": sung} | changes
    return placed(Overlay(kind="text", text=text, box=(0, 0, 0, 0), **drawn), SIZE, "bottom")


@pytest.mark.parametrize("style", STYLES)
def test_the_picture_under_an_overlay_comes_back_where_it_is_not_hidden(style: str) -> None:
    frame = np.random.default_rng(0).random((3, *SIZE), dtype=np.float32)
    made = overlay(style)
    alpha = opacity((made,), 4, SIZE)
    y0, y1, x0, x1 = made.box
    color = np.zeros((3, *SIZE), np.float32)
    color[:, y0:y1, x0:x1] = made.at(4)[1].transpose(2, 0, 1)
    seen = alpha < 0.9
    back = (burn(frame, (made,), 4) - alpha * color)[:, seen] / (1 - alpha[seen])
    assert np.allclose(back, frame[:, seen], atol=1e-4)
    assert alpha.max() > 0.9 and 0 < (alpha > 0).mean() < 0.6


def test_outside_its_box_and_its_time_nothing_changes() -> None:
    frame = np.random.default_rng(0).random((3, *SIZE), dtype=np.float32)
    made = overlay()
    for index in (0, 1, 8, 9):
        assert np.array_equal(burn(frame, (made,), index), frame)
        assert not opacity((made,), index, SIZE).any()
    y0, y1, x0, x1 = made.box
    changed = (burn(frame, (made,), 2) != frame).any(axis=0)
    assert changed[y0:y1, x0:x1].any()
    changed[y0:y1, x0:x1] = False
    assert not changed.any()


def test_styles_are_what_their_names_say() -> None:
    made = {name: overlay(name) for name in STYLES}
    area = {name: float((o.alpha > 0.05).sum()) for name, o in made.items()}
    assert area["plain"] < area["outlined"] and area["plain"] < area["shadowed"] < area["boxed"]
    assert made["boxed"].alpha.min() == pytest.approx(STYLES["boxed"].box, abs=0.01)
    inside = made["italic"].color[made["italic"].alpha > 0.99]
    assert (inside[:, 0] > 2 * inside[:, 2]).mean() > 0.2  # yellow
    assert (made["plain"].color[made["plain"].alpha > 0.9] > 0.9).all()
    assert overlay("logo").alpha.max() == pytest.approx(LOGO.opacity, abs=0.01)


def test_karaoke_sweeps_over_the_words_and_keeps_their_shape() -> None:
    made = overlay("karaoke")
    blue = []
    for index in range(2, 8):
        alpha, color = made.at(index)
        assert np.array_equal(alpha, made.alpha)
        blue.append(int(((color[..., 0] < 0.5) & (color[..., 2] > 0.6)).sum()))
    assert blue == sorted(blue) and blue[-1] > 5 * max(1, blue[0])
    right = overlay("karaoke", leftwards=True).at(4)[1]
    left = made.at(4)[1]
    half = left.shape[1] // 2
    assert (left[:, :half, 0] < right[:, :half, 0]).any() and not (left[:, :half, 0] > right[:, :half, 0]).any()


def test_a_fade_rises_and_falls_once_and_reaches_the_whole() -> None:
    strengths = [overlay(fade=2).strength(i) for i in range(10)]
    top = strengths.index(1.0)
    assert strengths[:2] == [0.0, 0.0] and strengths[8:] == [0.0, 0.0]
    assert 0 < strengths[2] < strengths[3] < 1 and strengths[:top] == sorted(strengths[:top])
    assert strengths[top:] == sorted(strengths[top:], reverse=True)
    assert overlay().strength(2) == overlay().strength(7) == 1.0


def test_two_lines_are_higher_and_what_does_not_fit_is_cut_off() -> None:
    one, two = overlay(text="Two words"), overlay(text="Two\nwords")
    assert two.alpha.shape[0] > 1.5 * one.alpha.shape[0] and two.alpha.shape[1] < one.alpha.shape[1]
    wide = overlay(text="far too many words for a picture as small as this one is")
    assert wide.alpha.shape[1] == SIZE[1] == wide.box[3] - wide.box[2]
    assert wide.color.shape[:2] == wide.alpha.shape
    for where, row in (("top", 0), ("bottom", -1), ("corner", 0)):
        put = placed(one, SIZE, where)
        assert (put.box[0] < SIZE[0] / 4) == (row == 0)
        assert (put.box[3] > 0.9 * SIZE[1]) == (where == "corner")
