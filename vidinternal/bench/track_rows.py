"""The rows of bench ``track``: what follows an object, from nothing at all to the whole method."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import torch

from vidinternal.bench.base import BenchOptions
from vidinternal.bench.track_cases import ArrayView, Labelled
from vidinternal.core.finding import Asked, FindContext, Found, SpanRequest
from vidinternal.core.seeds import branch
from vidinternal.methods import mask_method
from vidinternal.ops.dis import dis_flow
from vidinternal.ops.warp import backward_warp
from vidinternal.runner.job import pick_device

START = Path("first.png")
"""Name under which the true mask of the first frame is handed out."""


def frozen(case: Labelled, _first: np.ndarray) -> np.ndarray:
    """The boxes of the first frame, left where they are."""
    still = np.zeros(case.truth.shape[1:], bool)
    for x, y, width, height in case.boxes():
        still[y : y + height, x : x + width] = True
    return np.repeat(still[None], len(case.frames), axis=0)


def by_flow(case: Labelled, first: np.ndarray) -> np.ndarray:
    """The first mask brought from frame to frame by the flow alone."""
    belief, found = torch.from_numpy(first).float()[None, None], [first]
    for t in range(1, len(case.frames)):
        belief = backward_warp(belief, _back(case, t))
        found.append((belief[0, 0] > 0.5).numpy())
    return np.stack(found)


def by_grab_cut(case: Labelled, first: np.ndarray) -> np.ndarray:
    """The same, cut anew in every frame by GrabCut around the outline."""
    now, found = first, [first]
    band = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (15, 15))
    for t in range(1, len(case.frames)):
        brought = (backward_warp(torch.from_numpy(now).float()[None, None], _back(case, t))[0, 0] > 0.5).numpy()
        outer, inner = cv2.dilate(brought.astype(np.uint8), band) > 0, cv2.erode(brought.astype(np.uint8), band) > 0
        labels = np.where(outer, np.where(brought, cv2.GC_PR_FGD, cv2.GC_PR_BGD), cv2.GC_BGD).astype(np.uint8)
        labels[inner] = cv2.GC_FGD
        now = brought
        if brought.sum() > 10:
            models = np.zeros((1, 65)), np.zeros((1, 65))
            cv2.setRNGSeed(0)
            try:
                cv2.grabCut(case.frames[t], labels, (0, 0, 1, 1), *models, 3, cv2.GC_INIT_WITH_MASK)
                now = labels % 2 == 1
            except cv2.error:  # one of the two has no pixels left: the flow's answer stays
                now = brought
        found.append(now)
    return np.stack(found)


def _back(case: Labelled, t: int) -> torch.Tensor:
    pair = [torch.from_numpy(case.frames[k]).permute(2, 0, 1)[None].float() / 255 for k in (t, t - 1)]
    return dis_flow(pair[0], pair[1])


BASELINES = {"frozen box": frozen, "flow alone": by_flow, "GrabCut per frame": by_grab_cut}


def ours(case: Labelled, start: str, options: BenchOptions) -> tuple[np.ndarray, Found]:
    """What ``masks.method=track`` makes of the first frame's boxes or of its mask, nothing added around it.

    Returns:
        ``T H W`` bool and everything that was found.
    """
    method, clip = mask_method("track"), ArrayView(case.frames)
    config = method.card.config.model_validate({"soft": 0, "shutter": 0.0, "level": 0.5})
    texts = (f"mask={START}@0",)
    if start == "box":
        texts = tuple(f"part{k}:box={x},{y},{w},{h}@0" for k, (x, y, w, h) in enumerate(case.boxes()))
    asked = Asked(Path(case.name), Path(case.name), objects=texts)
    white = np.repeat(np.where(case.truth[0], 255, 0).astype(np.uint8)[..., None], 4, axis=2)
    context = FindContext(
        asked, pick_device(options.device), branch(options.seed, case.name, start), image=lambda _path: white
    )
    found = method.find(clip, config, context)
    nothing = torch.zeros((len(clip), 1, *clip.size), dtype=torch.bool)
    masks = method.masks(found, SpanRequest(range(len(clip)), clip, nothing, nothing), config).masks
    return masks[:, 0].numpy(), found


def confidence(found: Found) -> np.ndarray:
    """``T``, the least confidence of all objects."""
    objects: list[Mapping[str, list[float]]] = found.facts["objects"]
    return np.array([o["confidence"] for o in objects]).min(axis=0)
