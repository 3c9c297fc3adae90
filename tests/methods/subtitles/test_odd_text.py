"""No plain lines: words that pop in, karaoke that never leaves, columns; and subtitle files that do not fit."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from tests.methods.subtitles.made import SIZE, done, find, laid, letters, masks, moving, recall_precision, texture


def still(frames: int, seed: int = 3) -> np.ndarray:
    picture = texture(seed)[: SIZE[0], : SIZE[1]]
    return picture + np.random.default_rng(seed).normal(0, 1.5, (frames, *picture.shape))


@pytest.mark.parametrize("ground", [still, moving], ids=["still", "moving"])
def test_words_that_pop_in_are_masked_from_their_own_first_frame(ground):
    pictures = ground(56).copy()
    truth = np.zeros(pictures.shape[:3], bool)
    for start, word, x in ((6, "Never", 20), (14, "trust", 90), (22, "a clock", 155)):
        truth |= laid(pictures, letters(word, (x, 160)), start, 48)
    clip = done(pictures)
    found, events = find(clip)
    assert sorted({e.start for e in events}) == [6, 14, 22]
    assert {e.end for e in events} == {48}
    recall, precision = recall_precision(masks(found, clip), truth)
    assert recall >= 0.98
    assert precision >= 0.6


def test_karaoke_that_never_leaves_is_masked_whole():
    pictures = moving(48).copy()
    color, alpha = letters("sing along with me", (84, 160))
    truth = np.zeros(pictures.shape[:3], bool)
    for t in range(48):
        sung = np.arange(SIZE[1])[None, :, None] < 84 + 3.5 * t
        shade = np.where(sung, color * np.array([1.0, 0.85, 0.1]), color)
        truth |= laid(pictures, (shade, alpha), t, t + 1)
    clip = done(pictures)
    found, events = find(clip)
    assert events
    recall, precision = recall_precision(masks(found, clip), truth)
    assert recall >= 0.95
    assert precision >= 0.5


@pytest.mark.parametrize("ground", [still, moving], ids=["still", "moving"])
def test_a_column_of_letters_is_found(ground):
    pictures = ground(40).copy()
    inner = np.zeros(SIZE, np.uint8)
    for row, letter in enumerate("NEMOKAT"):
        cv2.putText(inner, letter, (290, 24 + 22 * row), cv2.FONT_HERSHEY_SIMPLEX, 0.65, 255, 2, cv2.LINE_AA)
    outer = cv2.dilate(inner, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5)))
    alpha = outer.astype(float) / 255
    shade = np.where(alpha > 0, inner / 255 / np.maximum(alpha, 1e-6), 0)
    drawn = np.repeat(np.clip(shade, 0, 1)[..., None] * 255, 3, 2), alpha
    truth = laid(pictures, drawn, 8, 32)
    clip = done(pictures)
    found, events = find(clip)
    assert [(e.start, e.end) for e in events] == [(8, 32)]
    recall, precision = recall_precision(masks(found, clip), truth)
    assert recall >= 0.99
    assert precision >= 0.6


def test_a_subtitle_file_that_does_not_match_is_told_with_its_offset(tmp_path):
    pictures = still(100)
    spans = ((5, 25), (32, 52), (66, 90))
    for k, (start, end) in enumerate(spans):
        laid(pictures, letters(("Where is it?", "Over by the tree", "I see nothing")[k], (40, 160)), start, end)
    path = tmp_path / "film.srt"
    late = [(a / 25 + 2.4, b / 25 + 2.4) for a, b in spans]
    cues = [f"{k}\n00:00:{a:06.3f} --> 00:00:{b:06.3f}\nline {k}\n" for k, (a, b) in enumerate(late, 1)]
    path.write_text("\n".join(cues).replace(".", ","), encoding="utf-8")
    found, events = find(done(pictures), subtitles=path)
    assert [(e.start, e.end) for e in events] == list(spans)
    (note,) = (n for n in found.facts["notes"] if "does not match" in n)
    assert "2.40 s later" in note
