from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from vidinternal.core.errors import UsageError
from vidinternal.core.seeds import generator
from vidinternal.nets.skip_net import Head, PaddedConv, SkipNet, SkipNetConfig, fitting_depth

PAPER = SkipNetConfig(
    in_channels=1,
    down=(16, 32, 64, 128, 128, 128),
    up=(16, 32, 64, 128, 128, 128),
    skip=(4,) * 6,
    kernel_down=5,
    upsample="nearest",
)
SMALL = SkipNetConfig(in_channels=1, down=(6, 8), up=(6, 8), skip=(2, 2), kernel_down=5, upsample="nearest")
IMAGE, FLOW = Head("image", 3, sigmoid=True), Head("flow", 12)


def parameters(config: SkipNetConfig) -> int:
    with torch.device("meta"):
        return sum(p.numel() for p in SkipNet(config).parameters())


def build(config: SkipNetConfig, seed: int = 0) -> SkipNet:
    return SkipNet.build(config, generator(seed))


@pytest.mark.parametrize(
    ("config", "count"),
    [
        (replace(PAPER, heads=(IMAGE, FLOW)), 3_072_139),
        (PAPER, 3_071_935),
        (replace(PAPER, temporal=True), 9_089_119),
        (SkipNetConfig(), 2_217_831),
        (SkipNetConfig(skip=(128,) * 5), 3_002_627),
        (
            SkipNetConfig(in_channels=3, down=(8, 16, 32, 64, 128), up=(8, 16, 32, 64, 128), skip=(0, 0, 0, 4, 4)),
            572_827,
        ),
        (replace(PAPER, skip=(0,) * 6, up_1x1=False), 2_996_467),
    ],
    ids=["flow", "image", "3d", "dip", "dip-text", "dip-jpeg", "dip-library"],
)
def test_published_parameter_counts(config: SkipNetConfig, count: int) -> None:
    assert parameters(config) == count


@pytest.mark.parametrize("upsample", ["nearest", "bilinear"])
@pytest.mark.parametrize("padding", ["reflection", "zero"])
@pytest.mark.parametrize("skip", [(2, 2), (0, 0)])
@pytest.mark.parametrize("temporal", [False, True])
def test_any_size_comes_out_as_it_went_in(upsample: str, padding: str, skip: tuple[int, int], temporal: bool) -> None:
    config = replace(SMALL, upsample=upsample, padding=padding, skip=skip, temporal=temporal, heads=(IMAGE, FLOW))
    made = build(config)(torch.rand(3, 1, 17, 22, generator=generator(1)))
    assert made["image"].shape == (3, 3, 17, 22)
    assert made["flow"].shape == (3, 12, 17, 22)


def test_the_image_is_squashed_and_the_flow_is_not() -> None:
    network = build(replace(SMALL, heads=(IMAGE, FLOW)))
    with torch.no_grad():
        for head in network.heads.values():
            for parameter in head.parameters():
                parameter.mul_(100.0)
        made = network(torch.rand(2, 1, 16, 16, generator=generator(1)))
    assert 0.0 <= float(made["image"].min()) < 0.01
    assert 0.99 < float(made["image"].max()) <= 1.0
    assert float(made["flow"].abs().max()) > 2.0


def test_batch_statistics_rule_at_inference_too() -> None:
    network = build(SMALL)
    noise = torch.rand(4, 1, 16, 16, generator=generator(1))
    training = network(noise)["image"]
    network.eval()
    assert torch.equal(network(noise)["image"], training)
    alone = network(noise[:2])["image"]
    assert not torch.allclose(alone, training[:2], atol=1e-4), "frames generated together must depend on one another"


