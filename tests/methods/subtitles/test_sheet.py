"""The contact sheet is a picture of every event."""

from dataclasses import replace

import cv2
import numpy as np
import torch

from tests.methods.subtitles.still_clip import Still
from vidinternal.methods.subtitles.events import Overlay, cover_name
from vidinternal.methods.subtitles.sheet import contact_sheet

CLIP = Still(torch.full((12, 3, 40, 60), 0.5))
TEXT = Overlay("e0001", "text", 2, 9, (10, 20, 5, 30), text="Привет\n你好")


def sheet(*overlays: Overlay) -> np.ndarray:
    covers = {cover_name(o.id): np.full((o.box[1] - o.box[0], o.box[3] - o.box[2]), 255, np.uint8) for o in overlays}
    made = cv2.imdecode(np.frombuffer(contact_sheet(CLIP, overlays, covers), np.uint8), cv2.IMREAD_COLOR)
    assert made is not None
    return made


def tinted(picture: np.ndarray) -> int:
    return int(((picture[..., 2] > 180) & (picture[..., 1] < 90)).sum())


def test_every_event_is_shown_with_its_mask() -> None:
    none, one = sheet(), sheet(TEXT)
    five = sheet(*(replace(TEXT, id=f"e{k}") for k in range(5)))
    assert tinted(none) == 0
    assert tinted(one) > 100
    assert tinted(five) == 5 * tinted(one)
    assert len(five) > len(one)  # a second row


def test_events_at_the_edge_and_outside_do_no_harm() -> None:
    rolled = replace(TEXT, box=(-30, 20, -10, 80), motion=(-9.0, 0.0))
    assert sheet(rolled, replace(TEXT, start=11, end=12), replace(TEXT, box=(39, 40, 59, 60))).size


def test_very_many_events_stay_one_picture_of_bounded_size() -> None:
    assert len(sheet(*(replace(TEXT, id=f"e{k}") for k in range(400)))) < 240 / 4 * 500
