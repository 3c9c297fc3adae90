"""Objects followed from a hint: what is found, what is said, what is refused."""

import copy
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from tests.methods.track.scenes import HEIGHT, QUICK, SIDE, WIDTH, Clip, context, ground, moving
from vidinternal.core.errors import MaskError
from vidinternal.core.finding import EXTENTS, Asked, FindContext, Found, SpanRequest
from vidinternal.core.stop import Interrupted
from vidinternal.learn.resume import FileCheckpoints
from vidinternal.learn.state_tree import attach_tensors, detach_tensors
from vidinternal.methods import mask_method
from vidinternal.methods.track import carry as carrying
from vidinternal.methods.track.config import Config
from vidinternal.ops.regions import jaccard

METHOD = mask_method("track")
BOX = f"box=8,22,{SIDE + 6},{SIDE + 6}@0"


def settings(**given: object) -> Config:
    return Config.model_validate(QUICK | given)


def masks(found: Found, clip: Clip, config: Config | None = None) -> np.ndarray:
    nothing = torch.zeros(len(clip), 1, *clip.size, dtype=torch.bool)
    request = SpanRequest(range(len(clip)), clip, nothing, nothing)
    return METHOD.masks(found, request, config or settings()).masks[:, 0].numpy()


def find(clip: Clip, asked: FindContext, config: Config | None = None) -> Found:
    return METHOD.find(clip, config or settings(), asked)


@pytest.fixture(scope="module")
def walk() -> tuple[Clip, np.ndarray]:
    frames, truth = moving([(11 + 6 * t, 25) for t in range(7)])
    return Clip(frames), truth


@pytest.fixture(scope="module")
def followed(walk: tuple[Clip, np.ndarray]) -> Found:
    return find(walk[0], context([BOX]))


def test_an_object_is_followed_from_a_box(walk: tuple[Clip, np.ndarray], followed: Found) -> None:
    clip, truth = walk
    found = masks(followed, clip)
    assert np.mean([jaccard(f, t) for f, t in zip(found, truth, strict=True)]) > 0.75
    assert not followed.facts["objects"][0]["worklist"]


def test_the_same_seed_gives_the_same_bytes(walk: tuple[Clip, np.ndarray], followed: Found) -> None:
    again = find(walk[0], context([BOX]))
    assert again.arrays.keys() == followed.arrays.keys()
    for name, array in followed.arrays.items():
        assert torch.equal(array, again.arrays[name]), name


def test_the_extents_hold_every_mask(walk: tuple[Clip, np.ndarray], followed: Found) -> None:
    clip, _ = walk
    config = settings(soft=4, shutter=1.0)
    grown = find(clip, context([BOX]), config)
    for index, mask in enumerate(masks(grown, clip, config)):
        y0, y1, x0, x1 = grown.arrays[EXTENTS][index].tolist()
        outside = mask.copy()
        outside[y0:y1, x0:x1] = False
        assert not outside.any()
    assert masks(grown, clip, config).sum() > masks(followed, clip).sum()


def test_a_lower_level_masks_what_a_higher_one_does_and_more(walk: tuple[Clip, np.ndarray], followed: Found) -> None:
    clip, _ = walk
    high, low = (masks(followed, clip, settings(level=level)) for level in (0.5, 0.1))
    assert not (high & ~low).any()
    assert low.sum() > high.sum()


def test_there_is_something_to_look_at(followed: Found) -> None:
    sheet = cv2.imdecode(np.frombuffer(followed.files["sheet.png"], np.uint8), cv2.IMREAD_COLOR)
    assert sheet is not None
    assert sheet.shape[1] >= WIDTH
    assert followed.files["overlay.webp"][8:12] == b"WEBP"


def test_any_span_gives_the_same_masks(walk: tuple[Clip, np.ndarray], followed: Found) -> None:
    clip, _ = walk
    whole = masks(followed, clip)
    nothing = torch.zeros(2, 1, *clip.size, dtype=torch.bool)
    part = METHOD.masks(followed, SpanRequest(range(3, 5), clip, nothing, nothing), settings()).masks[:, 0].numpy()
    assert np.mean(part != whole[3:5]) < 0.01


def test_what_was_given_and_drawn_is_added(walk: tuple[Clip, np.ndarray], followed: Found) -> None:
    clip, _ = walk
    given, drawn = (torch.zeros(len(clip), 1, *clip.size, dtype=torch.bool) for _ in range(2))
    given[0, 0, 2, 2] = drawn[1, 0, 3, 3] = True
    found = METHOD.masks(followed, SpanRequest(range(len(clip)), clip, given, drawn), settings()).masks
    assert found[0, 0, 2, 2]
    assert found[1, 0, 3, 3]


