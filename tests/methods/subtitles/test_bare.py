"""Text before a still picture: what frames before and after it show is the picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from tests.methods.subtitles.still_clip import Still, moving
from vidinternal.core.clip import Shot
from vidinternal.core.finding import Found, SpanRequest
from vidinternal.methods.subtitles.bare import recover
from vidinternal.methods.subtitles.events import Overlay, cover_name

FRAMES = 30
TEXT = Overlay("e0001", "text", 8, 20, (40, 54, 20, 90))
LATER = Overlay("e0002", "text", 21, 26, (40, 54, 20, 90))


class Cut(Still):
    """With a cut at frame 20."""

    def shots(self) -> Sequence[Shot]:
        return (Shot(0, 0, 20), Shot(1, 20, len(self)))


def burnt(truth: Tensor, *overlays: Overlay) -> Tensor:
    seen = truth.clone()
    for o in overlays:
        seen[o.start : o.end, :, o.box[0] : o.box[1], o.box[2] : o.box[3] : 3] = 1.0
    return seen


def found(*overlays: Overlay) -> Found:
    covers = {}
    for o in overlays:
        cover = np.zeros((o.box[1] - o.box[0], o.box[3] - o.box[2]), np.uint8)
        cover[:, ::3] = 255
        covers[cover_name(o.id)] = torch.from_numpy(cover)
    return Found({"events": [o.to_json() for o in overlays]}, covers)


def request(clip: Still, span: range) -> SpanRequest:
    empty = torch.zeros(len(span), 1, *clip.size, dtype=torch.bool)
    return SpanRequest(span, clip, empty, empty)


def still(noise: float = 0.01) -> Tensor:
    truth = moving(1).expand(FRAMES, -1, -1, -1)
    return truth + noise * torch.randn(truth.shape, generator=torch.Generator().manual_seed(0))


def test_all_of_it_is_given_back_in_any_span() -> None:
    truth = still()
    clip = Still(burnt(truth, TEXT))
    for span in (range(FRAMES), range(10, 14), range(18, 30)):
        made = recover(found(TEXT), [TEXT], request(clip, span))
        assert made is not None
        picture, where = made
        for row, t in enumerate(span):
            inside = where[row, 0, 40:54, 20:90:3]
            assert inside.float().mean() == (1.0 if TEXT.start <= t < TEXT.end else 0.0)
        off = (picture - truth[span.start : span.stop])[where.expand_as(picture)]
        assert off.square().mean().sqrt() < 0.015
    assert recover(found(TEXT), [TEXT], request(clip, range(22, 30))) is None


def test_a_piece_of_the_picture_is_the_same_as_all_of_it() -> None:
    clip = Still(burnt(still(), TEXT))
    whole = recover(found(TEXT), [TEXT], request(clip, range(10, 14)))
    piece = recover(found(TEXT), [TEXT], request(clip, range(10, 14)), (38, 60, 16, 96))
    assert whole is not None and piece is not None
    for a, b in zip(whole, piece, strict=True):
        assert torch.equal(a[..., 38:60, 16:96], b)


def test_a_moving_picture_is_left_to_the_fill() -> None:
    clip = Still(burnt(moving(FRAMES), TEXT))
    made = recover(found(TEXT), [TEXT], request(clip, range(FRAMES)))
    assert made is None or made[1].float().sum() < 0.02 * 12 * 14 * 24


def test_text_that_follows_at_once_is_no_picture() -> None:
    truth = still()
    clip = Still(burnt(truth, replace(TEXT, start=0), LATER))
    made = recover(found(replace(TEXT, start=0), LATER), [replace(TEXT, start=0)], request(clip, range(5, 15)))
    assert made is not None
    picture, where = made
    assert (picture - truth[5:15])[where.expand_as(picture)].abs().max() < 0.1


def test_another_shot_shows_another_place() -> None:
    truth = still()
    truth[20:] = moving(40)[39]
    clip = Cut(burnt(truth, replace(TEXT, start=0)))
    assert recover(found(replace(TEXT, start=0)), [replace(TEXT, start=0)], request(clip, range(4, 16))) is None


def test_text_that_never_leaves_or_travels_is_left_alone() -> None:
    truth = still()
    for overlay in (replace(TEXT, start=0, end=FRAMES), replace(TEXT, motion=(0.0, 1.0))):
        clip = Still(burnt(truth, overlay))
        assert recover(found(overlay), [overlay], request(clip, range(8, 20))) is None
