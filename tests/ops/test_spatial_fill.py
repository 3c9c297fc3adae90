import pytest
import torch

from tests.ops.scene import box, texture
from vidinternal.ops.settings import SpatialFill
from vidinternal.ops.spatial_fill import spatial_fill

KINDS: list[SpatialFill] = ["harmonic", "telea", "navier_stokes"]


@pytest.mark.parametrize("kind", KINDS)
def test_known_pixels_stay_and_hidden_ones_are_never_read(kind: SpatialFill) -> None:
    frames = texture(24, 30)[None].repeat(2, 1, 1, 1)
    masks = box(2, 24, 30, slice(6, 15), slice(0, 20))
    masks[1] = False
    filled = spatial_fill(frames, masks, kind)
    assert torch.equal(filled[~masks.expand_as(frames)], frames[~masks.expand_as(frames)])
    for hidden in (torch.nan, 0.0, 1.0):
        assert torch.equal(filled, spatial_fill(frames.masked_fill(masks, hidden), masks, kind))
    assert float((filled - frames)[0].abs().max()) > 0.01


@pytest.mark.parametrize("kind", KINDS)
def test_a_plain_picture_stays_plain(kind: SpatialFill) -> None:
    frames = torch.tensor([0.2, 0.6, 0.8]).view(1, 3, 1, 1).expand(1, 3, 20, 20)
    masks = box(1, 20, 20, slice(5, 12), slice(0, 9))
    assert torch.allclose(spatial_fill(frames.masked_fill(masks, 0.0), masks, kind), frames, atol=3 / 255)


@pytest.mark.parametrize("kind", KINDS)
def test_a_frame_without_known_pixels_takes_its_neighbours(kind: SpatialFill) -> None:
    frames = torch.stack([torch.full((3, 12, 14), value) for value in (0.2, 0.9, 0.4)])
    masks = torch.zeros((3, 1, 12, 14), dtype=torch.bool)
    masks[1] = True
    assert torch.allclose(spatial_fill(frames, masks, kind)[1], torch.tensor(0.3), atol=1e-6)


def test_the_radius_is_passed_on() -> None:
    frames, masks = texture(24, 30)[None], box(1, 24, 30, slice(6, 15), slice(8, 20))
    assert not torch.equal(spatial_fill(frames, masks, "telea", 1.0), spatial_fill(frames, masks, "telea", 9.0))
