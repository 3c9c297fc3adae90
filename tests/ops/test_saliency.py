"""Laws of saliency."""

import torch

from vidinternal.ops.saliency import saliency


def _odd_one(height: int = 40, width: int = 60) -> torch.Tensor:
    """Stripes, with one patch of another colour."""
    x = torch.arange(width).expand(height, width)
    picture = torch.stack([0.4 + 0.2 * ((x // 4) % 2)] * 3).float()
    picture[:, 14:22, 38:48] = torch.tensor([0.9, 0.2, 0.1]).view(3, 1, 1)
    return picture


def test_nothing_stands_out_of_a_flat_picture() -> None:
    assert not saliency(torch.full((3, 30, 50), 0.3)).any()


def test_what_is_unlike_the_rest_stands_out() -> None:
    found = saliency(_odd_one())
    assert found.shape == (40, 60)
    assert float(found.min()) == 0.0 and float(found.max()) == 1.0
    assert float(found[16:20, 40:46].mean()) > 3 * float(found[:, :30].mean())


def test_a_mirrored_picture_stands_out_mirrored() -> None:
    picture = _odd_one(56, 56)
    assert torch.allclose(saliency(picture.flip(-1)), saliency(picture).flip(-1), atol=1e-3)


def test_what_the_context_has_is_explained_by_it() -> None:
    picture = _odd_one()
    with_it = torch.zeros(40, 60, dtype=torch.bool)
    with_it[:, 30:] = True
    without = torch.zeros(40, 60, dtype=torch.bool)
    without[:, :30] = True
    place = (slice(17, 19), slice(42, 44))
    explained, not_explained = saliency(picture, with_it), saliency(picture, without)
    assert float(not_explained[place].mean()) > 0.8
    assert float(explained[place].mean()) < float(not_explained[place].mean())


def test_a_picture_of_a_few_pixels_has_a_saliency() -> None:
    for size in ((1, 1), (1, 5), (3, 2)):
        assert saliency(torch.rand(3, *size, generator=torch.Generator().manual_seed(1))).shape == size
