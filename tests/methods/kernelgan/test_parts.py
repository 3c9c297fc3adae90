"""The parts of KernelGAN: its networks, its terms, its schedule, its crops."""

import pytest
import torch

from vidinternal.core.seeds import generator
from vidinternal.methods.kernelgan.crops import Crops, gradient_map
from vidinternal.methods.kernelgan.fit import inside, middle, without_small
from vidinternal.methods.kernelgan.networks import KERNEL_SIDE, Discriminator, Generator, SpectralConv, shrunk
from vidinternal.methods.kernelgan.objective import (
    Schedule,
    bicubic_loss,
    boundaries_loss,
    boundary_mask,
    centralised_loss,
    gan_loss,
    sparse_loss,
    sum_to_one_loss,
)
from vidinternal.ops.imresize import imresize
from vidinternal.ops.kernels import cubic_kernel, gaussian_kernel, kernel_shift


def random(*name: str) -> torch.Generator:
    return generator(0, *name)


def test_the_networks_have_as_many_weights_as_published() -> None:
    assert sum(p.numel() for p in Generator(random()).parameters()) == 150_656
    assert sum(p.numel() for p in Discriminator(random()).parameters()) == 30_977


def test_the_generator_is_its_kernel() -> None:
    """Layer by layer or as one convolution: the same pictures, the same gradients."""
    net, x = Generator(random()), torch.rand(2, 3, 40, 36, generator=random("x"))
    assert net.kernel().shape == (KERNEL_SIDE, KERNEL_SIDE)
    slow, quick = net.layer_by_layer(x), net(x)
    assert slow.shape == (2, 3, 14, 12)
    assert torch.allclose(slow, quick, atol=1e-4 * float(slow.detach().abs().max()))
    grads = []
    for made in (slow, quick):
        net.zero_grad()
        made.square().mean().backward()
        grads.append([p.grad.clone() for p in net.parameters() if p.grad is not None])
    for a, b in zip(*grads, strict=True):
        assert torch.allclose(a, b, rtol=1e-2, atol=1e-3 * float(a.abs().max()))


def test_the_generator_becomes_any_kernel() -> None:
    for wanted in (cubic_kernel((2, 2)), gaussian_kernel(13, 2.0), torch.eye(13) / 13):
        net = Generator(random())
        net.become(wanted)
        assert torch.allclose(net.kernel(), wanted, atol=1e-5)
        assert max(float(p.detach().abs().max()) for p in net.parameters()) < 3


def test_a_delta_reads_the_kernel_out() -> None:
    net, delta = Generator(random()), torch.zeros(1, 1, 25, 25)
    delta[..., 12, 12] = 1
    with torch.no_grad():
        filters, seen = list(net.filters), delta
        for weights in filters:
            seen = torch.nn.functional.conv2d(seen, weights)
        assert torch.allclose(seen[0, 0].flip(0, 1), net.kernel(), atol=1e-6)


def test_shrinking_by_the_cubic_is_what_imresize_does_inside() -> None:
    x = torch.rand(1, 3, 64, 64, generator=random("x"))
    assert torch.allclose(shrunk(x, cubic_kernel((2, 2))), imresize(x, 0.5)[..., 3:-3, 3:-3], atol=1e-5)


def test_the_discriminator_sees_patches_of_seven_pixels_and_says_zero_to_one() -> None:
    net, x = Discriminator(random()), torch.rand(1, 3, 26, 26, generator=random("x"))
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            assert not module.track_running_stats
    judged = net(x).detach()
    assert judged.shape == (1, 1, 20, 20)
    assert float(judged.min()) > 0 and float(judged.max()) < 1
    sides = [m.weight.shape[-1] for m in net.modules() if isinstance(m, SpectralConv)]
    assert sides == [7, 1, 1, 1, 1, 1, 1]


def test_spectral_weights_come_to_have_a_largest_singular_value_of_one() -> None:
    layer, x = SpectralConv((3, 8), 3, random()), torch.rand(1, 3, 9, 9)
    with torch.no_grad():
        for _ in range(60):
            layer(x)
        rows = layer.weight.flatten(1)
        v = torch.nn.functional.normalize(rows.T @ layer.u, dim=0)
        assert float(layer.u @ (rows @ v)) == pytest.approx(float(torch.linalg.matrix_norm(rows, 2)), rel=1e-4)


def test_terms_are_zero_where_they_should_be_and_grow_with_what_they_punish() -> None:
    cubic = cubic_kernel((2, 2))
    for value in (1.0, 0.0):
        assert float(gan_loss(torch.full((1, 1, 4, 4), value), real=value == 1)) == 0
    assert float(gan_loss(torch.full((1, 1, 4, 4), 0.25), real=True)) == 0.75
    assert float(sum_to_one_loss(cubic)) < 1e-6 and float(sum_to_one_loss(2 * cubic)) == pytest.approx(1)
    assert float(centralised_loss(cubic)) < 1e-9
    assert float(centralised_loss(cubic.roll(1, 0))) == pytest.approx(0.5, abs=1e-3)
    x = torch.rand(1, 3, 6, 6)
    assert float(bicubic_loss(x, x)) == 0 and float(bicubic_loss(x, x + 0.5)) == pytest.approx(0.25)
    mask = boundary_mask(13)
    assert mask.shape == (13, 13) and float(mask[2:11, 2:11].abs().max()) == 0
    assert float(mask.max()) == float(mask[0, 0]) > 0
    corner = torch.zeros(13, 13)
    corner[0, 0] = 1
    middle = corner.roll((6, 6), (0, 1))
    assert float(boundaries_loss(corner, mask)) > 0 == float(boundaries_loss(middle, mask))
    spread = torch.full((13, 13), 1 / 169)
    assert float(sparse_loss(middle)) < float(sparse_loss(spread))
    zero = torch.zeros(13, 13, requires_grad=True)
    sparse_loss(zero).backward()
    assert zero.grad is not None and bool(zero.grad.isfinite().all())


