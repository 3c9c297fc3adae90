import json
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from vidinternal.bench.base import BenchOptions, BenchResult
from vidinternal.bench.cases import Sample
from vidinternal.bench.subtitles import bench, ours, read
from vidinternal.bench.subtitles.bench import OURS, against, false_alarms, row_names, run, summary
from vidinternal.bench.subtitles.cases import BurntCase, Plan, overlays
from vidinternal.bench.subtitles.fonts import BUILT_IN
from vidinternal.bench.subtitles.ours import Searched, changed_samples
from vidinternal.bench.subtitles.read import Readings
from vidinternal.bench.subtitles.rows import ON_FOUND, ROWS, FoundEvent, Removed, delogo, run_row
from vidinternal.bench.subtitles.score import cer, edits, judge, mask_score, match_events, residue
from vidinternal.core.errors import PipelineError, UsageError
from vidinternal.media.synthetic import lossy_film
from vidinternal.methods.subtitles.events import Overlay

SMALL = BenchOptions(width=96, height=64, frames=6, cases=("flower",), methods=("box + Telea", "box + delogo", "input"))


def case(layout: str = "pair", style: str = "outlined", frames: int = 10) -> BurntCase:
    y, x = np.mgrid[0:64, 0:96]
    clean = np.stack(
        [np.stack([120 + 60 * np.sin(0.2 * (x + t) + 0.1 * y + c) for c in range(3)]) for t in range(frames)]
    )
    plan = Plan(Sample("made", "made.mp4"), style, (BUILT_IN,), layout)
    return BurntCase(plan.name, clean.astype(np.uint8), overlays(plan, frames, (64, 96)), Fraction(25))


def inside(made: BurntCase, frames: np.ndarray) -> torch.Tensor:
    y0, y1, x0, x1 = made.area
    return torch.from_numpy(np.ascontiguousarray(frames[..., y0:y1, x0:x1], dtype=np.float32))


def burnt(made: BurntCase) -> torch.Tensor:
    return inside(made, np.stack([made.burnt(i) for i in range(len(made.clean))]))


def clean(made: BurntCase) -> torch.Tensor:
    return inside(made, made.clean.astype(np.float32) / 255)


def events(made: BurntCase) -> list[FoundEvent]:
    return [FoundEvent(o.kind, o.start, o.end, o.box, o.text) for o in made.overlays]


def test_a_perfect_search_scores_one() -> None:
    made = case()
    score = match_events(events(made), made)
    assert (score.precision, score.recall, score.f1, score.errors) == (1.0, 1.0, 1.0, [0, 0, 0, 0])
    assert cer(score.said) == 0.0
    assert mask_score(made.touched, made) == {"mask_recall": 1.0, "mask_precision": 1.0}


def test_lines_found_one_by_one_are_one_event_and_the_box_behind_them_is_none_of_its_own() -> None:
    made = case("whole", "boxed")
    (one,) = events(made)
    y0, y1, x0, x1 = one.box
    middle = (y0 + y1) // 2
    lines = [FoundEvent("text", 0, 10, (y0, middle, x0, x1), "a"), FoundEvent("text", 0, 10, (middle, y1, x0, x1), "b")]
    score = match_events([*lines, FoundEvent("box", 0, 10, one.box)], made)
    assert (score.hits, score.missed, score.false) == (1, 0, 0)
    assert score.said == [("a\nb", one.text or "")]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"box": (0, 8, 0, 30)}, (0, 1, 1)),  # elsewhere
        ({"start": 8}, (0, 1, 1)),  # hardly at its time
        ({"kind": "logo"}, (0, 1, 0)),  # taken for something else
        ({"start": 2}, (1, 0, 0)),
    ],
)
def test_what_is_no_hit(changes: dict[str, Any], expected: tuple[int, int, int]) -> None:
    made = case("whole")
    (one,) = events(made)
    score = match_events([FoundEvent(**(vars(one) | changes))], made)
    assert (score.hits, score.missed, score.false) == expected
    if expected[0]:
        assert sorted(score.errors) == [0, 2]


