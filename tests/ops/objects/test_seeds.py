"""What hints say as boxes and points."""

from fractions import Fraction
from pathlib import Path

import numpy as np

from vidinternal.core.hints import gather
from vidinternal.ops.objects.seeds import Place, Seed, seeds

PLACE = Place((72, 112), [Fraction(k, 10) for k in range(4)])


def seed(texts: list[str], picture: np.ndarray | None = None) -> Seed:
    def read(_path: Path) -> np.ndarray:
        assert picture is not None
        return picture

    return seeds(gather(texts, None), PLACE, read)["object"][0]


def test_a_box_or_a_polygon_has_bounds_and_points_are_spots() -> None:
    found = seed(["box=8,22,26,20@1", "point=20,30@1", "not=12,26@1"])
    assert (found.index, found.bounds, found.exact, found.corrects) == (1, (22, 42, 8, 34), False, False)
    assert found.spots == ((20, 30, True), (12, 26, False))
    assert seed(["polygon=8,22;33,22;20,41"]).bounds == (22, 42, 8, 34)
    assert seed(["point=20,30"]).bounds is None


def test_strokes_give_a_few_spots_on_themselves_apart_from_each_other() -> None:
    picture = np.zeros((72, 112, 4), np.uint8)
    picture[30:34, 10:100] = (0, 255, 0, 255)
    picture[60:64, 10:20] = (255, 0, 0, 255)
    spots = seed(["scribble=a.png"], picture).spots
    mine = [(x, y) for x, y, on in spots if on]
    assert 2 <= len(mine) <= 5
    assert all(30 <= y < 34 and 10 <= x < 100 for x, y in mine)
    assert min(abs(a[0] - b[0]) for k, a in enumerate(mine) for b in mine[:k]) >= 4
    assert next(y for _, y, on in spots if not on) >= 60


def test_a_mask_is_no_box() -> None:
    white = np.zeros((72, 112, 4), np.uint8)
    white[10:20, 10:20] = 255
    found = seed(["mask=a.png"], white)
    assert found.exact
    assert found.bounds is None
    assert not found.spots
