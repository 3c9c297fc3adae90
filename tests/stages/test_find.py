"""A method that searches the clip: found before the windows are cut, kept, un-blended pixels taken as they are."""

import importlib
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests import media_made
from vidinternal import methods
from vidinternal.core.errors import PipelineError
from vidinternal.core.timecode import parse_region
from vidinternal.media.decode import ClipReader
from vidinternal.media.probe import probe
from vidinternal.runner.job import Job
from vidinternal.runner.run import run_job
from vidinternal.runner.spec import load_pipeline
from vidinternal.stages.base import JobInputs
from vidinternal.stages.masks import Masks

METHOD = '''
"""Finds a square at a place that moves two pixels a frame."""

import torch

from vidinternal.core.config import StrictModel
from vidinternal.core.contracts import MethodCard
from vidinternal.core.finding import EXTENTS, Found, MaskedSpan, MaskMethod

LOOKS = []
TAKES = []


class Config(StrictModel):
    """One setting."""

    recover: bool = False
    """Whether a grey square is taken for what was under it."""


CARDS = (MethodCard(name="square", task="masks", summary="a square", config=Config, searches=True),)


class Square(MaskMethod):
    card = CARDS[0]

    def check(self, asked, config):
        pass

    def find(self, clip, config, context):
        LOOKS.append(len(clip))
        TAKES.append([(s.start, s.end) for s in clip.shots()])
        rows = [[8, 16, 8 + 2 * t, 16 + 2 * t] for t in range(len(clip))]
        shape = list(clip.rgb(0, 1).shape[-2:])
        facts = {"size": shape, "given": context.given is not None, "regions": len(context.asked.regions)}
        return Found(facts, {EXTENTS: torch.tensor(rows, dtype=torch.int32)}, {"sheet.txt": b"seen"})

    def masks(self, found, request, config):
        masks = torch.zeros_like(request.given)
        TAKES.append([(s.start, s.end) for s in request.clip.shots()])
        for row, t in enumerate(request.span):
            y0, y1, x0, x1 = found.arrays[EXTENTS][t].tolist()
            masks[row, 0, y0:y1, x0:x1] = True
        if not config.recover:
            return MaskedSpan(masks)
        where = masks.clone()
        where[..., 12:, :] = False
        return MaskedSpan(masks, torch.full((len(masks), 3, *masks.shape[-2:]), 0.5), where)


METHODS = (Square(),)
'''


@pytest.fixture
def square(tmp_path: Path) -> Iterator[list[int]]:
    """A method ``square``, registered by lying in a folder of methods; how often it looked."""
    folder = tmp_path / "more" / "square"
    folder.mkdir(parents=True)
    (folder / "method.py").write_text(METHOD)
    (folder / "__init__.py").write_text("from vidinternal.methods.square.method import CARDS\n")
    methods.__path__.append(str(folder.parent))
    methods._folders.cache_clear()
    importlib.invalidate_caches()
    yield importlib.import_module("vidinternal.methods.square.method").LOOKS
    methods.__path__.remove(str(folder.parent))
    methods._folders.cache_clear()
    for name in [n for n in sys.modules if n.startswith("vidinternal.methods.square")]:
        del sys.modules[name]


def job(tmp_path: Path, *sets: str) -> Job:
    source = media_made.clip(tmp_path / "in.mkv", size=(64, 48), frames=8)
    inputs = JobInputs(source, tmp_path / "out.mkv")
    always = ("masks.method=square", "inpaint.method=harmonic", "encode.codec=ffv1", "masks.context=16")
    return Job("inpaint", inputs, (*always, *sets), device="cpu", seed=1)


def rgb(path: Path) -> list[tuple[np.ndarray, ...]]:
    return [f.planes for f in ClipReader(probe(path)).frames(0, 8)]