def test_a_temporal_convolution_is_a_3d_convolution() -> None:
    config = replace(SMALL, temporal=True)
    layer = PaddedConv(config, 2, 3, kernel=5, stride=2)
    x = torch.rand(4, 2, 12, 14, generator=generator(1))
    weight = layer.conv.weight.view(3, 3, 2, 5, 5).transpose(1, 2)
    clip = x.transpose(0, 1)[None]
    clip = functional.pad(
        functional.pad(clip, (2, 2, 2, 2, 0, 0), mode="reflect"), (0, 0, 0, 0, 1, 1), mode="replicate"
    )
    expected = functional.conv3d(clip, weight, layer.conv.bias, stride=(1, 2, 2))[0].transpose(0, 1)
    assert torch.allclose(layer(x), expected, atol=1e-5)


def test_only_the_temporal_network_looks_at_neighbours() -> None:
    def first_frame_changes(temporal: bool) -> bool:
        layer = PaddedConv(replace(SMALL, temporal=temporal), 1, 1, kernel=3)
        x = torch.rand(3, 1, 8, 8, generator=generator(1))
        changed = x.clone()
        changed[1] += 1.0
        return not torch.equal(layer(x)[0], layer(changed)[0])

    assert first_frame_changes(True)
    assert not first_frame_changes(False)


def test_same_seed_same_network_and_no_global_randomness() -> None:
    state = torch.get_rng_state()
    first, second, other = build(SMALL, 1), build(SMALL, 1), build(SMALL, 2)
    assert torch.equal(torch.get_rng_state(), state)

    def flat(network: SkipNet) -> Tensor:
        return torch.cat([p.flatten() for p in network.parameters()])

    assert torch.equal(flat(first), flat(second))
    assert not torch.equal(flat(first), flat(other))


def test_heads_stay_float32_in_reduced_precision() -> None:
    network = build(SMALL)
    noise = torch.rand(2, 1, 16, 16, generator=generator(1))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        made = network(noise)["image"]
    assert made.dtype == torch.float32
    assert torch.allclose(made, network(noise)["image"], atol=0.1)


@pytest.mark.parametrize("side", [5, 8, 9, 16, 17, 33, 64, 65, 128, 129])
def test_the_fitting_depth_works_and_one_more_does_not(side: int) -> None:
    depth = fitting_depth(side, 256, 6)

    def run(levels: int) -> None:
        config = replace(SMALL, down=(2,) * levels, up=(2,) * levels, skip=(1,) * levels)
        build(config)(torch.rand(1, 1, side, 129, generator=generator(1)))

    run(depth)
    if depth < 6:
        with pytest.raises(RuntimeError, match=r"[Pp]adding size"):
            run(depth + 1)


def test_depth_six_needs_more_than_128_pixels() -> None:
    assert fitting_depth(129, 129, 6) == 6
    assert fitting_depth(128, 400, 6) == 5
    assert fitting_depth(200, 200, 2) == 2
    assert fitting_depth(16, 16, 6, kernel=3) == 3


def test_a_picture_too_small_for_one_level_says_so() -> None:
    with pytest.raises(UsageError, match="at least 5 pixels"):
        fitting_depth(4, 100, 6)


def test_a_malformed_shape_is_refused() -> None:
    with pytest.raises(UsageError, match="as many down, up and skip"):
        SkipNet(replace(SMALL, skip=(2,)))
    with pytest.raises(UsageError, match="odd kernels"):
        SkipNet(replace(SMALL, kernel_up=4))


def test_signatures_tell_networks_apart() -> None:
    variants = [
        SMALL,
        replace(SMALL, in_channels=2),
        replace(SMALL, down=(6, 9)),
        replace(SMALL, kernel_up=5),
        replace(SMALL, upsample="bilinear"),
        replace(SMALL, padding="zero"),
        replace(SMALL, up_1x1=False),
        replace(SMALL, bias=False),
        replace(SMALL, temporal=True),
        replace(SMALL, heads=(IMAGE, FLOW)),
    ]
    assert len({v.signature() for v in variants}) == len(variants)
    assert replace(SMALL).signature() == SMALL.signature()
