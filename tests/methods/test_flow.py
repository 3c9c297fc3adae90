"""DIS and RAFT."""

import os
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from safetensors.torch import save_file

from tests.ops.scene import sliding, texture
from vidinternal.core.errors import ConfigError, UsageError
from vidinternal.core.seeds import generator
from vidinternal.methods import flow_method
from vidinternal.methods.dis.config import Config as DisConfig
from vidinternal.methods.raft import method as raft_method
from vidinternal.methods.raft.config import Config
from vidinternal.methods.raft.method import network_size
from vidinternal.ops.dis import dis_flow
from vidinternal.ops.torchvision_door import raft

CPU = torch.device("cpu")


def random_weights(path: Path, size: Literal["large", "small"] = "small", seed: int = 0) -> Path:
    random = generator(seed, "raft")
    tensors = {
        name: torch.ones_like(tensor)
        if "running" in name or not tensor.is_floating_point()
        else 0.03 * torch.randn(tensor.shape, generator=random)
        for name, tensor in raft(size).state_dict().items()
    }
    save_file(tensors, path)
    return path


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_weights(tmp_path_factory.mktemp("raft") / "small.safetensors")


def estimate(frames: torch.Tensor, **settings: Any) -> torch.Tensor:
    config = Config(**{"size": "small", "updates": 2, **settings})
    return flow_method("raft").flow(frames[:-1], frames[1:], config, CPU)


@pytest.mark.parametrize("preset", ["ultrafast", "fast", "medium"])
def test_dis_hands_its_preset_on(preset: Any) -> None:
    method = flow_method("dis")
    frames = sliding(2, 60, 80, (3, 1))
    flow = method.flow(frames[:1], frames[1:], DisConfig(preset=preset), CPU)
    assert torch.equal(flow, dis_flow(frames[:1], frames[1:], preset))
    assert float((flow[0, 0, 10:-10, 10:-10] + 3).abs().mean()) < 0.3


@pytest.mark.parametrize("size", [(30, 41), (128, 136)])
def test_raft_gives_a_flow_of_the_pictures_size(small: Path, size: tuple[int, int]) -> None:
    flow = estimate(sliding(3, *size), weights=small)
    assert flow.shape == (2, 2, *size)
    assert flow.dtype == torch.float32
    assert flow.isfinite().all()
    assert not flow.requires_grad
    assert not flow.is_inference()


def test_raft_large_runs(tmp_path: Path) -> None:
    weights = random_weights(tmp_path / "large.safetensors", "large")
    assert estimate(sliding(2, 40, 40), weights=weights, size="large", updates=1).isfinite().all()


def test_pairs_computed_together_or_apart_are_the_same(small: Path) -> None:
    frames = sliding(4, 24, 32, (2, 1))
    together, apart = (estimate(frames, weights=small, pairs=n) for n in (3, 1))
    assert torch.allclose(together, apart, atol=1e-4)


def test_no_pairs_give_no_flow(small: Path) -> None:
    assert estimate(sliding(1, 24, 32), weights=small).shape == (0, 2, 24, 32)


def test_weights_that_changed_are_read_again(tmp_path: Path) -> None:
    path = random_weights(tmp_path / "raft.safetensors")
    frames = torch.stack([texture(24, 32, 1), texture(24, 32, 2)])
    before = estimate(frames, weights=path)
    random_weights(path, seed=5)
    os.utime(path, ns=(1, 1))
    assert not torch.equal(before, estimate(frames, weights=path))


@pytest.mark.parametrize(
    ("size", "expected"), [((128, 128), (128, 128)), ((17, 23), (128, 176)), ((240, 431), (240, 432))]
)
def test_pictures_are_enlarged_to_what_the_network_takes(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert network_size(*size) == expected


def test_the_network_sees_pictures_in_its_range_and_its_flow_is_scaled_back(
    monkeypatch: pytest.MonkeyPatch, small: Path
) -> None:
    seen: list[torch.Tensor] = []

    def network(first: torch.Tensor, second: torch.Tensor, num_flow_updates: int) -> list[torch.Tensor]:
        seen.extend((first, second))
        flow = torch.tensor([8.0, 12.0]).view(1, 2, 1, 1).expand(len(first), 2, *first.shape[-2:])
        return [flow * 0] * (num_flow_updates - 1) + [flow]

    monkeypatch.setattr(raft_method, "_network", lambda *_: network)
    frames = torch.stack([torch.full((3, 32, 64), 0.0), torch.full((3, 32, 64), 1.0)])
    flow = estimate(frames, weights=small)
    assert [tuple(s.shape) for s in seen] == [(1, 3, 128, 256)] * 2
    assert (seen[0] == -1).all()
    assert (seen[1] == 1).all()
    assert torch.allclose(flow[0, :, 5, 5], torch.tensor([2.0, 3.0]))


def test_weights_must_be_given() -> None:
    with pytest.raises(ConfigError, match=r"flow\.weights"):
        estimate(sliding(2, 24, 32))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no file .*none\.safetensors"):
        estimate(sliding(2, 24, 32), weights=tmp_path / "none.safetensors")


def test_other_formats_are_refused_with_a_way_out(tmp_path: Path) -> None:
    path = tmp_path / "raft.pth"
    path.write_bytes(b"PK\x03\x04 this would have to be unpickled")
    with pytest.raises(ConfigError, match=r"a \.safetensors file(.|\n)*save_file"):
        estimate(sliding(2, 24, 32), weights=path)


def test_weights_of_the_other_network_are_refused(small: Path) -> None:
    with pytest.raises(ConfigError, match=r"raft weights .*small\.safetensors"):
        estimate(sliding(2, 24, 32), weights=small, size="large")


def test_pictures_must_belong_together() -> None:
    with pytest.raises(UsageError, match="two tensors N 3 H W"):
        flow_method("raft").flow(torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 9), Config(), CPU)
