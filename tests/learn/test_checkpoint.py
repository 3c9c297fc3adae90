from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from vidinternal.core.errors import ConfigError, UsageError
from vidinternal.learn import checkpoint
from vidinternal.learn.checkpoint import Checkpoint, load, restore, save, snapshot

TENSORS = {"a.weight": torch.arange(6.0).view(2, 3), "b": torch.tensor([1, 2])}


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    save(tmp_path / "w.safetensors", Checkpoint(TENSORS, "net:1", {"iterations": 7, "size": [3, 4]}))
    found = load(tmp_path / "w.safetensors", "net:1")
    assert found.tensors.keys() == TENSORS.keys()
    assert all(torch.equal(found.tensors[name], tensor) for name, tensor in TENSORS.items())
    assert found.signature == "net:1"
    assert found.metadata == {"iterations": 7, "size": [3, 4]}
    assert [p.name for p in tmp_path.iterdir()] == ["w.safetensors"]


def test_shared_and_strided_tensors_are_saved_whole(tmp_path: Path) -> None:
    base = torch.arange(24.0).view(1, 2, 3, 4)
    tensors = {"x": base, "y": base, "z": base.to(memory_format=torch.channels_last), "t": base[0, 0].t()}
    save(tmp_path / "w.safetensors", Checkpoint(tensors))
    found = load(tmp_path / "w.safetensors").tensors
    assert all(torch.equal(found[name], tensor) for name, tensor in tensors.items())


def test_another_signature_is_refused(tmp_path: Path) -> None:
    save(tmp_path / "w.safetensors", Checkpoint(TENSORS, "net:1"))
    with pytest.raises(ConfigError, match=r"(?s)expected: weights of net:2.*got: +weights of net:1"):
        load(tmp_path / "w.safetensors", "net:2")
    save_file(TENSORS, tmp_path / "foreign.safetensors")
    with pytest.raises(ConfigError, match="without a signature"):
        load(tmp_path / "foreign.safetensors", "net:2")
    assert load(tmp_path / "foreign.safetensors").signature is None


def test_a_missing_or_broken_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"(?s)none\.safetensors.*no such file"):
        load(tmp_path / "none.safetensors")
    (tmp_path / "broken.safetensors").write_bytes(b"not at all")
    with pytest.raises(UsageError, match=r"broken\.safetensors"):
        load(tmp_path / "broken.safetensors")
    save_file(TENSORS, tmp_path / "header.safetensors", metadata={"metadata": "{no json"})
    with pytest.raises(UsageError, match=r"header\.safetensors"):
        load(tmp_path / "header.safetensors")
    with pytest.raises(UsageError, match="a folder that exists"):
        save(tmp_path / "no" / "w.safetensors", Checkpoint(TENSORS))


def test_a_failed_save_leaves_the_old_file_and_no_litter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / "w.safetensors", Checkpoint(TENSORS, "old"))

    def torn(_tensors: object, path: str, metadata: object) -> None:
        Path(path).write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(checkpoint, "save_file", torn)
    with pytest.raises(OSError, match="disk full"):
        save(tmp_path / "w.safetensors", Checkpoint({}, "new"))
    assert load(tmp_path / "w.safetensors").signature == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["w.safetensors"]


def test_a_snapshot_does_not_follow_training() -> None:
    network = nn.Conv2d(1, 1, 1)
    before = snapshot(network)
    with torch.no_grad():
        network.weight.add_(1.0)
    assert not torch.equal(network.weight, before["weight"])
    restore(network, before, "start")
    assert torch.equal(network.weight, before["weight"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w.pop("bias"), "no such tensor"),
        (lambda w: w.update(extra=torch.zeros(1)), "no tensor 'extra'"),
        (lambda w: w.update(weight=torch.zeros(2, 1, 1, 1)), r"shape \(2, 1, 1, 1\)"),
    ],
)
def test_weights_of_another_network_are_refused_and_change_nothing(change: object, message: str) -> None:
    network = nn.Conv2d(1, 1, 1)
    before, wrong = snapshot(network), {name: tensor + 1 for name, tensor in snapshot(network).items()}
    change(wrong)  # pyright: ignore[reportCallIssue]
    with pytest.raises(ConfigError, match=message):
        restore(network, wrong, "start")
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
