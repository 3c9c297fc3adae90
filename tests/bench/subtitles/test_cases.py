from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from vidinternal.bench.base import BenchOptions
from vidinternal.bench.cases import Sample
from vidinternal.bench.subtitles import fonts as fonts_module
from vidinternal.bench.subtitles.bench import DEFAULT_CASES, default_cases, row_names, with_defaults
from vidinternal.bench.subtitles.cases import (
    LARGER,
    LAYOUTS,
    SCRIPTS,
    BurntCase,
    Plan,
    chosen,
    grown,
    overlays,
    plans,
    read_clean,
)
from vidinternal.bench.subtitles.draw import STYLES, opacity
from vidinternal.bench.subtitles.fonts import BUILT_IN, SOURCES, font, missing, texts
from vidinternal.bench.subtitles.ours import read_area
from vidinternal.core.errors import UsageError
from vidinternal.media.probe import probe

SMALL = BenchOptions(width=96, height=64, frames=10)
FLOWER = Sample("flower", "flower.mp4")


def case(layout: str = "pair", style: str = "outlined", frames: int = 10) -> BurntCase:
    clean = np.random.default_rng(0).integers(60, 190, (frames, 3, 64, 96), dtype=np.uint8)
    plan = Plan(FLOWER, style, (BUILT_IN, BUILT_IN) if layout == "both" else (BUILT_IN,), layout)
    return BurntCase(plan.name, clean, overlays(plan, frames, (64, 96)), Fraction(25))


