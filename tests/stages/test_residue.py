"""What is left of an overlay after its removal is found, told, and filled once more."""

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.media_made import Recipe, make
from vidinternal.core.budget import Budget
from vidinternal.core.clip import Shot, Window
from vidinternal.core.finding import Found, MaskedSpan
from vidinternal.media.probe import probe
from vidinternal.runner.spec import load_pipeline
from vidinternal.stages import residue
from vidinternal.stages.artifacts import Again, Fill, InClip, MaskTrack, Patches, Windows
from vidinternal.stages.base import JobInputs, StageContext
from vidinternal.stages.decode import FrameSource
from vidinternal.stages.residue import Residue, ResultView, frames_of

FRAMES = 10
SETS = ("inpaint.method=harmonic", "inpaint.copies=0", "masks.context=16", "shots.detector=none")


class Search:
    """Stands for a search: finds columns that are all but white."""

    def find(self, view: Any, _config: Any, _context: Any) -> Found:
        bright = (view.rgb(0, len(view)).amin(dim=1, keepdim=True) > 0.97).float()
        return Found({"events": [{"id": "e0001"}] if bright.any() else []}, {"bright": bright})

    def masks(self, found: Found, request: Any, _config: Any) -> MaskedSpan:
        return MaskedSpan(found.arrays["bright"][request.span.start : request.span.stop] > 0)


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Residue, dict[str, Any], StageContext]:
    info = probe(make(Recipe("clip.mkv", size=(64, 48), frames=FRAMES), tmp_path))
    spec = load_pipeline("remove_subtitles", SETS)
    stage = spec.stage("residue")
    assert isinstance(stage, Residue)
    monkeypatch.setattr(residue, "mask_method", lambda _name: Search())
    frames, window = FrameSource(info), Window(0, 0, 0, FRAMES, 0)
    masks = torch.zeros(FRAMES, 1, 48, 64, dtype=torch.bool)
    masks[:, :, 20:28, 20:40] = True
    inputs: dict[str, Any] = {
        "frames": frames,
        "windows": Windows((Shot(0, 0, FRAMES),), (window,)),
        "masks": MaskTrack(masks, (0, 48, 0, 64)),
        "fill": Fill(None, None),
        "previous:fill": None,
        "found": InClip(Found({"events": [{}]})),
    }
    job = JobInputs(info.path, tmp_path / "out.mkv")
    return stage, inputs, StageContext(job=job, info=info, device=torch.device("cpu"), window=window)


def painted(inputs: Mapping[str, Any], rows: slice | None) -> Patches:
    """Patches that fill the hole with grey, and leave a white bar in some rows of frames 3 to 5."""
    made = {}
    for native in inputs["frames"].native(0, FRAMES):
        luma = native.planes[0][16:32, 16:44].copy()
        luma[4:12, 4:24] = 120
        if rows is not None and 3 <= native.index <= 5:
            luma[rows, 4:24] = 235
        grey = [native.planes[k][8:16, 8:22].copy() * 0 + 128 for k in (1, 2)]
        made[native.index] = ((16, 16, luma), (8, 8, grey[0]), (8, 8, grey[1]))
    return Patches(made)


def run(case: tuple[Residue, dict[str, Any], StageContext], rows: slice | None) -> Again:
    stage, inputs, context = case
    return stage.run({**inputs, "patches": painted(inputs, rows)}, context)["again"]


def test_nothing_is_made_again_where_nothing_is_left(case: Any) -> None:
    assert run(case, None) == Again()


def test_what_is_left_is_told_and_filled_once_more(case: Any) -> None:
    again = run(case, slice(2, 6))  # two rows above the mask, too
    assert again.facts["frames"] == [[3, 5]]
    assert again.facts["redone"]
    assert again.facts["frames_after"] == []
    assert again.masks is not None
    assert again.patches is not None
    before = case[1]["masks"].masks
    assert (again.masks.masks | before).equal(again.masks.masks)
    assert again.masks.masks[4, 0, 17, 30]
    assert not again.masks.masks[0, 0, 17, 30]
    assert set(again.patches.frames) == set(range(FRAMES))


def test_without_time_or_leave_it_is_only_told(case: Any) -> None:
    stage, inputs, context = case
    late = (stage, inputs, StageContext(**{**context.__dict__, "budget": Budget(0.1)}))
    told = (Residue(stage.config.model_copy(update={"redo": False})), inputs, context)
    vars(told[0])["chain"] = stage.chain
    for one in (late, told):
        again = run(one, slice(2, 6))
        assert again.masks is None
        assert again.facts["frames"] == [[3, 5]]
        assert not again.facts["redone"]


def test_a_clip_in_which_nothing_was_searched_is_left_alone(case: Any) -> None:
    stage, inputs, context = case
    assert run((stage, {**inputs, "found": None}, context), slice(2, 6)) == Again()
    assert run((stage, {**inputs, "masks": MaskTrack(inputs["masks"].masks, None)}, context), slice(2, 6)) == Again()


def test_traces_far_from_what_was_removed_are_the_pictures_own(case: Any) -> None:
    stage, inputs, context = case
    masks = torch.zeros_like(inputs["masks"].masks)
    masks[:, :, 40:44, 50:60] = True
    assert run((stage, {**inputs, "masks": MaskTrack(masks, (0, 48, 0, 64))}, context), slice(2, 6)) == Again()


def test_the_view_shows_the_result(case: Any) -> None:
    _, inputs, context = case
    view = ResultView(inputs["frames"], painted(inputs, slice(4, 12)), range(2, 8), context.info)
    assert len(view) == 6
    assert view.size == (48, 64)
    assert view.seconds(0) == 0
    assert abs(view.seconds(6) - Fraction(6, 24)) < Fraction(1, 400)  # times are in milliseconds
    assert view.rgb(2, 3, (21, 27, 21, 39)).min() > 0.97  # frame 4
    assert view.rgb(0, 1, (21, 27, 21, 39)).max() < 0.7
    assert view.small([2], 24).shape == (1, 24, 32, 3)
    assert view.shots()[0].end == 6


def test_it_is_kept_and_read_back(case: Any, tmp_path: Path) -> None:
    for name, again in (("a", run(case, slice(2, 6))), ("b", Again(facts={"frames": [[1, 2]]}))):
        place = tmp_path / name
        place.mkdir()
        again.save(place)
        back = Again.load(place)
        assert back.facts == again.facts
        assert (back.masks is None) == (again.masks is None)
        if back.masks is not None and again.masks is not None:
            assert back.masks.masks.equal(again.masks.masks)


def test_runs_of_frames_are_told_by_their_ends() -> None:
    masks = torch.zeros(6, 1, 2, 2, dtype=torch.bool)
    masks[[0, 1, 4]] = True
    assert frames_of(masks, range(10, 16)) == [[10, 11], [14, 14]]
