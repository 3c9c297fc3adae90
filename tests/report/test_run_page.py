import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.report.pages import Page
from tests.report.runs import small_job
from vidinternal.report import run_page
from vidinternal.report.film import ROOM, Film, Wanted
from vidinternal.report.run_page import write_run_page
from vidinternal.runner.job import Job, JobResult
from vidinternal.runner.run import open_run, run_job

Done = tuple[Job, JobResult]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    job = small_job(tmp_path_factory.mktemp("run"))
    return job, run_job(job)


@pytest.fixture(scope="module")
def page(done: Done, tmp_path_factory: pytest.TempPathFactory) -> Page:
    path = tmp_path_factory.mktemp("page") / "sub" / "run.html"
    assert write_run_page(*done, path) == path.stat().st_size
    return Page(path)


def test_the_page_needs_nothing_beside_it(page: Page) -> None:
    page.needs_nothing()


def test_every_frame_is_on_it_with_what_is_known_of_it(page: Page) -> None:
    facts = page.json("facts")
    assert facts["frames"] == list(range(14)) and facts["total"] == 14 == len(facts["times"])
    assert facts["times"] == sorted(facts["times"]) and facts["times"][0] == 0
    assert [bool(m) for m in facts["masked"]] == [2 <= k < 10 for k in range(14)]
    assert [q is not None for q in facts["quality"]] == [2 <= k < 10 for k in range(14)]
    for index in range(14):
        frame = page.json(f"frame-{index}")
        assert frame["i"] == index and {"a", "b"} <= frame.keys()
        assert ({"k", "e"} <= frame.keys()) == (2 <= index < 10)


def test_it_tells_what_was_done_how_it_is_known_and_how_to_do_it_again(page: Page, done: Done) -> None:
    job, result = done
    record = result.record
    told = [
        *("Every one of the 14 frames is on this page", "verified", "8 of 14", "propagation", "seed 0", "copied from"),
        *(record["verified"], record["output"]["digest"], record["source"]["digest"], record["made"]),
        *(f"--set {s}" for s in job.sets),
        *(str(n) for n in record["versions"].values()),
        *(c.splitlines()[0] for c in record["citations"].values()),
        *(f"{stage}.{name}" for stage, own in record["settings"].items() for name in own),
        *(item["name"] for item in record["output"]["verification"]["items"]),
    ]
    assert [t for t in told if t not in page.text] == []
    assert json.loads(page.text[page.text.index('{\n "record_version"') : page.text.rindex("}") + 1]) == record


def test_the_worst_frames_are_marked_once_on_the_line_and_once_below_it(page: Page) -> None:
    quality = page.json("facts")["quality"]
    worst = min((k for k in range(14) if quality[k] is not None), key=lambda k: quality[k])
    assert page.raw.count(f'data-worst="{worst}"') == 2
    assert f"frame {worst} · {quality[worst]:.1f} dB" in page.text


def test_frames_that_most_likely_show_leftovers_are_a_click_away(done: Done, page: Page, tmp_path: Path) -> None:
    assert 'id="left"' not in page.raw
    entries = [
        {"frame": 2, "looks_like": ["blur"], "score": 0.4},
        {"frame": 3, "looks_like": ["ghost edges", "trailing shadow"], "score": 3.0},
        {"frame": 9, "looks_like": ["flicker"], "score": 1.0},
    ]
    result = replace(done[1], record={**done[1].record, "leftovers": entries})
    write_run_page(done[0], result, tmp_path / "left.html")
    marked = Page(tmp_path / "left.html")
    listed = marked.raw[marked.raw.index('id="left"') :].partition("</ul>")[0]
    assert "frame 3 · ghost edges, trailing shadow" in listed and "frame 9 · flicker" in listed
    assert "2 of 3 frames" in marked.text and 'data-worst="2"' not in listed