def test_nothing_found_and_too_much_found() -> None:
    made = case()
    assert match_events([], made).as_row()["event_f1"] == 0.0
    wrong = FoundEvent("text", 0, 3, (0, 6, 0, 20))
    score = match_events([*events(made), wrong], made)
    assert score.recall == 1.0 and score.precision == pytest.approx(2 / 3)
    assert match_events([wrong], BurntCase("c", made.clean, (), Fraction(25))).false == 1


def test_edits_and_character_errors() -> None:
    assert edits("", "abc") == edits("abc", "") == 3
    assert edits("kitten", "sitting") == 3
    assert cer([("a b\nc", "abc")]) == 0.0
    assert cer([("abX", "abc"), ("", "de")]) == pytest.approx(3 / 5)
    assert cer([]) is None


def test_residue_is_one_for_the_input_none_for_the_clean_clip_and_half_for_half() -> None:
    made = case(style="shadowed")
    assert residue(burnt(made).numpy(), made) == pytest.approx([1.0, 1.0], abs=1e-3)
    assert residue(clean(made).numpy(), made) == pytest.approx([0.0, 0.0], abs=1e-3)
    assert residue(((burnt(made) + clean(made)) / 2).numpy(), made) == pytest.approx([0.5, 0.5], abs=1e-3)


def test_the_better_picture_scores_better_everywhere() -> None:
    made = case()
    worst, best = judge(Removed(burnt(made), 1.0), made), judge(Removed(clean(made), 1.0), made)
    assert best["text_psnr"] == best["glyph_psnr"] == 99.0 and best["text_ssim"] == pytest.approx(1.0)
    assert worst["text_psnr"] < 30 and worst["text_psnr"] > worst["glyph_psnr"] and worst["text_ssim"] < 0.9
    assert best["warping_error_e3"] <= worst["warping_error_e3"]
    assert "mask_recall" not in best and "event_f1" not in best


def test_delogo_continues_a_ramp_and_fills_the_box_alone() -> None:
    y, x = np.mgrid[0:20, 0:30].astype(np.float32)
    frame = np.stack([x / 30, y / 20, np.full_like(x, 0.5)])
    holed = frame.copy()
    holed[:, 5:12, 8:20] = 9.0
    out = delogo(holed, (5, 12, 8, 20))
    assert np.abs(out[2] - 0.5).max() < 1e-6
    assert np.abs(out - frame).max() < 0.2 and np.abs(out - frame)[:, 8, 13].max() < 0.05
    outside = np.ones((20, 30), bool)
    outside[5:12, 8:20] = False
    assert np.array_equal(out[:, outside], holed[:, outside])
    corner = delogo(holed, (0, 12, 0, 20))
    assert np.isfinite(corner).all() and corner.max() < 8.99
    assert np.array_equal(delogo(holed, (0, 20, 0, 30)), holed)  # nothing to go by


@pytest.mark.parametrize("name", ROWS)
def test_the_cheap_rows_change_their_boxes_alone_and_take_the_text_away(name: str) -> None:
    made = case("fade", frames=6)
    seen = burnt(made)
    removed = run_row(name, made, seen)
    y0, y1, x0, x1 = made.area
    boxes = torch.from_numpy(made.boxes[:, None, y0:y1, x0:x1].copy())
    assert torch.equal(torch.where(boxes, 0, removed.frames), torch.where(boxes, 0, seen))
    assert max(residue(removed.frames.numpy(), made)) < 0.6
    assert removed.masks is None and removed.events is None


@pytest.mark.parametrize("name", ON_FOUND)
def test_rows_on_what_was_found_fill_that_alone_and_need_it(name: str) -> None:
    made = case("fade", frames=6)
    seen = burnt(made)
    y0, y1, x0, x1 = made.area
    touched = torch.from_numpy(made.touched[:, None, y0:y1, x0:x1].copy())
    removed = run_row(name, made, seen, made.touched)
    assert torch.equal(torch.where(touched, 0, removed.frames), torch.where(touched, 0, seen))
    assert max(residue(removed.frames.numpy(), made)) < 0.6
    assert torch.equal(run_row(name, made, seen, np.zeros_like(made.touched)).frames, seen)
    with pytest.raises(UsageError, match="what the program found"):
        run_row(name, made, seen)
    assert row_names(SMALL.model_copy(update={"methods": (name,)})) == (OURS, name)


