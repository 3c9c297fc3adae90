"""SAM 2 as a method of the contract: hints, directions, pieces and cuts, on a stand-in for its package.

The stand-in has the API of ``sam2`` 1.1: it takes a folder of JPEG files and finds what has the colour that a prompt
points at.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from tests.methods.track.scenes import SIDE, Clip, context, moving
from vidinternal.core.errors import ConfigError, MaskError, UsageError
from vidinternal.core.finding import EXTENTS, Asked, Found, SpanRequest
from vidinternal.learn.resume import FileCheckpoints
from vidinternal.methods import mask_method
from vidinternal.methods.sam2 import network
from vidinternal.methods.sam2.config import Config
from vidinternal.ops.regions import jaccard

METHOD = mask_method("sam2")
BLUE = (20, 60, 230)


class Predictor(torch.nn.Module):
    """What ``build_sam2_video_predictor`` gives, as far as it is used."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.zeros(1))
        self.calls: list[tuple[Any, ...]] = []

    def init_state(self, video_path: str, offload_video_to_cpu: bool = False) -> dict[str, Any]:
        files = sorted(Path(video_path).glob("*.jpg"), key=lambda p: int(p.stem))
        self.calls.append(("init", len(files)))
        assert offload_video_to_cpu
        read = [cv2.imread(str(f)) for f in files]
        return {
            "frames": [r[..., ::-1].astype(np.float32) for r in read if r is not None],
            "colours": {},
            "tracked": set(),
        }

    def add_new_mask(self, inference_state: dict[str, Any], frame_idx: int, obj_id: int, mask: torch.Tensor) -> None:
        self.calls.append(("mask", frame_idx, obj_id, bool(mask.any())))
        assert mask.dtype == torch.bool
        inside = inference_state["frames"][frame_idx][mask.numpy()]
        inference_state["colours"][obj_id] = np.median(inside, axis=0) if len(inside) else None

    def add_new_points_or_box(
        self,
        inference_state: dict[str, Any],
        frame_idx: int,
        obj_id: int,
        points: np.ndarray | None = None,
        labels: np.ndarray | None = None,
        box: np.ndarray | None = None,
    ) -> None:
        assert (points is None) == (labels is None)
        given = [] if points is None or labels is None else list(zip(points.tolist(), labels.tolist(), strict=True))
        self.calls.append(("prompt", frame_idx, obj_id, given, box, frame_idx in inference_state["tracked"]))
        mine = [place for place, label in given if label]
        if box is not None:
            mine = [[(box[0] + box[2]) / 2, (box[1] + box[3]) / 2]]
        for x, y in mine:
            inference_state["colours"][obj_id] = inference_state["frames"][frame_idx][int(y), int(x)]

    def propagate_in_video(
        self,
        inference_state: dict[str, Any],
        start_frame_idx: int,
        max_frame_num_to_track: int,
        reverse: bool,
    ) -> Iterator[tuple[int, list[int], torch.Tensor]]:
        self.calls.append(("propagate", start_frame_idx, max_frame_num_to_track, reverse))
        step, ids = (-1 if reverse else 1), list(inference_state["colours"])
        last = start_frame_idx + step * max_frame_num_to_track
        for k in range(start_frame_idx, last + step, step):
            inference_state["tracked"].add(k)
            maps = [_like(inference_state["frames"][k], inference_state["colours"][i]) for i in ids]
            yield k, ids, torch.from_numpy(np.stack(maps))[:, None]


def _like(frame: np.ndarray, colour: np.ndarray | None) -> np.ndarray:
    far = np.full(frame.shape[:2], 99.0) if colour is None else np.linalg.norm(frame - colour, axis=-1)
    return (8 * (1 - far / 60)).clip(-8, 8).astype(np.float32)