def test_the_schedule_sets_the_generator_free_and_then_shapes_its_kernel() -> None:
    schedule, weights = Schedule(3000), []
    for step in range(1000):
        schedule.after(step, 0.5 if step < 100 or step == 102 else 0.3)
        weights.append((schedule.weights.bicubic, schedule.weights.sparse, schedule.weights.centralised))
    assert weights[199] == (5.0, 0.0, 0.0)
    assert weights[200] == (0.05, 0.0, 0.0)
    assert weights[400] == (pytest.approx(5e-4), 5.0, 1.0)
    assert weights[800][0] == 5e-6 == weights[999][0]


def test_the_generator_is_not_set_free_before_three_steps_running_are_near_the_cubic() -> None:
    schedule = Schedule(3000)
    for step in range(600):
        schedule.after(step, 0.3 if step % 3 else 0.5)
    assert schedule.weights.bicubic == 5.0 and not schedule.free


def test_step_sizes_fall_to_a_tenth_three_times() -> None:
    schedule = Schedule(300)
    falls = [step for step in range(300) if schedule.after(step, 1.0) != 1.0]
    assert falls == [75, 150, 225]


def test_the_schedule_goes_on_where_it_was() -> None:
    whole, cut = Schedule(300), Schedule(300)
    for step in range(90):
        whole.after(step, 0.1)
        cut.after(step, 0.1)
    resumed = Schedule(300)
    resumed.load_state(cut.state())
    for step in range(90, 200):
        assert whole.after(step, 0.1) == resumed.after(step, 0.1)
    assert whole.state() == resumed.state()


def picture_with_an_edge() -> torch.Tensor:
    picture = torch.full((1, 3, 80, 90), 0.2)
    picture[..., 60:] = 0.8
    return picture


def test_gradients_are_where_the_edge_is_and_their_mean_is_one() -> None:
    found = gradient_map(picture_with_an_edge()[0])
    assert float(found.mean()) == pytest.approx(1, abs=1e-5)
    assert float(found[:, 54:66].sum()) > 0.99 * float(found.sum())
    assert torch.equal(gradient_map(torch.full((3, 40, 40), 0.5)), torch.ones(40, 40))


def test_crops_lie_inside_on_even_places_and_around_what_happens() -> None:
    pictures = torch.cat((torch.full((1, 3, 80, 90), 0.5), picture_with_an_edge()))
    pictures[0, 0, 0, 0] = 0.51
    crops = Crops(pictures, 32, 200, random("crops"))
    assert crops.patch == 10
    for places, side in ((crops.for_generator, 32), (crops.for_discriminator, 10)):
        assert bool((places[:, 1:] % 2 == 0).all()) and int(places[:, 1:].min()) >= 0
        assert int(places[:, 1].max()) + side <= 80 and int(places[:, 2].max()) + side <= 90
    # a flat picture says as much as any other of its pixels: none of its own, so an even map of mean 1
    of_edge = crops.for_discriminator[crops.for_discriminator[:, 0] == 1]
    near = ((of_edge[:, 2] + 5 - 60).abs() < 14).float().mean()
    assert float(near) > 0.95
    assert crops.generator(0).shape == (1, 3, 32, 32) and crops.discriminator(3).shape == (1, 3, 10, 10)
    assert float(crops.generator(1).min()) >= -1 and float(crops.generator(1).max()) <= 1


def test_a_crop_as_large_as_the_picture_is_the_picture() -> None:
    pictures = torch.rand(1, 3, 26, 26)
    crops = Crops(pictures, 26, 3, random())
    assert torch.allclose(crops.generator(2), pictures * 2 - 1)


def test_small_weights_go_and_the_rest_sums_to_one() -> None:
    kernel = kernel_shift(gaussian_kernel(13, 1.5), 2.0)
    kernel = inside(kernel, 13)
    left = without_small(kernel, 40)
    assert float(left.sum()) == pytest.approx(1, abs=1e-5) and float(left.min()) == 0
    assert int((left > 0).sum()) >= 40
    assert int(left.argmax()) == int(kernel.argmax())
    nothing = without_small(torch.full((13, 13), -1.0), 40)
    assert float(nothing.sum()) == 1 and float(nothing[6, 6]) == 1


@pytest.mark.parametrize("side", [9, 13, 17])
def test_a_kernel_is_cut_or_padded_around_its_middle(side: int) -> None:
    kernel = gaussian_kernel(13, 1.0)
    cut = inside(kernel, side)
    assert cut.shape == (side, side) and float(cut.sum()) == pytest.approx(1, abs=1e-5)
    assert int(cut.argmax()) == (side // 2) * side + side // 2


def test_the_middle_of_a_large_picture_is_cut_out_and_a_small_one_is_left() -> None:
    picture = torch.rand(2, 3, 20, 31)
    assert torch.equal(middle(picture, 40), picture)
    assert torch.equal(middle(picture, 10), picture[..., 5:15, 10:20])
