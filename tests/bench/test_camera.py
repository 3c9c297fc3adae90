import pytest
import torch

from vidinternal.bench.camera import MOTIONS, filmed, pose
from vidinternal.core.seeds import generator


@pytest.mark.parametrize("motion", MOTIONS)
def test_the_camera_never_leaves_the_picture(motion: str) -> None:
    for side in (-1.0, 1.0):
        for step in range(11):
            view = pose(motion, step / 10, (side, -side))
            assert 0.5 <= view.zoom <= 1
            assert 0 <= view.across <= 1 and 0 <= view.down <= 1


@pytest.mark.parametrize(("motion", "moves"), [(m, m not in ("still", "near")) for m in MOTIONS])
def test_a_standing_camera_shows_the_same_picture_and_a_moving_one_does_not(motion: str, moves: bool) -> None:
    picture = torch.rand((1, 3, 60, 80), generator=generator(0))
    film = filmed(picture.expand(5, -1, -1, -1), motion, (30, 40))
    assert film.shape == (5, 3, 30, 40)
    assert float(film.min()) >= 0 and float(film.max()) <= 1
    assert bool((film[1:] != film[:-1]).flatten(1).any(dim=1).all()) is moves


def test_the_whole_view_is_the_picture_itself() -> None:
    picture = (torch.rand((2, 3, 24, 32), generator=generator(1)) * 255).round() / 255
    assert torch.equal(filmed(picture, "still", (24, 32)), picture)