def test_samples_that_differ_are_counted_in_the_frames_asked_for(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).random((3, 3, 16, 16), dtype=np.float32)
    other = frames.copy()
    other[1] = 1 - other[1]
    one, two = (
        lossy_film(tmp_path / name, pictures, Fraction(25), 0)
        for name, pictures in (("a.mp4", frames), ("b.mp4", other))
    )
    assert changed_samples(one, two, [0, 2]) == 0
    assert changed_samples(one, two, [0, 1, 2]) > 100


def test_only_what_is_not_read_in_the_clean_clip_counts_as_left() -> None:
    made = case()

    def reads(limit: float):
        return lambda picture: "text" if picture.max() > limit else ""

    seen = burnt(made).numpy()
    readings = Readings(made, seen, reads(235))
    assert readings.left(seen) == (2, 2)
    assert readings.left(clean(made).numpy()) == (0, 2)
    assert Readings(made, seen, reads(0)).left(seen) == (0, 0)  # the clean clip has text there too
    assert Readings(made, seen, reads(255)).left(seen) == (0, 0)  # a script that it does not know


def test_an_engine_that_is_not_there_reads_nothing_and_one_that_is_tells_what_it_is_sure_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = SimpleNamespace(txts=("Two words", "blot", ".", "more"), scores=(0.9, 0.3, 0.99, 0.5))
    module = SimpleNamespace(RapidOCR=lambda params: lambda picture: found)
    monkeypatch.setattr(read.importlib, "import_module", lambda _: module)
    monkeypatch.setattr(read.importlib.util, "find_spec", lambda _: object())
    engine = read.reader.__wrapped__()
    assert engine is not None and engine(np.zeros((4, 4, 3), np.uint8)) == "Two words\nmore"
    found.txts = found.scores = None
    assert engine(np.zeros((4, 4, 3), np.uint8)) == ""
    monkeypatch.setattr(read.importlib.util, "find_spec", lambda _: None)
    assert read.reader.__wrapped__() is None


def test_what_the_search_keeps_is_understood() -> None:
    kept = Overlay("e0001", "text", 3, 9, (1, 2, 3, 4), text="Hi")
    facts = json.loads(json.dumps({"events": [kept.to_json()], "scan": {"frames_per_second": 90.5}}))
    found = Searched(np.zeros((1, 1, 1), bool), facts)
    assert found.events == (FoundEvent("text", 3, 9, (1, 2, 3, 4), "Hi"),) and found.scan == 90.5
    assert Searched(np.zeros((1, 1, 1), bool), {}).events == ()


def told(made: BurntCase, _source: Path, _folder: Path, _options: BenchOptions) -> Removed:
    """A program that knows everything, but takes one frame of the clean clip for an overlay."""
    if not made.overlays:
        masks = np.zeros((len(made.clean), *made.size), bool)
        masks[0, :4, :5] = True
        return Removed(torch.zeros(1), 1.0, masks, (FoundEvent("text", 0, 1, (0, 4, 0, 5)),), 0, 100.0)
    return Removed(clean(made), 1.0, made.touched, tuple(events(made)), 0, 100.0, ("fine",))


@pytest.fixture(scope="module")
def measured() -> BenchResult:
    patch = pytest.MonkeyPatch()
    plans = [Plan(Sample("flower", "flower.mp4"), s, (BUILT_IN,), "pair") for s in ("outlined", "boxed")]
    plans.append(Plan(Sample("flower", "flower.mp4"), "clean"))
    with patch.context() as patched:
        patched.setattr(bench, "chosen", lambda _options: (plans, ("A note.",)))
        patched.setattr(bench, "run_ours", told)
        patched.setattr(bench, "reader", lambda: None)
        return run(SMALL.model_copy(update={"methods": (OURS, *SMALL.methods)}))


