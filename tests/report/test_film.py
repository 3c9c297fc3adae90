from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests import media_made
from tests.report.runs import small_job
from tests.stages.turned import matrix_of, with_matrix
from vidinternal.media.orientation import Orientation
from vidinternal.media.probe import probe, probe_result
from vidinternal.report.film import Film, Reel, Shown, Wanted, make_film
from vidinternal.report.intermediate import Intermediate
from vidinternal.runner.run import open_run, run_job

Made = tuple[Reel, Intermediate]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    job = small_job(tmp_path_factory.mktemp("film"))
    result = run_job(job)
    run = open_run(job)
    return Reel(run.info, probe_result(result.destination, run.info)), Intermediate(run, "progressive")


def pixels(data: bytes) -> np.ndarray:
    read = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert read is not None
    return cv2.cvtColor(read, cv2.COLOR_BGR2RGB) if read.ndim == 3 else read


def test_every_frame_of_a_short_clip_is_shown_before_and_after(made: Made) -> None:
    film = make_film(*made, Wanted())
    assert [s.index for s in film.frames] == list(range(14)) and film.jumps == 0
    assert film.size == (64, 48) and set("abker") <= set(film.letters)
    for shown in film.frames:
        before, after = pixels(shown.pictures["b"]).astype(int), pixels(shown.pictures["a"]).astype(int)
        assert before.shape == after.shape == (48, 64, 3)
        away = np.abs(before - after).mean(axis=2)
        away[8:26, 16:40] = 0
        assert away.mean() < 4  # lossy, but of the same picture
        assert ("k" in shown.pictures) == (2 <= shown.index < 10)


def test_what_a_pixel_is_made_of_is_coded_without_loss(made: Made) -> None:
    film = make_film(*made, Wanted())
    maps = dict(made[1].maps(range(14)))
    for shown in (s for s in film.frames if "k" in s.pictures):
        assert shown.place == (20, 12, 16, 10)
        coded, known = pixels(shown.pictures["k"]).astype(int), maps[shown.index]
        inside = np.s_[12:22, 20:36]
        assert np.array_equal(coded[..., 0], known.origin[inside])
        later = coded[..., 1] * 256 + coded[..., 2]
        source = known.source[inside]
        assert np.array_equal(later > 0, source >= 0)
        assert np.array_equal((later - 32768 + shown.index)[source >= 0], source[source >= 0])
        assert known.error is not None
        share = (known.error[inside] / film.largest_error).clip(0, 1)
        assert np.array_equal(pixels(shown.pictures["e"]), np.round(share * 255).astype(np.uint8))


def test_pictures_stay_inside_their_room_and_the_worst_are_kept(made: Made) -> None:
    whole = sum(s.size for s in make_film(*made, Wanted()).frames)
    film = make_film(*made, Wanted(worst=(7, 3), starts=(0, 8), room=whole // 2))
    assert sum(s.size for s in film.frames) <= whole // 2
    shown = {s.index for s in film.frames}
    assert {0, 3, 7, 13} <= shown and len(shown) < 14
    assert film.jumps > 0


def test_a_hole_thinner_than_a_pixel_of_the_page_still_shows() -> None:
    from vidinternal.report.film import _pixel_maps
    from vidinternal.report.intermediate import FrameMaps

    mask = np.zeros((400, 800), dtype=bool)
    mask[201, 100:700] = True
    maps = FrameMaps(mask, mask.astype(np.uint8) * 4, np.full(mask.shape, -1, np.int32), None, None, None)
    coded, error, (left, top, width, height) = _pixel_maps(maps, 0, Film((80, 40), 1))
    assert error is None and (left, top, width, height) == (10, 20, 60, 1)
    assert (coded[..., 0] == 4).all()


@pytest.mark.parametrize(("sar", "turns", "size"), [("2", 0, (128, 48)), ("1/2", 0, (32, 48)), ("2", 1, (48, 128))])
def test_pixels_are_made_square_and_pictures_upright(
    sar: str, turns: int, size: tuple[int, int], tmp_path: Path
) -> None:
    plain = media_made.clip(tmp_path / "plain.mkv", frames=2, sar=Fraction(sar))
    clip = with_matrix(plain, tmp_path / "clip.mkv", matrix_of(Orientation(turns)))
    info = replace(probe(clip), sar=Fraction(sar))
    reel = Reel(info, info)
    assert reel.size(960) == size
    assert max(reel.size(40)) == 40
    for _, before, after in reel.read([0, 1], size):
        assert before.shape == after.shape == (size[1], size[0], 3)


def test_a_frame_says_where_its_pictures_are() -> None:
    told = Shown(7, {"b": b"xyz", "k": b"1"}, (1, 2, 3, 4)).as_dict()
    assert told == {"i": 7, "p": [1, 2, 3, 4], "b": "data:image/webp;base64,eHl6", "k": "data:image/png;base64,MQ=="}
