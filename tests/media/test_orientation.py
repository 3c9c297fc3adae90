"""Pictures are turned as players turn them, and back, whatever the display matrix."""

import itertools
import math
from pathlib import Path

import av
import numpy as np
import pytest

from tests import media_made
from vidinternal.core.clip import ClipInfo
from vidinternal.media.orientation import Orientation, orientation, shown_size, turn_of
from vidinternal.media.probe import probe

EIGHT = [Orientation(turns, mirrored) for turns, mirrored in itertools.product(range(4), (False, True))]
ONE = 1 << 16


def matrix_of(turn: Orientation) -> tuple[int, ...]:
    """The display matrix by its definition: where it takes the unit steps right and down."""
    c, s = round(math.cos(math.pi / 2 * turn.turns)), round(math.sin(math.pi / 2 * turn.turns))
    right = (-c, -s) if turn.mirrored else (c, s)
    return (right[0] * ONE, right[1] * ONE, 0, -s * ONE, c * ONE, 0, 0, 0, 1 << 30)


def shown_by_the_matrix(stored: np.ndarray, matrix: tuple[int, ...]) -> np.ndarray:
    """Every sample taken to its place one by one, moved into the first quadrant as players do."""
    a, b, c, d = (matrix[k] // ONE for k in (0, 1, 3, 4))
    places = {(a * p + c * q, b * p + d * q): stored[q, p] for q, p in np.ndindex(*stored.shape)}
    left, top = (min(place[k] for place in places) for k in (0, 1))
    width, height = (max(place[k] for place in places) - low + 1 for k, low in ((0, left), (1, top)))
    shown = np.zeros((height, width), stored.dtype)
    for (x, y), value in places.items():
        shown[y - top, x - left] = value
    return shown


@pytest.mark.parametrize("turn", EIGHT, ids=str)
def test_upright_is_what_the_display_matrix_says(turn: Orientation) -> None:
    stored = np.arange(15).reshape(3, 5)
    rotation, mirrored, off = turn_of(matrix_of(turn))
    assert (Orientation(rotation // 90, mirrored), round(off, 6)) == (turn, 0)
    np.testing.assert_array_equal(turn.upright(stored), shown_by_the_matrix(stored, matrix_of(turn)))
    assert turn.size(5, 3) == turn.upright(stored).shape[::-1]


@pytest.mark.parametrize("turn", EIGHT, ids=str)
def test_stored_undoes_upright_on_any_leading_axes(turn: Orientation) -> None:
    pictures = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    np.testing.assert_array_equal(turn.stored(turn.upright(pictures)), pictures)
    np.testing.assert_array_equal(turn.upright(pictures)[1, 2], turn.upright(pictures[1, 2]))


def test_no_matrix_and_an_empty_one_stand_upright() -> None:
    assert turn_of(None) == turn_of((0,) * 9) == (0, False, 0.0)


@pytest.mark.parametrize(("degrees", "nearest"), [(3, 0), (-20, 0), (80, 90), (181, 180), (-91, 270)])
def test_a_tilt_is_told_from_the_nearest_right_angle(degrees: float, nearest: int) -> None:
    c, s = (round(f(math.radians(degrees)) * ONE) for f in (math.cos, math.sin))
    rotation, mirrored, off = turn_of((c, s, 0, -s, c, 0, 0, 0, 1 << 30))
    assert (rotation, mirrored) == (nearest, False)
    assert off == pytest.approx((degrees - nearest + 180) % 360 - 180, abs=0.01)


def turned_clip(path: Path, turn: Orientation, size: tuple[int, int] = (48, 32)) -> ClipInfo:
    """A clip with a display matrix that PyAV's own helper cannot write."""
    plain = media_made.clip(path.with_name("plain.mp4"), codec="libx264", size=size, frames=3, options={"qp": "0"})
    with av.open(str(plain)) as source, av.open(str(path), "w") as result:
        stream = source.streams.video[0]
        copy = result.add_stream_from_template(stream)
        copy.set_display_matrix(matrix_of(turn))
        for packet in source.demux(stream):
            if packet.dts is not None:
                packet.stream = copy
                result.mux(packet)
    return probe(path)


@pytest.mark.parametrize("turn", EIGHT, ids=str)
def test_a_file_tells_its_turn_and_mirror(turn: Orientation, tmp_path: Path) -> None:
    info = turned_clip(tmp_path / "turned.mp4", turn)
    assert orientation(info) == turn
    assert shown_size(info) == turn.size(48, 32)