@pytest.fixture
def sam(monkeypatch: pytest.MonkeyPatch) -> Predictor:
    """The stand-in where the package would be."""
    model = Predictor()

    def build(config_file: str, ckpt_path: str | None, **given: Any) -> Predictor:
        model.calls.append(("build", config_file, ckpt_path, given["apply_postprocessing"]))
        return model

    for name in ("sam2", "sam2.build_sam", "sam2.sam2_video_predictor", "sam2.utils", "sam2.utils.misc"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    sys.modules["sam2.build_sam"].__dict__["build_sam2_video_predictor"] = build
    monkeypatch.setattr(network, "torchvision_module", lambda: None)
    network._loaded.cache_clear()
    return model


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "weights.safetensors"
    save_file({"scale": torch.full((1,), 3.0)}, path)
    return path


def settings(weights: Path | None, **given: object) -> Config:
    chosen = {"network": "sam2.1_hiera_t", "soft": 0, "shutter": 0.0, "weights": weights}
    return Config.model_validate(chosen | given)


def scene(count: int = 7) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A red square that goes right above a blue one that goes left, and the masks of both."""
    frames, red = moving([(11 + 6 * t, 4) for t in range(count)])
    blue = np.zeros_like(red)
    for t in range(count):
        blue[t, 48 : 48 + SIDE, 80 - 5 * t : 80 - 5 * t + SIDE] = True
    frames[blue] = BLUE
    return frames, red, blue


def masks(found: Found, clip: Clip, config: Config) -> np.ndarray:
    nothing = torch.zeros(len(clip), 1, *clip.size, dtype=torch.bool)
    return METHOD.masks(found, SpanRequest(range(len(clip)), clip, nothing, nothing), config).masks[:, 0].numpy()


def kinds(sam: Predictor, kind: str) -> list[tuple[Any, ...]]:
    return [call[1:] for call in sam.calls if call[0] == kind]


def test_objects_are_followed_both_ways_from_their_hints(sam: Predictor, weights: Path) -> None:
    frames, red, blue = scene()
    clip, config = Clip(frames), settings(weights)
    found = METHOD.find(clip, config, context(["a:box=26,2,26,24@3", "b:point=75,58@3"]))
    together = masks(found, clip, config)
    for t in range(7):
        assert jaccard(together[t] & (np.arange(72) < 36)[:, None], red[t]) > 0.75
        assert jaccard(together[t] & (np.arange(72) >= 36)[:, None], blue[t]) > 0.75
    assert kinds(sam, "build") == [("configs/sam2.1/sam2.1_hiera_t.yaml", None, False)]
    assert kinds(sam, "propagate") == [(0, 3, False), (3, 3, True)]
    assert kinds(sam, "init") == [(4,), (4,)]
    assert float(sam.scale.detach()) == 3.0, "the weights are those of the file"
    facts = found.facts["objects"]
    assert [o["name"] for o in facts] == ["a", "b"]
    assert facts[0]["confidence"][3] == 1
    assert min(facts[0]["confidence"]) > 0.5
    assert found.files["overlay.webp"][8:12] == b"WEBP"
    for index, mask in enumerate(together):
        y0, y1, x0, x1 = found.arrays[EXTENTS][index].tolist()
        mask[y0:y1, x0:x1] = False
        assert not mask.any()


def test_the_motion_is_that_of_the_object(sam: Predictor, weights: Path) -> None:
    frames, _, _ = scene(4)
    ahead = METHOD.find(Clip(frames), settings(weights), context(["box=8,2,26,24@0"]))
    back = METHOD.find(Clip(frames[::-1].copy()), settings(weights), context(["box=26,2,26,24@0"]))
    assert np.allclose(ahead.arrays["0.motion"].numpy(), (6, 0), atol=1.5)
    assert np.allclose(back.arrays["0.motion"].numpy(), (-6, 0), atol=1.5)


def test_long_shots_are_followed_in_pieces_joined_by_the_mask_of_the_last_frame(sam: Predictor, weights: Path) -> None:
    frames, red, _ = scene()
    clip, config = Clip(frames), settings(weights, at_once=3)
    whole = METHOD.find(clip, settings(weights), context(["box=8,2,26,24@0"]))
    sam.calls.clear()
    found = METHOD.find(clip, config, context(["box=8,2,26,24@0"]))
    assert kinds(sam, "init") == [(3,)] * 3
    assert kinds(sam, "mask") == [(0, 0, True)] * 2
    assert jaccard(masks(found, clip, config)[6], red[6]) > 0.75
    assert found.arrays["0.boxes"].shape == whole.arrays["0.boxes"].shape


def test_points_on_a_later_frame_correct_what_was_followed_there(sam: Predictor, weights: Path) -> None:
    frames, _, _ = scene()
    hints = ["box=8,2,26,24@0", "point=31,14@4", "not=5,60@4"]
    METHOD.find(Clip(frames), settings(weights), context(hints))
    first, second = kinds(sam, "prompt")
    assert (first[0], first[4]) == (0, False)
    assert first[3].tolist() == [8, 2, 34, 26]
    assert (second[0], second[4]) == (4, True), "it was followed before it was corrected"
    assert second[2] == [([31.5, 14.5], 1), ([5.5, 60.5], 0)]
    assert len(kinds(sam, "propagate")) == 2


def test_masks_strokes_and_polygons_are_handed_over_at_the_size_of_the_frames(sam: Predictor, weights: Path) -> None:
    frames, red, _ = scene(2)
    clip, config = Clip(frames), settings(weights, work_height=36)
    white = np.repeat(np.where(red[0], 255, 0).astype(np.uint8)[..., None], 4, axis=2)
    found = METHOD.find(clip, config, context(["mask=a.png@0"], image=lambda _: white))
    assert kinds(sam, "mask") == [(0, 0, True)]
    assert jaccard(masks(found, clip, config)[0], red[0]) > 0.7
    strokes = np.zeros((*clip.size, 4), np.uint8)
    strokes[12:15, 14:28] = (0, 255, 0, 255)
    strokes[40:44, 5:100] = (255, 0, 0, 255)
    METHOD.find(clip, config, context(["scribble=a.png@0"], image=lambda _: strokes))
    points = kinds(sam, "prompt")[-1][2]
    assert {label for _, label in points} == {0, 1}
    for (x, y), label in points:
        assert strokes[int(2 * y), int(2 * x), 1 if label else 0] == 255
    METHOD.find(clip, config, context(["polygon=10,4;30,4;30,24;10,24@0"]))
    assert kinds(sam, "prompt")[-1][3].tolist() == [5, 2, 15.5, 12.5]


def test_it_stops_at_cuts_and_says_so(sam: Predictor, weights: Path) -> None:
    frames, _, _ = scene(6)
    clip, config = Clip(frames, cuts=[3]), settings(weights)
    found = METHOD.find(clip, config, context(["box=8,2,26,24@0"]))
    assert [bool(m.any()) for m in masks(found, clip, config)] == [True] * 3 + [False] * 3
    assert any("frames 3-5" in note for note in found.facts["notes"])
    assert kinds(sam, "init") == [(3,)], "nothing beyond the cut was handed over"
    found = METHOD.find(clip, config, context(["box=26,2,26,24@3", "not=5,60@0"]))
    assert any("only says where it is not" in note for note in found.facts["notes"])
    assert any("stands at a cut" in note for note in found.facts["notes"])
    assert [bool(m.any()) for m in masks(found, clip, config)] == [False] * 3 + [True] * 3


def test_what_is_not_seen_is_told(sam: Predictor, weights: Path) -> None:
    frames, _ = moving([(30, 25), (33, 25), None, (39, 25)])
    clip = Clip(frames)
    found = METHOD.find(clip, settings(weights), context(["box=27,22,26,26@0"]))
    assert found.facts["objects"][0]["lost"] == [[2, 2, "hidden, or its track was lost"]]
    assert 2 in found.facts["objects"][0]["worklist"]
    gone = Clip(moving([(84, 25), (95, 25), None, None])[0])
    found = METHOD.find(gone, settings(weights), context(["box=81,22,26,26@0"]))
    assert found.facts["objects"][0]["lost"] == [[2, 3, "it leaves the picture"]]


def test_a_shot_that_was_followed_is_not_followed_again(sam: Predictor, weights: Path, tmp_path: Path) -> None:
    clip, config, kept = Clip(scene(4)[0], cuts=[2]), settings(weights), FileCheckpoints(tmp_path / "kept")
    first = METHOD.find(clip, config, context(["box=8,2,26,24@0"], checkpoint=kept))
    sam.calls.clear()
    second = METHOD.find(clip, config, context(["box=8,2,26,24@0", "box=20,2,26,24@2"], checkpoint=kept))
    assert kinds(sam, "init") == [(2,)], "the other shot alone"
    assert np.array_equal(masks(first, clip, config)[:2], masks(second, clip, config)[:2])


def test_one_frame_works_and_the_folder_of_frames_goes(
    sam: Predictor, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = set(tmp_path.iterdir())
    clip, config = Clip(scene(1)[0][:, :37, :41]), settings(weights)
    found = METHOD.find(clip, config, context(["box=8,2,26,24@0"]))
    assert masks(found, clip, config)[0, 10, 15]
    assert set(tmp_path.iterdir()) == before


@pytest.mark.usefixtures("sam")
def test_settings_that_cannot_work_are_refused_before_any_work(weights: Path, tmp_path: Path) -> None:
    asked = Asked(Path("clip.mp4"), Path("out.mp4"), objects=("box=1,1,9,9",))
    METHOD.check(asked, settings(weights))
    with pytest.raises(MaskError, match="no object was pointed at"):
        METHOD.check(Asked(Path("clip.mp4"), Path("out.mp4")), settings(weights))
    with pytest.raises(ConfigError, match=r"masks\.weights"):
        METHOD.check(asked, settings(None))
    with pytest.raises(ConfigError, match="no file"):
        METHOD.check(asked, settings(tmp_path / "none.safetensors"))
    with pytest.raises(ConfigError, match=r"masks\.network"):
        METHOD.check(asked, settings(weights, network=None))


@pytest.mark.usefixtures("sam")
def test_weights_of_another_kind_or_network_are_refused(tmp_path: Path) -> None:
    pickled, other = tmp_path / "sam2.pt", tmp_path / "other.safetensors"
    pickled.write_bytes(b"PK\x03\x04 not tensors")
    save_file({"something": torch.ones(2)}, other)
    for path, says in ((pickled, r"a \.safetensors file"), (other, "'scale' of shape")):
        with pytest.raises(ConfigError, match=says):
            METHOD.find(Clip(scene(2)[0]), settings(path), context(["box=8,2,26,24@0"]))


def test_without_the_package_one_line_tells_what_to_install(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in sys.modules if n.split(".")[0] == "sam2"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    asked = Asked(Path("clip.mp4"), Path("out.mp4"), objects=("box=1,1,9,9",))
    with pytest.raises(UsageError, match=re.escape(network.INSTALL)):
        METHOD.check(asked, settings(weights))


def test_a_package_that_sam2_needs_is_named(weights: Path, sam: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> ModuleType:
        raise ModuleNotFoundError(name, name="hydra")

    monkeypatch.setattr(network.importlib, "import_module", missing)
    with pytest.raises(UsageError, match="no package 'hydra'"):
        METHOD.find(Clip(scene(2)[0]), settings(weights), context(["box=8,2,26,24@0"]))
