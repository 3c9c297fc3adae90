"""Objects of one shot followed by SAM 2's video predictor, a piece of the shot at a time."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from vidinternal.core.clip import Shot
from vidinternal.ops.dis import dis_flow
from vidinternal.ops.objects.frames import SmallFrames
from vidinternal.ops.objects.path import Path, Writer
from vidinternal.ops.objects.seeds import OBJECT, Seed

_QUALITY = 95
"""Of the JPEG files that frames are handed over as."""
_MARGIN = 24
Beliefs = Mapping[str, np.ndarray]
Given = Mapping[int, Mapping[str, Seed]]
"""Hints by frame and object."""


@dataclass
class Sam:
    """SAM 2 and a clip.

    Attributes:
        model: Its video predictor.
        frames: The clip, small.
        at_once: Frames it remembers at once.
        tell: Told how many frames of a shot are done, and which frame this is.
    """

    model: Any
    frames: SmallFrames
    at_once: int
    tell: Callable[[int, int], None]

    def follow(self, shot: Shot, start: int, given: Given) -> dict[str, Path]:
        """Follow objects through a shot, both ways from the frame they are first known on.

        Args:
            shot: The shot.
            start: The frame on which every one of them has a hint.
            given: All their hints in this shot.

        Returns:
            By object, a row for every frame of the shot.
        """
        names = list(given[start])
        ahead, behind = {n: Writer() for n in names}, {n: Writer() for n in names}
        done = 0
        for written, stop in ((ahead, shot.end), (behind, shot.start - 1)):
            if stop == start - 1 and start == shot.start:
                continue
            for index, logits in self._walk(start, stop, given):
                if written is behind and index == start:
                    continue
                done += 1
                self.tell(done, index)
                for name in names:
                    written[name].add(*self._row(shot, index, logits[name], hinted=name in given.get(index, {})))
        return {name: _joined(behind[name], ahead[name], self.frames.size) for name in names}

    def _row(
        self, shot: Shot, index: int, logits: np.ndarray, *, hinted: bool
    ) -> tuple[np.ndarray, float, tuple[float, float]]:
        """Belief, confidence and motion of one frame."""
        belief = 1 / (1 + np.exp(-np.clip(logits, -30, 30)))
        sure, possible = float((logits > 1).sum()), float((logits > -1).sum())
        seen = bool((logits > 0).any())
        # an outline that moves with the level it is cut at is in doubt (the stability score of ``ravi2024sam2``)
        confidence = (1.0 if hinted else max(0.01, sure / possible)) if seen else 0.0
        return belief, confidence, self._motion(shot, index, belief > 0.5)

    def _motion(self, shot: Shot, index: int, mask: np.ndarray) -> tuple[float, float]:
        """The object's median way to the frame after."""
        rows, columns = np.nonzero(mask)
        other = index + 1 if index + 1 < shot.end else index - 1
        if not len(rows) or other < shot.start:
            return 0.0, 0.0
        part = (
            slice(max(0, int(rows.min()) - _MARGIN), int(rows.max()) + 1 + _MARGIN),
            slice(max(0, int(columns.min()) - _MARGIN), int(columns.max()) + 1 + _MARGIN),
        )
        pair = [_tensor(self.frames[k][part]) for k in (index, other)]
        way = dis_flow(pair[0], pair[1])[0][:, torch.from_numpy(mask[part])].median(dim=1).values
        sign = 1.0 if other > index else -1.0
        return sign * float(way[0]), sign * float(way[1])

    def _walk(self, start: int, stop: int, given: Given) -> Iterator[tuple[int, Beliefs]]:
        """Frame after frame from ``start`` up to ``stop`` (excluded), pieces joined by the mask of their last."""
        step = 1 if stop > start else -1
        at, carried = start, None
        while True:
            last = at + step * min(self.at_once - 1, abs(stop - at) - 1)
            span = range(min(at, last), max(at, last) + 1)
            logits: Beliefs = {}
            for index, logits in self._piece(span, at, given, carried):
                if index != at or carried is None:
                    yield index, logits
            if last == stop - step:
                return
            at, carried = last, {name: found > 0 for name, found in logits.items()}

    def _piece(
        self, span: range, at: int, given: Given, carried: Mapping[str, np.ndarray] | None
    ) -> Iterator[tuple[int, Beliefs]]:
        """One piece outward from frame ``at``, an end of ``span``; nothing of it is kept afterwards."""
        names = list(given[at]) if carried is None else list(carried)
        number = {name: k for k, name in enumerate(names)}
        with tempfile.TemporaryDirectory(prefix="vidinternal-") as folder:
            for index in span:
                _, data = cv2.imencode(".jpg", self.frames[index][..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
                (FilePath(folder) / f"{index - span.start:05d}.jpg").write_bytes(data.tobytes())
            state = self.model.init_state(video_path=folder, offload_video_to_cpu=True)
        for name, mask in (carried or {}).items():
            self.model.add_new_mask(state, at - span.start, number[name], torch.from_numpy(mask))
        mine = [(k, n, seed) for k in span if k in given for n, seed in given[k].items() if carried is None or k != at]
        later = [one for one in mine if one[2].corrects and one[0] != at]
        for index, name, seed in (one for one in mine if one not in later):
            self._hint(state, index - span.start, number[name], seed)
        if later:
            # points correct what was followed there, so it must have been
            for _ in self._propagate(state, span, at):
                pass
            for index, name, seed in later:
                self._hint(state, index - span.start, number[name], seed)
        for place, found in self._propagate(state, span, at):
            yield place + span.start, {name: found[k] for name, k in number.items()}

    def _propagate(self, state: Any, span: range, at: int) -> Iterator[tuple[int, np.ndarray]]:
        """Frames of a piece and ``N h w`` logits of their objects, by number."""
        # from its first frame it does not go backward: there is nowhere to go
        reverse = at == span.stop - 1 and len(span) > 1
        for place, ids, logits in self.model.propagate_in_video(
            state, start_frame_idx=at - span.start, max_frame_num_to_track=len(span) - 1, reverse=reverse
        ):
            order = np.argsort(ids)
            yield int(place), logits[:, 0].float().cpu().numpy()[order]

    def _hint(self, state: Any, place: int, number: int, seed: Seed) -> None:
        height, width = self.frames.size
        if seed.exact:
            known = cv2.resize((seed.known == OBJECT).astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
            self.model.add_new_mask(state, place, number, torch.from_numpy(known > min(0.5, known.max() / 2)))
            return
        down, across = self.frames.scale
        points = [[(x + 0.5) / across, (y + 0.5) / down] for x, y, _ in seed.spots]
        labels = [int(mine) for _, _, mine in seed.spots]
        prompt: dict[str, Any] = {"points": np.array(points, np.float32), "labels": np.array(labels, np.int32)}
        if not points:
            prompt = {}
        if seed.bounds is not None:
            top, bottom, left, right = seed.bounds
            prompt["box"] = np.array([left / across, top / down, right / across, bottom / down], np.float32)
        self.model.add_new_points_or_box(state, frame_idx=place, obj_id=number, **prompt)


def _tensor(picture: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None].float() / 255


def _joined(behind: Writer, ahead: Writer, size: tuple[int, int]) -> Path:
    """One path of what was followed backward and forward."""
    joined = Writer()
    for written, rows in ((behind, reversed(range(len(behind.boxes)))), (ahead, range(len(ahead.boxes)))):
        path = written.path(0)
        for row in rows:
            joined.add(path.belief(row, size), written.confidence[row], written.motion[row])
    return joined.path(0)


def groups(seeds: Mapping[str, Sequence[Seed]], shot: Shot) -> dict[int, dict[int, dict[str, Seed]]]:
    """The hints of a shot by the frame their objects are first known on, then by frame, then by object.

    An object is first known on its first outline or mask, else on its first point that is on it; objects without
    either are in no group.
    """
    found: dict[int, dict[int, dict[str, Seed]]] = {}
    for name, own in seeds.items():
        mine = [s for s in own if shot.start <= s.index < shot.end]
        start = [s for s in mine if not s.corrects] or [s for s in mine if (s.known == OBJECT).any()]
        for seed in mine if start else []:
            found.setdefault(start[0].index, {}).setdefault(seed.index, {})[name] = seed
    return found
