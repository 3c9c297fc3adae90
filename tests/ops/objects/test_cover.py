"""Masks grown from what is believed of an object."""

import numpy as np
import torch

from vidinternal.ops.objects.cover import Reach, extents, guided
from vidinternal.ops.objects.path import Path


def test_the_guided_filter_keeps_what_has_no_edges_and_follows_those_there_are() -> None:
    flat = np.full((20, 20), 0.5, np.float32)
    assert np.allclose(guided(flat, flat, 2, 1e-3), 0.5, atol=1e-5)
    step = np.zeros((20, 20), np.float32)
    step[:, 10:] = 1
    rough = np.clip(step + 0.2 * np.sin(np.arange(400, dtype=np.float32)).reshape(20, 20), 0, 1)
    assert ((guided(step, rough, 2, 1e-3) > 0.5) == (step > 0.5)).all()


def test_extents_scale_with_the_clip_and_are_empty_without_an_object() -> None:
    boxes = torch.tensor([[10, 20, 30, 50], [0, 0, 0, 0]], dtype=torch.int32)
    path = Path(boxes, torch.zeros(0, dtype=torch.uint8), torch.ones(2), torch.tensor([[4.0, 0.0], [0.0, 0.0]]), 2)
    first, second = extents(path, (72, 112), (144, 224), Reach(3, 1.0)).tolist()
    assert first[0] <= 20 - 3
    assert first[1] >= 40 + 3
    assert first[2] <= 60 - 3 - 8
    assert first[3] >= 100 + 3 + 8
    assert second == [144, 0, 224, 0]
