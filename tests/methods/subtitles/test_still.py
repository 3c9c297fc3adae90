"""Text that never leaves a still picture, told by a reader; and scenery that comes to light between two texts."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from tests.methods.subtitles.made import SIZE, Clip, done, find, laid, letters, recall_precision, texture
from vidinternal.methods.subtitles import ocr
from vidinternal.methods.subtitles.config import Config
from vidinternal.methods.subtitles.detect_frames import FullFrames
from vidinternal.methods.subtitles.detect_refine import Bound, Close
from vidinternal.methods.subtitles.detect_revealed import revealed
from vidinternal.methods.subtitles.events import Overlay
from vidinternal.methods.subtitles.glyphs import Glyphs
from vidinternal.methods.subtitles.ocr import Reading

AT = (85, 165)


def busy(frames: int = 24) -> np.ndarray:
    """A picture full of thin lines that never moves."""
    picture = texture()[: SIZE[0], : SIZE[1]].copy()
    rng = np.random.default_rng(3)
    for _ in range(260):
        x, y = int(rng.integers(SIZE[1])), int(rng.integers(SIZE[0]))
        cv2.line(picture, (x, y), (x + int(rng.integers(-12, 12)), y + 12), [float(v) for v in rng.uniform(0, 230, 3)])
    return np.repeat(picture[None], frames, 0) + np.random.default_rng(4).normal(0, 1, (frames, *SIZE, 3))


def reader(there: bool) -> Callable[..., list[Reading]]:
    def read(picture: np.ndarray, line: int | None = None) -> list[Reading]:
        if not there:
            return []
        if picture.shape[:2] == SIZE:
            return [Reading((AT[1] - 18, AT[1] + 6, AT[0] - 2, AT[0] + 178), "Always here", 0.9)]
        return [Reading((0, picture.shape[0], 0, picture.shape[1]), "Always here", 0.9)]

    return read


@pytest.mark.parametrize("there", [True, False])
def test_what_a_reader_sees_among_the_strokes_of_a_still_scene_is_found(
    there: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = busy()
    truth = laid(pictures, letters("Always here", AT, 0.9), 0, len(pictures))
    monkeypatch.setattr(ocr, "installed", lambda: True)
    monkeypatch.setattr(ocr, "read", reader(there))
    _, overlays = find(done(pictures), Config(detector="both"))
    if not there:
        assert not overlays
        return
    assert [(o.kind, o.start, o.end, o.text) for o in overlays] == [("text", 0, len(pictures), "Always here")]
    y0, y1, x0, x1 = overlays[0].box
    box = np.zeros_like(truth)
    box[:, y0:y1, x0:x1] = True
    assert recall_precision(box, truth)[0] > 0.98


def scene(shown: range, hidden: range, frames: int = 40) -> tuple[Clip, Close, Glyphs]:
    """A pattern that is there in ``shown``, and under something in ``hidden``; looked at as if it began behind that."""
    pictures = np.full((frames, *SIZE, 3), 120.0)
    strokes = letters("iiiiii", (100, 150), 1.0, 0)[1] > 0.5
    for t in shown:
        pictures[t][strokes] = 210.0
    for t in hidden:
        pictures[t, 110:170, 80:240] = 30.0
    box = (105, 175, 70, 250)
    cut = (slice(105, 175), slice(70, 250))
    nowhere = Bound(0, 0, False, False, None)
    template = pictures[frames - 1][cut].astype(np.float32)
    region = cv2.dilate(strokes[cut].astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    spread = np.zeros(region.shape, np.float32)
    close = Close(box, hidden.stop, frames, nowhere, nowhere, template, spread, region, strokes[cut], 20)
    look = Glyphs(strokes[cut] * np.uint8(255), strokes[cut], (210, 210, 210), None, (1, 1, 1, 1), 90.0, 90.0)
    return done(pictures), close, look


def test_what_was_there_before_the_text_that_hid_it_is_the_scene() -> None:
    hidden = range(10, 20)
    text = Overlay("t", "text", 10, 20, (110, 170, 80, 240))
    clip, close, look = scene(range(40), hidden)
    assert revealed(FullFrames(clip), close, look, [text]) is True
    clip, close, look = scene(range(20, 40), hidden)
    assert revealed(FullFrames(clip), close, look, [text]) is None, "it was not there before: its looks must tell"
    assert revealed(FullFrames(clip), close, look, []) is False
    elsewhere = Overlay("t", "text", 10, 20, (0, 40, 0, 200))
    assert revealed(FullFrames(clip), close, look, [elsewhere]) is False
    early = Overlay("t", "text", 2, 12, (110, 170, 80, 240))
    assert revealed(FullFrames(clip), close, look, [early]) is False


def test_texts_one_after_the_other_are_passed_over() -> None:
    clip, close, look = scene(range(40), range(5, 20))
    texts = [Overlay(f"t{k}", "text", a, b, (110, 170, 80, 240)) for k, (a, b) in enumerate(((5, 12), (12, 20)))]
    assert revealed(FullFrames(clip), close, look, texts) is True
    first = [Overlay("t", "text", 0, 20, (110, 170, 80, 240))]
    assert revealed(FullFrames(clip), close, look, first) is None
