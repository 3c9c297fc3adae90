"""Text that travels: tickers and rolling credits are found with their motion; scenes that a camera passes are not."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from tests.methods.subtitles.made import SIZE, done, find, laid, letters, masks, moving, recall_precision, texture

HIGH, WIDE = SIZE


def still(frames: int, seed: int = 3) -> np.ndarray:
    picture = texture(seed)[:HIGH, :WIDE]
    return picture + np.random.default_rng(seed).normal(0, 1.5, (frames, *picture.shape))


def written(text: str, size: tuple[int, int], at: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """White letters with a black outline on a canvas of their own: colours and alpha."""
    inner = np.zeros(size, np.uint8)
    cv2.putText(inner, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.6, 255, 2, cv2.LINE_AA)
    outer = cv2.dilate(inner, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5)))
    alpha = outer.astype(float) / 255
    shade = np.where(alpha > 0, inner / 255 / np.maximum(alpha, 1e-6), 0)
    return np.repeat(np.clip(shade, 0, 1)[..., None] * 255, 3, 2), alpha


def travelled(
    pictures: np.ndarray, drawn: tuple[np.ndarray, np.ndarray], start: tuple[float, float], motion: tuple[float, float]
) -> np.ndarray:
    """Lay a canvas over the pictures, moved on by ``motion`` rows and columns a frame; its truth, ``T H W`` bool."""
    color, alpha = drawn
    truth = np.zeros(pictures.shape[:3], bool)
    for t in range(len(pictures)):
        y, x = (math.floor(s + m * t + 0.5) for s, m in zip(start, motion, strict=True))
        rows, cols = slice(max(0, y), min(HIGH, y + alpha.shape[0])), slice(max(0, x), min(WIDE, x + alpha.shape[1]))
        if rows.start >= rows.stop or cols.start >= cols.stop:
            continue
        part = slice(rows.start - y, rows.stop - y), slice(cols.start - x, cols.stop - x)
        own = alpha[part][..., None]
        pictures[t, rows, cols] = own * color[part] + (1 - own) * pictures[t, rows, cols]
        truth[t, rows, cols] = alpha[part] > 0.05
    return truth


TICKER = written("the train to the coast leaves at nine", (40, 400), (6, 28))


@pytest.mark.parametrize("speed", [-5.0, -3.5, 4.0])
@pytest.mark.parametrize("ground", [still, moving], ids=["still", "moving"])
def test_a_ticker_is_found_with_its_motion(ground, speed):
    pictures = ground(64).copy()
    truth = travelled(pictures, TICKER, (130, 200 if speed < 0 else -300), (0, speed))
    clip = done(pictures)
    found, events = find(clip)
    assert events
    for event in events:
        assert event.motion[0] == 0
        assert event.motion[1] == pytest.approx(speed, abs=0.05)
    recall, precision = recall_precision(masks(found, clip), truth)
    assert recall >= 0.97
    assert precision >= 0.6


def test_credits_roll_over_black():
    pictures = np.random.default_rng(0).normal(8, 1.0, (72, HIGH, WIDE, 3))
    lines = ("directed by", "Anna Berg", "music")
    canvas = [written(line, (40, WIDE), (60 + 7 * k, 28)) for k, line in enumerate(lines)]
    rows = np.concatenate([c for c, _ in canvas]), np.concatenate([a for _, a in canvas])
    truth = travelled(pictures, rows, (HIGH - 60, 0), (-2.5, 0))
    # an outline as black as the ground changes nothing there
    white = np.where(rows[0].max(-1) > 60, rows[1], 0)
    seen = travelled(pictures.copy(), (rows[0], white), (HIGH - 60, 0), (-2.5, 0))
    clip = done(pictures)
    found, events = find(clip)
    assert len(events) >= 3
    assert all(event.motion[0] == pytest.approx(-2.5, abs=0.05) for event in events)
    got = masks(found, clip)
    assert recall_precision(got, seen)[0] >= 0.97
    assert recall_precision(got, truth)[1] >= 0.5


def test_lines_of_credits_close_below_each_other_are_no_ground_of_one_another():
    pictures = np.random.default_rng(0).normal(8, 1.0, (48, HIGH, WIDE, 3))
    canvas = [
        written(line, (26, WIDE), (60 + 7 * k, 20)) for k, line in enumerate(("directed by", "Anna Berg", "music"))
    ]
    color, alpha = np.concatenate([c for c, _ in canvas]), np.concatenate([a for _, a in canvas])
    white = np.where(color.max(-1) > 60, alpha, 0)
    seen = travelled(pictures, (color, white), (HIGH - 30, 0), (-3.0, 0))
    clip = done(pictures)
    found, events = find(clip)
    assert events and all(event.motion[0] == pytest.approx(-3.0, abs=0.05) for event in events)
    assert recall_precision(masks(found, clip), seen)[0] >= 0.97


def test_a_line_that_comes_in_is_masked_from_its_first_column():
    pictures = still(60)
    truth = travelled(pictures, written("late news", (40, 120), (6, 28)), (130, WIDE + 10), (0, -6.0))
    clip = done(pictures)
    found, events = find(clip)
    assert len(events) == 1
    first = int(np.flatnonzero(truth.any((1, 2)))[0])
    assert abs(events[0].start - first) <= 2
    assert recall_precision(masks(found, clip), truth)[0] >= 0.95


def test_a_sign_that_the_camera_passes_does_not_travel_by_itself():
    scene = texture(5)
    color, alpha = letters("FISH SHOP 1908", (40, 120), 0.8)
    scene[:HIGH, :WIDE] = alpha[..., None] * color + (1 - alpha[..., None]) * scene[:HIGH, :WIDE]
    noise = np.random.default_rng(0).normal(0, 1.5, (48, *SIZE, 3))
    pictures = np.stack([scene[:HIGH, 3 * t : 3 * t + WIDE] for t in range(48)]) + noise
    assert find(done(pictures))[1] == []


def test_a_subtitle_beside_a_ticker_is_found_too():
    pictures = still(64)
    truth = travelled(pictures, TICKER, (140, 200), (0, -5.0))
    truth |= laid(pictures, letters("Look up here", (70, 40)), 20, 48)
    clip = done(pictures)
    found, events = find(clip)
    assert [(e.start, e.end) for e in events if not e.moves] == [(20, 48)]
    assert recall_precision(masks(found, clip), truth)[0] >= 0.97
