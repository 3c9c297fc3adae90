from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from tests.methods.subtitles.made import done, find, laid, moving
from tests.methods.subtitles.test_method import LOWER
from vidinternal.methods.subtitles import ocr
from vidinternal.methods.subtitles.config import Config

PICTURE = np.zeros((40, 100, 3), np.uint8)


def answering(monkeypatch: pytest.MonkeyPatch, *lines: tuple[tuple[int, int, int, int], str, float]) -> None:
    """An engine that reads these lines wherever it looks; boxes are x0, y0, x1, y1."""
    corners = [np.array([[a, b], [c, b], [c, d], [a, d]], float) for (a, b, c, d), _, _ in lines]
    texts, scores = [t for _, t, _ in lines], [s for _, _, s in lines]
    result = SimpleNamespace(boxes=corners or None, txts=texts or None, scores=scores or None)
    monkeypatch.setattr(ocr, "_engine", lambda: lambda _picture, use_cls: result)
    monkeypatch.setattr(ocr, "installed", lambda: True)


def test_words_of_a_row_are_one_line_in_order(monkeypatch):
    answering(
        monkeypatch,
        ((60, 2, 90, 12), "there", 0.9),
        ((5, 20, 50, 30), "below", 0.8),
        ((5, 3, 50, 13), "who is", 0.95),
    )
    assert [r.text for r in ocr.read(PICTURE)] == ["who is there", "below"]
    assert ocr.read(PICTURE)[0].box == (2, 13, 5, 90)


def test_what_is_unsure_or_no_letter_is_not_read(monkeypatch):
    answering(monkeypatch, ((0, 0, 9, 9), "blur", 0.3), ((20, 0, 40, 9), "--", 0.99))
    assert ocr.read(PICTURE) == []
    answering(monkeypatch)
    assert ocr.read(PICTURE) == []


def test_large_lines_are_read_smaller_and_told_in_full_size(monkeypatch):
    answering(monkeypatch, ((0, 0, 10, 10), "big", 0.9))
    assert ocr.read(np.zeros((200, 200, 3), np.uint8), line=96)[0].box == (0, 20, 0, 20)


@pytest.mark.parametrize(
    ("text", "tag"),
    [("こんにちは", "ja"), ("안녕", "ko"), ("你好", "zh"), ("Hello", None), ("Привет", None), ("12", None)],
)
def test_language_where_letters_tell_it(text, tag):
    assert ocr.language(text) == tag


def test_what_is_read_goes_with_the_event(monkeypatch):
    pictures = moving()
    laid(pictures, LOWER, 9, 31)
    answering(monkeypatch, ((0, 0, 200, 60), "Where is it?", 0.98))
    found, (event,) = find(done(pictures), Config(detector="both"))
    assert (event.text, event.language) == ("Where is it?", None)
    assert b"Where is it?" in found.files["events.srt"]
    assert found.facts["detector"] == "both"
