from __future__ import annotations

import numpy as np
import pytest

from tests.methods.subtitles.made import done, find, laid, letters, masks, moving
from tests.methods.subtitles.test_method import LOWER, still


@pytest.mark.parametrize("pictures", [moving(), still()], ids=["moving", "still"])
def test_a_dark_box_behind_text_is_found(pictures):
    pictures = pictures.copy()
    pictures[9:31, 135:172, 40:200] *= 0.4
    laid(pictures, LOWER, 9, 31)
    clip = done(pictures)
    found, events = find(clip)
    box = next(e for e in events if e.kind == "box")
    text = next(e for e in events if e.kind == "text")
    assert (box.start, box.end, box.behind) == (9, 31, (text.id,))
    assert np.abs(np.array(box.box) - (135, 172, 40, 200)).max() <= 3
    assert masks(found, clip)[20, 140:168, 45:195].all()


def test_text_alone_has_no_box():
    pictures = moving()
    laid(pictures, letters("Nobody", (90, 90)), 9, 31)
    assert [e.kind for e in find(done(pictures))[1]] == ["text"]
