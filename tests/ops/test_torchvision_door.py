import importlib.metadata
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch

import vidinternal
from vidinternal.core.errors import UsageError
from vidinternal.core.seeds import generator
from vidinternal.ops import torchvision_door as door


@pytest.fixture
def fresh() -> Iterator[None]:
    """Forget the imported module, for this test."""
    door.torchvision_module.cache_clear()
    yield
    door.torchvision_module.cache_clear()


def test_torchvision_can_be_imported_beside_this_torch() -> None:
    module = door.torchvision_module()
    assert module is sys.modules["torchvision"]
    assert module.models.optical_flow.raft_small


def test_an_operator_that_is_not_there_says_so() -> None:
    module = door.torchvision_module()
    boxes, scores = torch.tensor([[0.0, 0, 4, 4], [0, 0, 4, 4]]), torch.tensor([0.9, 0.8])
    if module.extension._has_ops():
        assert module.ops.nms(boxes, scores, 0.5).tolist() == [0]
    else:
        with pytest.raises(RuntimeError, match="Couldn't load custom C\\+\\+ ops"):
            module.ops.nms(boxes, scores, 0.5)
        with pytest.raises(NotImplementedError, match="torchvision::nms"):
            torch.ops.torchvision.nms(boxes, scores, 0.5)


@pytest.mark.usefixtures("fresh")
def test_a_missing_package_is_named_with_the_command_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> list[str]:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "requires", missing)
    with pytest.raises(UsageError, match="pip install --no-deps torchvision"):
        door.torchvision_module()


@pytest.mark.usefixtures("fresh")
def test_a_torchvision_for_another_torch_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "requires", lambda _: ["numpy", "torch==1.4.0"])
    with pytest.raises(UsageError, match=re.escape("torch 1.4, which it was made for")):
        door.torchvision_module()


@pytest.mark.usefixtures("fresh")
def test_releases_that_differ_in_the_last_number_go_together(monkeypatch: pytest.MonkeyPatch) -> None:
    same = ".".join(torch.__version__.split(".")[:2])
    monkeypatch.setattr(importlib.metadata, "requires", lambda _: [f"torch=={same}.99"])
    assert door.torchvision_module().__name__ == "torchvision"


@pytest.mark.usefixtures("fresh")
def test_what_torchvision_needs_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> ModuleType:
        raise ModuleNotFoundError("No module named 'PIL'", name="PIL")

    monkeypatch.setattr(door, "_import", broken)
    with pytest.raises(UsageError, match="needs the package 'PIL'"):
        door.torchvision_module()


@pytest.mark.usefixtures("fresh")
def test_schemas_are_defined_for_missing_operators_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def fails_once() -> ModuleType:
        calls.append("import")
        if len(calls) == 1:
            raise RuntimeError("operator torchvision::nms does not exist")
        return sys

    monkeypatch.setattr(door, "_import", fails_once)
    monkeypatch.setattr(door, "_define_schemas", lambda: calls.append("define"))
    assert door.torchvision_module() is sys
    assert calls == ["import", "define", "import"]


@pytest.mark.usefixtures("fresh")
def test_other_failures_are_not_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> ModuleType:
        raise RuntimeError("something else")

    monkeypatch.setattr(door, "_import", broken)
    with pytest.raises(RuntimeError, match="something else"):
        door.torchvision_module()


def test_a_failed_import_leaves_no_half_of_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    def half(name: str) -> ModuleType:
        sys.modules["torchvision.half_imported"] = ModuleType("torchvision.half_imported")
        raise RuntimeError(name)

    monkeypatch.setattr(door.importlib, "import_module", half)
    with pytest.raises(RuntimeError, match="torchvision"):
        door._import()
    assert "torchvision.half_imported" not in sys.modules


def test_raft_runs_with_weights_of_ones_own() -> None:
    network = door.raft("small")
    random = generator(0, "raft")
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(0.02 * torch.randn(parameter.shape, generator=random))
        pictures = torch.rand((2, 1, 3, 128, 136), generator=random)
        flows = network(pictures[0], pictures[1], num_flow_updates=2)
    assert not network.training
    assert [f.shape for f in flows] == [(1, 2, 128, 136)] * 2
    assert flows[-1].isfinite().all()


def test_building_networks_draws_no_global_random_numbers() -> None:
    before = torch.get_rng_state()
    door.raft("small")
    door.raft("large")
    assert torch.equal(before, torch.get_rng_state())


def test_nobody_else_imports_torchvision() -> None:
    package = Path(vidinternal.__file__).parent
    users = [
        p for p in package.rglob("*.py") if re.search(r"^\s*(import|from) torchvision", p.read_text("utf-8"), re.M)
    ]
    assert users == []
    assert 'import_module("torchvision")' in Path(door.__file__).read_text("utf-8")
