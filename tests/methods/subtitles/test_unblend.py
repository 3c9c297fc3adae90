"""Overlays of a clip taken off span by span."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from tests.methods.subtitles.still_clip import Still, moving
from vidinternal.core.finding import Found, SpanRequest
from vidinternal.methods.subtitles.events import Overlay, cover_name
from vidinternal.methods.subtitles.unblend import estimate, recover, unblend_name

PLACE = (44, 58, 8, 104)
BOX = Overlay("e0001", "box", 2, 26, PLACE)
TEXT = Overlay("e0002", "text", 2, 26, (48, 54, 40, 70))
FRAMES = 30


def scene(box: Overlay = BOX, cover: float = 0.6, text: bool = False) -> tuple[Still, Tensor, dict[str, np.ndarray]]:
    """A clip with a dark box, its truth, and covers."""
    truth = moving(FRAMES)
    alpha = torch.zeros(FRAMES, 1, *truth.shape[-2:])
    y0, y1, x0, x1 = PLACE
    for t in range(FRAMES):
        alpha[t, :, y0:y1, x0:x1] = cover * box.strength(t)
    seen = (1 - alpha) * truth + alpha * 0.05
    covers = {cover_name(box.id): np.full((y1 - y0, x1 - x0), round(255 * cover), np.uint8)}
    if text:
        a, b, c, d = TEXT.box
        seen[TEXT.start : TEXT.end, :, a:b, c:d] = 0.9
        covers[cover_name(TEXT.id)] = np.full((b - a, d - c), 255, np.uint8)
    return Still((seen * 255).round() / 255), truth, covers


def request(clip: Still, span: range) -> SpanRequest:
    empty = torch.zeros(len(span), 1, *clip.size, dtype=torch.bool)
    return SpanRequest(span, clip, empty, empty)


def error(made: Tensor, truth: Tensor, where: Tensor) -> float:
    return float((made - truth)[where.expand_as(truth)].square().mean().sqrt())


def test_a_box_comes_off_in_any_span() -> None:
    clip, truth, covers = scene()
    arrays, facts = estimate(clip, [BOX], covers)
    assert facts["e0001"]["used"]
    found = Found({}, arrays)
    for span in (range(FRAMES), range(5, 9), range(20, 30)):
        made = recover(found, [BOX], request(clip, span))
        assert made is not None
        picture, where = made
        on = torch.tensor([bool(BOX.start <= t < BOX.end) for t in span])
        assert not where[~on].any()
        assert where[on].flatten(1).float().sum(1).min() > 0.9 * 14 * 96
        assert error(picture, truth[span.start : span.stop], where) < 0.03
    assert recover(found, [BOX], request(clip, range(26, 30))) is None


def test_a_fade_is_followed() -> None:
    fading = replace(BOX, fade_in=5, fade_out=5)
    clip, truth, covers = scene(fading)
    arrays, _ = estimate(clip, [fading], covers)
    gain = arrays[unblend_name("e0001", "gain")]
    wanted = torch.tensor([fading.strength(t) for t in fading.frames])
    assert float((gain - wanted)[gain >= 0].abs().max()) < 0.08
    made = recover(Found({}, arrays), [fading], request(clip, range(FRAMES)))
    assert made is not None
    assert error(made[0], truth, made[1]) < 0.03


def test_text_on_a_box_is_left_to_the_fill_with_its_edge() -> None:
    clip, truth, covers = scene(text=True)
    arrays, _ = estimate(clip, [BOX, TEXT], covers)
    made = recover(
        Found({}, arrays | {k: torch.from_numpy(v) for k, v in covers.items()}),
        [BOX, TEXT],
        request(clip, range(FRAMES)),
    )
    assert made is not None
    a, b, c, d = TEXT.box
    assert not made[1][..., a - 1 : b + 1, c - 1 : d + 1].any()
    assert made[1][10, 0, 46, 20]
    assert error(made[0], truth, made[1]) < 0.03


def test_what_is_solid_moves_or_changes_is_not_looked_at() -> None:
    clip, _, covers = scene(cover=1.0)
    solid = replace(BOX, kind="text")
    assert estimate(clip, [solid], covers) == ({}, {})
    assert estimate(clip, [replace(BOX, motion=(1.0, 0.0))], covers) == ({}, {})
    many = {cover_name("e0001"): np.stack([covers[cover_name("e0001")]] * 2)}
    assert estimate(clip, [replace(BOX, slices=(2, 9))], many) == ({}, {})


def test_a_box_that_lets_nothing_through_is_told_and_not_used() -> None:
    clip, _, covers = scene(cover=1.0)
    arrays, facts = estimate(clip, [BOX], covers)
    assert arrays == {}
    assert not facts["e0001"]["used"]
    assert facts["e0001"]["because"]


def test_one_frame_of_overlay_and_one_at_the_edge_of_the_picture() -> None:
    short = replace(BOX, start=4, end=5)
    clip, _, covers = scene(short)
    assert set(estimate(clip, [short], covers)[1]) == {"e0001"}
    outside = replace(BOX, box=(64, 78, 8, 104))
    assert not estimate(clip, [outside], covers)[1]["e0001"]["used"]


def mark(truth: Tensor, cover: float = 0.5) -> tuple[Still, Overlay, dict[str, np.ndarray]]:
    """A clip with a half-transparent mark that never leaves."""
    logo = replace(BOX, kind="logo", start=0, end=len(truth), box=(20, 34, 40, 60))
    shape = np.zeros((14, 20), np.uint8)
    shape[4:10, 2:18] = round(255 * cover)
    seen = truth.clone()
    seen[..., 24:30, 42:58] = (1 - cover) * truth[..., 24:30, 42:58] + cover * 0.9
    return Still((seen * 255).round() / 255), logo, {cover_name(logo.id): shape}


def test_a_mark_that_a_moving_picture_passes_is_left_to_copies() -> None:
    clip, logo, covers = mark(moving(FRAMES))
    arrays, facts = estimate(clip, [logo], covers)
    assert not arrays and "the picture moves" in facts[logo.id]["because"]


def test_a_mark_on_a_picture_that_moves_less_than_it_is_thick_is_taken_off() -> None:
    there_and_back = moving(FRAMES)[[k % 4 if k % 4 < 3 else 1 for k in range(FRAMES)]]
    clip, logo, covers = mark(there_and_back)
    shorter = replace(logo, end=4)
    arrays, facts = estimate(clip, [shorter], covers)
    assert "the picture moves" not in facts[logo.id].get("because", "")
    assert bool(arrays) == facts[logo.id]["used"]