def test_a_record_that_tells_much_leaves_less_room_to_pictures(done: Done, monkeypatch: pytest.MonkeyPatch) -> None:
    rooms: list[int] = []

    def film(reel: object, kept: object, wanted: Wanted) -> Film:
        rooms.append(wanted.room)
        return Film((16, 9), 0)

    monkeypatch.setattr(run_page, "make_film", film)
    for notes in ([], ["x" * 3_000_000], ["x" * 90_000_000]):
        run_page.RunPage(open_run(done[0]), replace(done[1], record={**done[1].record, "notes": notes}), "again")
    assert rooms[0] == ROOM and rooms[2] == ROOM // 2
    assert 0.7 * 2_000_000 < rooms[0] - rooms[1] < 0.8 * 2_100_000


def test_the_same_run_makes_the_same_page(done: Done, page: Page, tmp_path: Path) -> None:
    write_run_page(*done, tmp_path / "again.html")
    again = Page(tmp_path / "again.html")
    assert again.scripts == page.scripts


def test_what_is_gone_from_the_workspace_is_named_and_the_rest_is_shown(tmp_path: Path) -> None:
    job = small_job(tmp_path)
    result = run_job(job)
    run = open_run(job)

    def look() -> Page:
        write_run_page(job, result, tmp_path / "page.html")
        return Page(tmp_path / "page.html")

    shutil.rmtree(run.workspace.folder / f"inpaint-{run.keys['inpaint']}")
    first = look()
    assert "Not in the workspace any more, so not on this page: fills of windows 1, 2" in first.text
    assert first.json("frame-5").keys() >= {"a", "b", "k"} and "e" not in first.json("frame-5")
    shutil.rmtree(run.workspace.folder)
    second = look()
    assert "how the clip was cut into windows" in second.text
    assert "had something to fill" not in second.text and second.json("facts")["masked"] == []
    assert second.json("facts")["frames"] == list(range(14)) and "k" not in second.json("frame-5")
    result.destination.unlink()
    third = look()
    assert "The pictures cannot be shown" in third.text and "stage" not in third.ids
    third.needs_nothing()


def _one_frame(folder: Path) -> Job:
    return small_job(folder, region="20,12,16,10", frames=1, cuts=())


def _nothing_masked(folder: Path) -> Job:
    job = small_job(folder, "inpaint.copies=0")
    mask = folder / "black.png"
    cv2.imwrite(str(mask), np.zeros((48, 64), np.uint8))
    return replace(job, inputs=replace(job.inputs, regions=(), mask=mask))


def _no_score(folder: Path) -> Job:
    return small_job(folder, "inpaint.copies=0")


def _odd_size(folder: Path) -> Job:
    return small_job(folder, size=(66, 34), frames=3, cuts=(), region="11,7,13,9")


CASES: dict[str, tuple[Callable[[Path], Job], str]] = {
    "one frame": (_one_frame, "Every one of the 1 frames"),
    "nothing masked": (_nothing_masked, "0 of 14"),
    "no score": (_no_score, "nothing was held out"),
    "odd size": (_odd_size, "66×34"),
}


@pytest.mark.parametrize("name", CASES)
def test_every_kind_of_run_has_a_page(name: str, tmp_path: Path) -> None:
    make, told = CASES[name]
    job = make(tmp_path)
    write_run_page(job, run_job(job), tmp_path / "page.html")
    page = Page(tmp_path / "page.html")
    page.needs_nothing()
    assert told in page.text


@pytest.mark.parametrize("name", ["<script>alert(1)<&'\".mkv", "\udcff\udc80.mkv", "a\nb\u202e.mkv"])
def test_names_are_shown_and_cannot_do_anything(name: str, tmp_path: Path) -> None:
    job = small_job(tmp_path, name=name, frames=3, cuts=(), region="20,12,16,10")
    write_run_page(job, run_job(job), tmp_path / "page.html")
    page = Page(tmp_path / "page.html")
    page.needs_nothing()
    assert page.raw.count("<script>") == 1
    assert not set("\u202e\udcff") & set(page.raw)
    assert "alert(1)" in page.text or "\\xff\\x80.mkv" in page.text or "a\\nb\\u202e.mkv" in page.text