def test_it_is_found_once_and_filled_where_it_is(tmp_path: Path, square: list[int]) -> None:
    work = job(tmp_path)
    result = run_job(work)
    assert square == [8]
    assert result.status == "done"
    before, after = rgb(work.inputs.source), rgb(work.inputs.destination)
    for t, (old, new) in enumerate(zip(before, after, strict=True)):
        changed = np.argwhere(old[0] != new[0])
        assert len(changed)
        assert changed[:, 0].min() >= 8
        assert changed[:, 0].max() < 16
        assert changed[:, 1].min() >= 8 + 2 * t
        assert changed[:, 1].max() < 16 + 2 * t
    assert list((tmp_path / ".vidinternal").rglob("sheet.txt"))
    # other holes on the same finding: it is not looked for again
    run_job(replace(work, sets=(*work.sets, "masks.dilate=1")))
    assert square == [8]


def test_what_narrows_the_search_makes_it_anew(tmp_path: Path, square: list[int]) -> None:
    work = job(tmp_path)
    run_job(work)
    run_job(replace(work, inputs=replace(work.inputs, regions=(parse_region("0,0,60,40"),))))
    assert square == [8, 8]


def two_takes(folder: Path) -> Path:
    """Twelve dark frames and twelve light ones."""
    recipe = media_made.Recipe("cut.mkv", size=(64, 48), frames=24, smooth=True)
    natives = [
        replace(n, planes=(n.planes[0] // 4 + (150 if n.index >= 12 else 0), *n.planes[1:]))
        for n in media_made.pictures(recipe)
    ]
    return media_made.make(recipe, folder, natives)


@pytest.mark.parametrize(("detector", "takes"), [("content", [(0, 12), (12, 24)]), ("none", [(0, 24)])])
def test_takes_are_cut_as_the_pipeline_cuts_them(
    detector: str, takes: list[tuple[int, int]], tmp_path: Path, square: list[int]
) -> None:
    seen = sys.modules["vidinternal.methods.square.method"].TAKES
    plain = job(tmp_path, f"shots.detector={detector}")
    run_job(replace(plain, inputs=replace(plain.inputs, source=two_takes(tmp_path))))
    assert len(seen) >= 2  # the search and the masks
    assert all(one == takes for one in seen)


def test_another_way_to_cut_is_another_search(tmp_path: Path, square: list[int]) -> None:
    work = job(tmp_path)
    run_job(work)
    again = run_job(replace(work, sets=(*work.sets, "shots.detector=none")))
    assert square == [8, 8]
    assert any("setting find.cuts was adaptive, is now none" in n for n in again.record["resumed"])
    assert again.record["settings"]["find"]["cuts"] == "none"
    # how long the windows are is none of the search's business
    run_job(replace(work, sets=(*work.sets, "shots.detector=none", "shots.window=6", "shots.overlap=1")))
    assert square == [8, 8]


def test_what_was_recovered_is_taken_as_it_is(tmp_path: Path, square: list[int]) -> None:
    work = job(tmp_path, "masks.recover=true")
    run_job(work)
    for t, planes in enumerate(rgb(work.inputs.destination)):
        luma = planes[0][8:12, 8 + 2 * t : 16 + 2 * t]
        assert luma.max() - luma.min() <= 1


def test_a_setting_of_the_method_stands_beside_those_of_the_stage(tmp_path: Path, square: list[int]) -> None:
    with pytest.raises(PipelineError, match="recover"):
        run_job(job(tmp_path, "masks.recovr=true"))


def test_the_search_stands_in_no_pipeline_file(tmp_path: Path) -> None:
    path = tmp_path / "odd.yaml"
    path.write_text("version: 1\nname: odd\nstages:\n  - stage: decode\n  - stage: find\n    method: given\n")
    with pytest.raises(PipelineError, match="comes by itself"):
        load_pipeline(str(path))


def test_given_masks_need_no_search() -> None:
    assert [s.name for s in load_pipeline("inpaint").stages][:2] == ["decode", "shots"]
    assert Masks.uses == ("found",)
