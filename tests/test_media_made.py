"""The made media are what their recipes say, so that tests built on them mean something."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests import media_made
from tests.media_made import RECIPES, Recipe
from vidinternal.core.errors import MediaError
from vidinternal.media.decode import ClipReader
from vidinternal.media.probe import probe

WHOLE = [name for name, recipe in RECIPES.items() if isinstance(recipe, Recipe)]
BROKEN = [name for name in RECIPES if name not in WHOLE]


@pytest.mark.parametrize("name", WHOLE)
def test_a_recipe_gives_its_pictures_at_its_times(name: str, tmp_path: Path) -> None:
    recipe = RECIPES[name]
    assert isinstance(recipe, Recipe)
    info = probe(media_made.awkward(name, tmp_path))
    found = list(ClipReader(info).frames())
    made = media_made.pictures(recipe)
    assert len(found) == len(made)
    for got, want in zip(found, made, strict=True):
        for plane, made_plane in zip(got.planes, want.planes, strict=True):
            error = np.abs(plane.astype(int) - made_plane)
            assert error.max() == 0 if recipe.lossless else error.mean() < 3
        # Matroska rounds to milliseconds, halves up
        assert abs(got.pts * info.time_base - want.pts * recipe.ticks) <= Fraction(1, 2000)
    assert (info.width, info.height, info.sar, info.rotation) == (*recipe.size, recipe.sar, recipe.rotation)
    kinds = [s.kind for s in info.streams]
    assert (kinds.count("audio"), kinds.count("subtitle")) == (recipe.audio_tracks, recipe.subtitles)
    assert ("attachment" in kinds) == recipe.attachment


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_cannot_be_read_to_its_end(name: str, tmp_path: Path) -> None:
    path = media_made.awkward(name, tmp_path)
    with pytest.raises(MediaError):
        list(ClipReader(probe(path)).frames())


def test_the_names_people_ask_for_are_there() -> None:
    asked = (
        "vfr start_late negative_start b_frames ten_bit yuv422 yuv444 gray rgb odd_size one_frame two_frames no_audio"
    )
    assert {*asked.split(), "two_audio", "truncated", "empty", "not_media", "cut", "tall", "thin"} <= set(RECIPES)


def test_awkward_times_are_awkward() -> None:
    def times(name: str) -> tuple[int, ...]:
        recipe = RECIPES[name]
        assert isinstance(recipe, Recipe)
        return recipe.times

    assert times("negative_start")[0] < 0 < times("start_late")[0]
    assert len(set(np.diff(times("vfr")))) > 3


def test_b_frames_are_stored_out_of_order(tmp_path: Path) -> None:
    info = probe(media_made.awkward("b_frames", tmp_path))
    order = [pts for pts, _ in media_made.packets(info.path)[0]]
    assert order != sorted(order)


def test_texture_moves_and_a_cut_changes_it() -> None:
    recipe = RECIPES["cut"]
    assert isinstance(recipe, Recipe)
    before, first, second = (media_made.picture(recipe, i)[0].astype(float) for i in (30, 31, 32))
    assert np.array_equal(first[:-1, :-1], second[1:, 1:])
    assert np.abs(first - before).mean() > 2 * np.abs(second - first).mean()
    assert not np.array_equal(media_made.texture(1), media_made.texture(2))


def test_rewrite_changes_what_it_is_told_to(tmp_path: Path) -> None:
    info = probe(media_made.awkward("vfr", tmp_path))
    other = probe(media_made.rewrite(info, tmp_path / "other.mkv", lambda plane, _x, _y: plane[:, ::-1].copy()))
    assert ClipReader(other).pts == ClipReader(info).pts
    for a, b in zip(ClipReader(info).frames(), ClipReader(other).frames(), strict=True):
        assert all(np.array_equal(p[:, ::-1], q) for p, q in zip(a.planes, b.planes, strict=True))


def test_main_writes_every_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    media_made.main(str(tmp_path / "made"))
    written = {p.stem for p in (tmp_path / "made").iterdir()}
    assert written == set(RECIPES)
    assert len(capsys.readouterr().out.splitlines()) == len(RECIPES)