def test_the_table_holds_every_row_and_what_is_wrong(measured: BenchResult) -> None:
    record = json.loads(json.dumps(measured.as_dict()))
    assert measured.summary[0]["method"] == OURS and measured.summary[-1]["method"] == "input"
    best = measured.summary[0]
    # four overlays found, one more in the clean clip
    assert best["event_f1"] == pytest.approx(8 / 9) and best["timing"] == "0/0" and best["cer"] == 0
    assert best["mask_recall"] == best["mask_precision"] == 1 and best["changed_clean"] == 0
    assert record["facts"]["false_alarms"] == {"clips": 1, "with_any": 1, "events": 1, "pixels": 20}
    assert record["facts"]["against"]["telea"]["cases"] == 2
    text = measured.text()
    assert "False alarms on 1 clips without an overlay: in 1 of them, 1 events, 20 masked pixels." in text
    assert "A note." in text and "`ocr` is not installed" in text and "| box + Telea |" in text


def test_strips_show_the_input_the_masks_and_the_results(measured: BenchResult) -> None:
    assert len(measured.pictures) == 2
    for data in measured.pictures.values():
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        assert picture is not None and picture.shape[0] > 6 * 30


def test_a_program_that_refuses_has_a_row_that_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> Removed:
        raise PipelineError("made", expected="a film", got="none")

    plans = [
        Plan(Sample("flower", "flower.mp4"), "plain", (BUILT_IN,), "whole"),
        Plan(Sample("flower", "flower.mp4"), "clean"),
    ]
    monkeypatch.setattr(bench, "chosen", lambda _options: (plans, ()))
    monkeypatch.setattr(bench, "run_ours", refuse)
    monkeypatch.setattr(bench, "reader", lambda: None)
    heard: list[float] = []
    found = run(SMALL.model_copy(update={"methods": (OURS, "input")}), lambda share, _: heard.append(share))
    assert found.summary[-1]["method"] == OURS and found.summary[-1]["failures"] == 2
    assert "text_psnr" not in found.summary[-1]
    assert "failed on flower/clean: made expected: a film got: none" in found.text()
    assert heard == sorted(heard) and heard[-1] == 1.0


def test_means_and_gains() -> None:
    rows = [
        {"case": "a", "method": OURS, "text_psnr": 30.0},
        {"case": "a", "method": "box + Telea", "text_psnr": 25.0},
        {"case": "a", "method": "box + delogo", "text_psnr": 31.0},
        {"case": "b", "method": OURS, "text_psnr": 28.0},
        {"case": "b", "method": "box + Telea", "text_psnr": 27.0},
        {"case": "b", "method": "input", "text_psnr": 40.0},
    ]
    assert against(rows) == {
        "telea": {"mean": 3.0, "worst": 1.0, "cases": 2},
        "best_of_each": {"mean": 0.0, "worst": -1.0, "cases": 2},
    }
    assert false_alarms(rows) == {"clips": 0, "with_any": 0, "events": 0, "pixels": 0}
    assert [e["method"] for e in summary(rows)] == ["input", "box + delogo", OURS, "box + Telea"]
    assert against([]) == {}


def test_what_does_not_exist_is_refused_before_any_work() -> None:
    with pytest.raises(UsageError, match="bench cases"):
        run(SMALL.model_copy(update={"cases": ("tulip",)}))


def test_the_program_is_run_from_file_to_file_and_its_search_read_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ours, "SETS", (*ours.SETS, "masks.detector=temporal", "inpaint.method=telea"))
    made = case(frames=6)
    source = made.write(tmp_path)
    removed = ours.run_ours(made, source, tmp_path, SMALL)
    assert removed.masks is not None and removed.masks.shape == made.touched.shape
    assert removed.frames.shape == burnt(made).shape
    assert removed.events is not None and removed.scan is not None and removed.scan > 0
    # what was not masked is in the file as it was
    y0, y1, x0, x1 = made.area
    away = ~torch.from_numpy(removed.masks[:, None, y0:y1, x0:x1].copy()).amax(dim=0, keepdim=True)
    before = ours.read_area(source, made.area)
    far = torch.nn.functional.max_pool2d((~away).float(), 5, 1, 2) == 0
    assert torch.equal(torch.where(far, removed.frames, 0), torch.where(far, before, 0))
    assert judge(removed, made)["event_hits"] + judge(removed, made)["event_missed"] == 2
