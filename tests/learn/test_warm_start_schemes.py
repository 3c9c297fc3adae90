"""The arithmetic of the schemes, and the pool that applies it."""

from collections.abc import Mapping

import pytest
import torch

from vidinternal.core.errors import ConfigError
from vidinternal.core.seeds import generator
from vidinternal.learn.warm_start import meta
from vidinternal.learn.warm_start.describe import describe
from vidinternal.learn.warm_start.meta import meta_start, packed, signatures, unpacked
from vidinternal.learn.warm_start.pool import MOST, Finished, Pool
from vidinternal.learn.warm_start.schemes import LAST, SCHEMES, Scheme, combine, moving_average, needed, running_mean
from vidinternal.methods.internal.config import Config
from vidinternal.methods.internal.generator import build, signature

SIZE = (40, 56)


def sets(*values: float) -> list[dict[str, torch.Tensor]]:
    return [{"w": torch.full((2, 2), float(v)), "count": torch.tensor(int(v))} for v in values]


def value(weights: Mapping[str, torch.Tensor]) -> float:
    return float(weights["w"].mean())


def test_the_running_mean_is_the_mean() -> None:
    random = torch.randn((7, 50), generator=generator(0))
    assert torch.allclose(running_mean({"w": row} for row in random)["w"], random.mean(dim=0), atol=1e-6)
    assert value(running_mean(sets(3))) == 3


def test_the_moving_average_forgets_by_halves() -> None:
    assert value(moving_average(sets(8))) == 8
    assert value(moving_average(sets(8, 4))) == 6
    assert value(moving_average(sets(8, 4, 2))) == 4
    assert value(moving_average(sets(8, 4, 2), newest=1.0)) == 2


def test_whole_numbers_are_taken_from_the_last_and_the_given_sets_stay() -> None:
    given = sets(1, 2, 6)
    mean = running_mean(given)
    assert int(mean["count"]) == 6
    assert value(mean) == 3
    assert [value(g) for g in given] == [1, 2, 6]
    mean["w"].zero_()
    assert value(given[0]) == 1


def test_sets_of_different_networks_are_refused() -> None:
    for other in ({"w": torch.zeros(3, 2), "count": torch.tensor(1)}, {"w": torch.zeros(2, 2)}):
        with pytest.raises(ConfigError, match="only weights of equal signature"):
            running_mean([*sets(1), other])
    with pytest.raises(ValueError, match="no weights"):
        combine("mean", [])


@pytest.mark.parametrize(
    ("scheme", "wanted"),
    [
        ("cold", ()),
        ("meta", ()),
        ("previous", (4,)),
        ("nearest", (3,)),
        ("mean", (0, 1, 2, 3, 4)),
        ("ema", (0, 1, 2, 3, 4)),
        ("last_k", (2, 3, 4)),
    ],
)
def test_each_scheme_asks_for_its_sets(scheme: Scheme, wanted: tuple[int, ...]) -> None:
    assert needed(scheme, (0.1, 0.5, 0.4, 0.1, 0.2)) == wanted  # of two that are equally near, the later
    assert needed(scheme, ()) == ()
    assert LAST == 3


PICTURE = torch.rand((2, 3, *SIZE), generator=generator(1))


def finished(number: int, picture: torch.Tensor, method: str = "dip_vid", net: str = "net/1") -> Finished:
    return Finished(str(number), method, net, SIZE, describe(picture), lambda: sets(number)[0])


def pool(scheme: Scheme, *rows: Finished) -> Pool:
    return Pool(scheme, rows, "dip_vid", SIZE, describe(PICTURE))


def test_a_pool_gives_what_the_scheme_says() -> None:
    rows = (finished(1, PICTURE), finished(2, PICTURE / 4), finished(6, PICTURE.square()))
    expected: dict[Scheme, float] = {"previous": 6, "nearest": 1, "mean": 3, "ema": 3.75, "last_k": 3}
    for scheme, wanted in expected.items():
        start = pool(scheme, *rows).of("net/1")
        assert start is not None
        assert value(start.weights) == wanted
        assert start.origin.startswith(f"{scheme}: ")
    assert pool("cold", *rows).of("net/1") is None


@pytest.mark.parametrize("scheme", SCHEMES)
def test_weights_of_another_method_or_network_are_never_offered(scheme: Scheme) -> None:
    rows = (finished(1, PICTURE, method="internal"), finished(2, PICTURE, net="net/2"))
    assert pool(scheme, *rows).of("net/1") is None
    assert pool(scheme).of("net/1") is None


def test_a_long_history_is_cut() -> None:
    start = pool("mean", *(finished(k, PICTURE) for k in range(1, MOST + 11))).of("net/1")
    assert start is not None
    assert value(start.weights) == pytest.approx(10 + (MOST + 1) / 2)


def test_the_learned_start_fits_the_networks_it_is_for() -> None:
    for fold in ("2", "4"):
        net = build(Config.model_validate({"unshuffle": fold}), 64, 96, 0)
        start = meta_start(signature(net))
        assert start is not None, "the generator has changed: python -m vidinternal.bench.meta_start"
        net.load_state_dict(start)
        assert all(bool(t.isfinite().all()) for t in start.values())
    assert meta_start("another") is None
    assert len(signatures()) == 2
    given = Pool("meta", (), "internal", SIZE, describe(PICTURE)).of(signatures()[0])
    assert given is not None and given.origin == "weights learned on the sample clips"


def test_the_learned_start_ships_small() -> None:
    path = (meta.files("vidinternal.learn.warm_start")).joinpath(meta.FILE)
    assert len(path.read_bytes()) <= 1_500_000


def test_packing_keeps_weights_to_half_a_step_and_equal_ones_once() -> None:
    shared = torch.randn((4, 3, 3, 3), generator=generator(2))
    nets = {"a": {"x": shared, "y": torch.zeros(4)}, "b": {"x": shared.clone(), "y": torch.ones(4)}}
    stored, index = unpacked(packed(nets, {"made": "by a test"}))
    assert index["a"]["x"] == index["b"]["x"]
    assert index["a"]["y"] != index["b"]["y"]
    key = index["a"]["x"]
    step = shared.abs().amax(dim=(1, 2, 3), keepdim=True) / 127
    assert bool(((stored[f"{key}.code"] * step - shared).abs() <= step / 2 + 1e-6).all())