@pytest.fixture
def fonts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which every font seems to be installed."""
    for source in SOURCES.values():
        path = tmp_path / "fonts" / source.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.setattr(fonts_module.features, "check", lambda name: name == "raqm")
    return tmp_path / "fonts"


def test_every_clip_meets_every_style_and_the_names_tell_them_apart(fonts: Path) -> None:
    every = plans(SMALL)
    assert len({p.name for p in every}) == len(every)
    for clip in {p.sample.name for p in every}:
        assert {p.style for p in every if p.sample.name == clip} == {*STYLES, "logo", "clean", "sign"}
    picked, notes = chosen(with_defaults(BenchOptions()), fonts)
    assert len(picked) == len(DEFAULT_CASES) and not notes
    assert {p.style for p in picked} == {*STYLES, "logo", "clean", "sign"}
    assert {p.layout for p in picked} - {""} == set(LAYOUTS)
    assert {s for p in picked for s in p.scripts} == set(SCRIPTS) == set(texts()["scripts"])
    assert sum(p.style == "clean" for p in picked) == 5 and sum(p.style == "sign" for p in picked) >= 5
    assert {p.rows for p in picked} == {0, *LARGER}


def test_larger_pictures_have_the_same_shape_and_fewer_frames() -> None:
    plan = next(p for p in plans(SMALL) if p.rows == LARGER[0])
    own = plan.options(SMALL)
    assert (own.height, own.width, own.frames) == (720, 1080, 5) and plan.name == "flower@720/outlined-latin-top"
    assert Plan(FLOWER, "clean").options(SMALL) is SMALL


def test_every_script_has_sentences_of_one_and_of_two_lines() -> None:
    for said in texts()["scripts"].values():
        assert {len(s.split("\n")) for s in said} == {1, 2}
    assert "CC0" in texts()["licence"]


def test_a_missing_font_is_told_with_the_command_that_installs_it(tmp_path: Path, fonts: Path) -> None:
    (fonts / SOURCES["cjk"].file).unlink()
    options = SMALL.model_copy(update={"cases": ("cjk", "arabic")})
    picked, notes = chosen(options, fonts)
    assert picked and not any("cjk" in p.scripts for p in picked)
    assert len(notes) == 1 and "sudo apt-get install fonts-wqy-microhei" in notes[0]
    assert "-cjk" in notes[0]
    with pytest.raises(UsageError, match="apt-get install fonts-hosny-amiri"):
        font("arabic", 20, tmp_path / "nowhere")
    with pytest.raises(UsageError, match="apt-get install"):
        chosen(SMALL.model_copy(update={"cases": ("arabic",)}), tmp_path / "nowhere")


def test_letters_that_change_with_their_neighbours_need_raqm(fonts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert missing("arabic", fonts) is None
    monkeypatch.setattr(fonts_module.features, "check", lambda _: False)
    assert "Raqm" in (missing("arabic", fonts) or "")
    assert missing("latin", fonts) is None


def test_cases_and_rows_that_do_not_exist_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="flower/plain-latin-pair"):
        chosen(SMALL.model_copy(update={"cases": ("tulip",)}))
    with pytest.raises(UsageError, match="did you mean 'box \\+ Telea'"):
        row_names(SMALL.model_copy(update={"methods": ("box + telea",)}))
    with pytest.raises(UsageError, match="no such file"):
        read_clean(Sample("tulip", "tulip.mp4"), SMALL)
    with pytest.raises(UsageError, match="two or more"):
        read_clean(Sample("late", "flower.mp4", start=47), SMALL)
    with pytest.raises(UsageError, match=r"videos \(\.mp4"):
        plans(SMALL.model_copy(update={"clips": tmp_path}))


def test_defaults_yield_to_what_was_given(tmp_path: Path) -> None:
    assert with_defaults(BenchOptions()).height == 360
    assert with_defaults(BenchOptions(height=112, cases=("x",))).height == 112
    assert with_defaults(BenchOptions(cases=("x",))).cases == ("x",)
    for name in ("one.mp4", "two.mp4"):
        (tmp_path / name).touch()
    own = default_cases(BenchOptions(clips=tmp_path))
    assert [n for n in own if n.endswith("/clean")] == ["one/clean", "two/clean"]
    assert sum("logo" in n for n in own) == 1 and len(own) == 7 and not any("@" in n for n in own)


def test_a_clip_is_read_at_the_size_and_no_longer_than_it_is() -> None:
    clean, rate = read_clean(FLOWER, SMALL.model_copy(update={"frames": 400}))
    assert clean.shape == (48, 3, 64, 96) and clean.dtype == np.uint8
    assert float(rate) == pytest.approx(29.97, abs=0.01)


def test_a_sign_belongs_to_the_scene_and_moves_with_it() -> None:
    sample = Sample("flower-pan", "flower.mp4", pan=True)
    bare, _ = read_clean(sample, SMALL)
    signed, _ = read_clean(sample, SMALL, BUILT_IN)
    changed = (np.abs(signed.astype(int) - bare).max(axis=1) > 12).astype(float)
    middle = [float((c.sum(axis=0) * np.arange(96)).sum() / c.sum()) for c in changed]
    assert middle == sorted(middle, reverse=True) and middle[0] - middle[-1] > 20
    assert 0.01 < changed.mean() < 0.3
    assert overlays(Plan(sample, "sign", (BUILT_IN,)), 10, (64, 96)) == ()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_overlays_come_and_go_as_their_layout_says(layout: str) -> None:
    made = case(layout, frames=20)
    assert len(made.overlays) == (2 if layout in ("pair", "both") else 1)
    there = made.touched.any(axis=(1, 2))
    assert there.all() == (layout == "whole")
    for overlay in made.overlays:
        span = made.times(overlay)
        assert overlay.start <= span.start < span.stop <= overlay.end
        assert made.touched[span.start].any() and (overlay.end == 20 or overlay.strength(overlay.end) == 0)
    if layout == "pair":
        first, second = made.overlays
        assert first.end < second.start and first.text != second.text
    if layout == "both":
        below, above = made.overlays
        assert above.box[0] < below.box[0] and above.start < below.end
    assert (made.overlays[0].fade > 0) == (layout == "fade")


def test_truth_is_what_was_burnt_in_and_one_pixel_more() -> None:
    made = case()
    first = made.overlays[0]
    alpha = opacity(made.overlays, first.start, made.size)
    touched = made.touched[first.start]
    assert touched[alpha > 0.05].all() and touched.sum() > (alpha > 0.05).sum()
    assert not touched[grown_only_far(alpha)].any()
    assert (made.boxes | ~made.touched).all()
    y0, y1, x0, x1 = made.area
    outside = made.boxes.copy()
    outside[:, y0:y1, x0:x1] = False
    assert not outside.any()
    with pytest.raises(UsageError, match="an overlay"):
        _ = BurntCase("c", made.clean, (), Fraction(25)).area


def grown_only_far(alpha: np.ndarray) -> np.ndarray:
    """Pixels more than one away from all that is touched."""
    near = np.pad(alpha > 0.05, 1)
    rows, cols = alpha.shape
    any_near = np.zeros(alpha.shape, bool)
    for dy in range(3):
        for dx in range(3):
            any_near |= near[dy : dy + rows, dx : dx + cols]
    return ~any_near


def test_the_file_is_lossy_whole_and_tells_nothing(tmp_path: Path) -> None:
    made = case(frames=6)
    path = made.write(tmp_path)
    info = probe(path)
    assert (info.width, info.height, info.pix_fmt, path.name) == (96, 64, "yuv420p", "input.mp4")
    assert info.color.matrix == 1 and info.color.full_range is False
    seen = read_area(path, (0, 64, 0, 96)).numpy()
    burnt = np.stack([made.burnt(i) for i in range(6)])
    error = np.abs(seen - burnt).mean()
    assert 0 < error < 0.2 and np.abs(seen.mean() - burnt.mean()) < 0.02


def test_films_whose_chroma_has_an_odd_number_of_rows_are_written_and_odd_ones_refused(tmp_path: Path) -> None:
    made = BurntCase("c", np.full((2, 3, 54, 96), 90, np.uint8), (), Fraction(25))
    assert abs(float(read_area(made.write(tmp_path), (0, 54, 0, 96)).mean()) - 90 / 255) < 0.01
    with pytest.raises(UsageError, match="even width and height"):
        with_defaults(BenchOptions(height=55))


def test_a_box_grows_inside_the_picture_alone() -> None:
    assert grown((2, 10, 3, 20), 4, (12, 100)) == (0, 12, 0, 24)