def test_a_further_hint_leaves_the_rest_and_is_not_followed_twice(
    walk: tuple[Clip, np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip, truth = walk
    steps: list[int] = []
    original = carrying._State.step

    def counted(self: carrying._State, index: int) -> None:
        steps.append(index)
        original(self, index)

    monkeypatch.setattr(carrying._State, "step", counted)
    kept = FileCheckpoints(tmp_path)
    hint = f"box={8 + 6 * 3},22,{SIDE + 6},{SIDE + 6}@3"
    last = f"box={8 + 6 * 6},22,{SIDE + 6},{SIDE + 6}@6"
    first = find(clip, context([BOX, hint], checkpoint=kept))
    assert sorted(steps) == [1, 1, 2, 2, 4, 5, 6]
    steps.clear()
    second = find(clip, context([BOX, hint, last], checkpoint=kept))
    assert sorted(steps) == [4, 5], "only the way from the new hint to its neighbour is new"
    before, after = masks(first, clip), masks(second, clip)
    assert np.array_equal(before[:4], after[:4])
    assert jaccard(after[6], truth[6]) > 0.75


class Dying:
    """Checkpoints in memory of a process that is killed after some frames."""

    def __init__(self, alive: int) -> None:
        self.kept: dict[str, dict[str, Any]] = {}
        self.alive = alive

    def load(self, piece: str, fits: str) -> dict[str, Any] | None:
        return copy.deepcopy(self.kept.get(f"{piece} {fits}"))

    def save(self, piece: str, fits: str, state: Mapping[str, Any]) -> None:
        tensors: list[torch.Tensor] = []

        def put(tensor: torch.Tensor) -> str:
            tensors.append(tensor.clone())
            return str(len(tensors) - 1)

        plain = json.loads(json.dumps(detach_tensors(state, put)))
        self.kept[f"{piece} {fits}"] = attach_tensors(plain, lambda name: tensors[int(name)])

    def offer(self, piece: str, fits: str, state: Callable[[], Mapping[str, Any]]) -> None:
        self.save(piece, fits, state())
        self.alive -= 1
        if not self.alive:
            raise Interrupted("killed")


@pytest.mark.parametrize("alive", [1, 4])
def test_what_was_killed_on_its_way_goes_on_from_the_last_checkpoint_to_the_same_bytes(
    walk: tuple[Clip, np.ndarray], followed: Found, alive: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, steps = Dying(alive), []
    original = carrying._State.step

    def counted(self: carrying._State, index: int) -> None:
        steps.append(index)
        original(self, index)

    with pytest.raises(Interrupted):
        find(walk[0], context([BOX], checkpoint=kept))
    monkeypatch.setattr(carrying._State, "step", counted)
    again = find(walk[0], context([BOX], checkpoint=kept))
    assert steps == list(range(alive + 1, len(walk[0])))
    for name, array in followed.arrays.items():
        assert torch.equal(array, again.arrays[name]), name


def test_a_hidden_object_is_looked_for_by_the_same_network_after_a_kill() -> None:
    clip = Clip(moving([(30, 25), (33, 25), None, None, (42, 25), (45, 25)])[0])
    config, asked = settings(first_steps=60, steps=2), [f"box=27,22,{SIDE + 6},{SIDE + 6}@0"]
    whole, kept = find(clip, context(asked), config), Dying(3)
    with pytest.raises(Interrupted):
        find(clip, context(asked, checkpoint=kept), config)
    again = find(clip, context(asked, checkpoint=kept), config)
    assert again.facts == whole.facts
    assert torch.equal(again.arrays["0.pixels"], whole.arrays["0.pixels"])


def test_confidence_falls_where_the_track_does_not_follow_the_object(walk: tuple[Clip, np.ndarray]) -> None:
    clip, truth = walk
    rows = np.roll(truth[3], 6, axis=1).astype(np.float32)
    picture = clip.small([3])[0]
    right = carrying.estimate(picture, truth[3].astype(np.float32), 0.9, 0.9)
    assert right > carrying.estimate(picture, rows, 0.9, 0.9), "an outline beside the edges"
    assert right > carrying.estimate(picture, truth[3].astype(np.float32), 0.3, 0.9), "what was disagreed on adds up"
    assert right > carrying.estimate(picture, truth[3].astype(np.float32), 0.9, 0.2), "a network that sees nothing"
    assert carrying.estimate(picture, np.zeros_like(rows), 0.9, 0.9) == 0
    assert 0 <= carrying.estimate(picture, np.ones_like(rows), 0.0, 0.9) <= 1


def test_a_point_repairs_what_was_followed(walk: tuple[Clip, np.ndarray]) -> None:
    clip, truth = walk
    found = find(clip, context([BOX, f"point={11 + 6 * 4 + 10},40@4"]))
    assert found.facts["objects"][0]["hints"] == [0, 4]
    assert jaccard(masks(found, clip)[4], truth[4]) > 0.7


def test_a_mask_and_a_scribble_are_taken_from_pictures(walk: tuple[Clip, np.ndarray]) -> None:
    clip, truth = walk
    white = np.repeat(np.where(truth[0], 255, 0).astype(np.uint8)[..., None], 4, axis=2)
    found = find(clip, context(["mask=a.png@0"], image=lambda _: white))
    assert jaccard(masks(found, clip)[0], truth[0]) > 0.9
    strokes = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    strokes[34:37, 14:28] = (0, 255, 0, 255)
    strokes[4:8, 5:100] = strokes[62:66, 5:100] = (255, 0, 0, 255)
    found = find(clip, context(["scribble=a.png@0"], image=lambda _: strokes))
    assert jaccard(masks(found, clip)[0], truth[0]) > 0.6


def test_two_objects_have_a_track_each() -> None:
    frames, _ = moving([(11 + 5 * t, 4) for t in range(4)])
    below, _ = moving([(70 - 5 * t, 48) for t in range(4)])
    frames[:, 40:] = below[:, 40:]
    clip = Clip(frames)
    two = context(["a:box=8,1,26,26@0", "b:box=67,45,26,26@0"])
    found = find(clip, two, settings(first_steps=50))
    assert [o["name"] for o in found.facts["objects"]] == ["a", "b"]
    both = masks(found, clip)
    assert both[2, 10, 26]
    assert both[2, 58, 68]


def test_it_stops_at_cuts_and_says_so() -> None:
    first, _ = moving([(11 + 6 * t, 25) for t in range(3)])
    second, _ = moving([(20, 20)] * 3, seed=5)
    clip = Clip(np.concatenate([first, second]), cuts=[3])
    found = find(clip, context([BOX]))
    assert not masks(found, clip)[3:].any()
    assert any("frames 3-5" in note for note in found.facts["notes"])
    at_cut = find(clip, context([f"box=17,17,{SIDE + 6},{SIDE + 6}@3"]))
    assert any("stands at a cut" in note for note in at_cut.facts["notes"])
    assert not masks(at_cut, clip)[:3].any()
    assert masks(at_cut, clip)[4].any()


def test_an_object_that_leaves_is_told_with_its_frame() -> None:
    frames, _ = moving([(60, 25), (72, 25), (84, 25), (97, 25), None, None])
    clip = Clip(frames)
    found = find(clip, context([f"box=57,22,{SIDE + 6},{SIDE + 6}@0"]))
    first, last, why = found.facts["objects"][0]["lost"][0]
    assert 3 <= first <= 5
    assert last == 5
    assert "leaves" in why
    assert any(f"lost on frame {first}" in note for note in found.facts["notes"])
    assert not masks(found, clip)[5].any()


def test_an_object_that_was_hidden_is_found_again() -> None:
    frames, truth = moving([(30, 25), (33, 25), None, None, (42, 25), (45, 25)])
    clip = Clip(frames)
    config = settings(first_steps=60, steps=2)
    found = find(clip, context([f"box=27,22,{SIDE + 6},{SIDE + 6}@0"]), config)
    lost = found.facts["objects"][0]["lost"]
    assert lost
    assert (lost[0][0], "hidden" in lost[0][2]) == (2, True)
    assert 2 in found.facts["objects"][0]["worklist"]
    assert jaccard(masks(found, clip, config)[5], truth[5]) > 0.5


def test_spans_and_excluded_areas_of_a_file_hold(walk: tuple[Clip, np.ndarray], tmp_path: Path) -> None:
    path = tmp_path / "hints.yaml"
    path.write_text(
        "version: 1\nobjects:\n  - spans: [{from: 1, to: 5}]\n"
        f"    hints: [{{frame: 0, box: [8, 22, {SIDE + 6}, {SIDE + 6}]}}]\n"
        'exclude:\n  - {region: [0, 0, 112, 35], from: "0:00.3"}\n',
        encoding="utf-8",
    )
    clip, _ = walk
    found = masks(find(clip, context(hints=path)), clip)
    assert [bool(m.any()) for m in found] == [False, True, True, True, True, False, False]
    assert found[2, :35].any()
    assert not found[3, :35].any()


def test_a_shadow_is_found_where_it_is_asked_for() -> None:
    frames, truth = moving([(8 + 9 * t, 25) for t in range(9)])
    dark = np.zeros_like(truth)
    for t in range(9):
        dark[t, 46:56, 8 + 9 * t : 8 + 9 * t + SIDE] = True
    frames[dark] = (frames[dark] * 0.55).astype(np.uint8)
    clip = Clip(frames)
    box = f"box=5,22,{SIDE + 6},24@0"
    plain = masks(find(clip, context([box])), clip)
    shaded = masks(find(clip, context([box]), settings(shadow=True)), clip)
    assert (plain[4] & dark[4]).sum() < 0.4 * dark[4].sum()
    assert (shaded[4] & dark[4]).sum() > 0.6 * dark[4].sum()
    assert (shaded[4] & ~dark[4] & ~truth[4]).mean() < 0.05


@pytest.mark.parametrize(
    ("hints", "says"),
    [
        (["box=100,22,26,26@0"], "inside the 112x72 picture(.|\\n)*box=100,22,12,26"),
        (["box=120,22,26,26@0"], "inside the 112x72 picture(.|\\n)*upper left corner"),
        (["box=8,22,26,26@7"], "from 0 to 6(.|\\n)*frame 7(.|\\n)*@6, the last one"),
        (["box=8,22,26,26@0:01"], "before 0.700 s(.|\\n)*1.000 s"),
        (["point=112,5@0"], "inside the 112x72 picture"),
        (["polygon=1,1;5,5;120,9"], "inside the 112x72 picture"),
        (["polygon=1,1;1,1;1,1"], "with an area"),
        (["box=0,0,112,72@0"], "fills the frame(.|\\n)*closer around"),
        (["box=8,22,26,26@0", "box=60,2,26,26@0"], "one box, polygon or mask"),
        (["point=20,30@0", "not=20,30@0"], "agrees with"),
        (["box=8,22,26,26@0", "point=90,60@0"], "agrees with"),
        (["not=20,30@0"], "only where it is not(.|\\n)*add box="),
    ],
)
def test_hints_that_cannot_be_are_refused(walk: tuple[Clip, np.ndarray], hints: list[str], says: str) -> None:
    with pytest.raises(MaskError, match=says):
        find(walk[0], context(hints))


@pytest.mark.parametrize(
    ("picture", "says"),
    [
        (np.zeros((10, 10, 4), np.uint8), "a picture of 112x72(.|\\n)*over a frame of the clip"),
        (np.zeros((HEIGHT, WIDTH, 4), np.uint8), "white"),
    ],
)
def test_pictures_that_cannot_be_are_refused(walk: tuple[Clip, np.ndarray], picture: np.ndarray, says: str) -> None:
    for kind in ("mask", "scribble"):
        with pytest.raises(MaskError, match=says):
            find(walk[0], context([f"{kind}=a.png@0"], image=lambda _: picture))


def test_excluded_areas_outside_the_picture_are_refused(walk: tuple[Clip, np.ndarray], tmp_path: Path) -> None:
    path = tmp_path / "hints.yaml"
    text = "version: 1\nobjects: [{hints: [{box: [8, 22, 26, 26]}]}]\nexclude: [{region: [0, 0, 200, 9]}]\n"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(MaskError, match="inside the 112x72 picture"):
        find(walk[0], context(hints=path))
    path.write_text(text.replace("200, 9]", "20, 9], from: 50"), encoding="utf-8")
    with pytest.raises(MaskError, match="a start inside the clip"):
        find(walk[0], context(hints=path))


def test_a_job_without_hints_or_with_pictures_that_are_not_there_is_refused(tmp_path: Path) -> None:
    source, destination = Path("clip.mp4"), Path("out.mp4")
    with pytest.raises(MaskError, match="no object was pointed at"):
        METHOD.check(Asked(source, destination), Config())
    with pytest.raises(MaskError, match="no file"):
        METHOD.check(Asked(source, destination, objects=(f"mask={tmp_path}/none.png",)), Config())
    METHOD.check(Asked(source, destination, objects=(BOX,)), Config())


def test_one_frame_and_odd_sizes_work() -> None:
    frames = ground()[:37, :41][None].copy()
    frames[0, 10:22, 8:20] = (210, 25, 35)
    clip = Clip(frames)
    assert masks(find(clip, context(["box=6,8,16,16@0"])), clip)[0, 15, 13]


def test_what_does_not_part_from_its_surroundings_is_told() -> None:
    clip = Clip(np.full((2, HEIGHT, WIDTH, 3), 90, np.uint8))
    found = find(clip, context(["box=20,20,30,30@0"]))
    assert any("do not part" in note for note in found.facts["notes"])
