from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from vidinternal.core.contracts import FitContext
from vidinternal.core.errors import ConfigError, UsageError
from vidinternal.core.imaging import ImageTask
from vidinternal.core.seeds import generator
from vidinternal.methods import image_method
from vidinternal.methods.dip.config import RestoreConfig
from vidinternal.methods.dip.features import Phi, classifier, read_phi

SMALL = "squeezenet1_1"
LAYER = "features.3.squeeze"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier with random weights, as its owner would save it."""
    network = classifier(SMALL)
    random = generator(1)
    for parameter in network.parameters():
        bound = parameter[0].numel() ** -0.5
        nn.init.uniform_(parameter, -bound, bound, generator=random)
    path = tmp_path_factory.mktemp("weights") / "squeezenet.safetensors"
    save_file({k: v.contiguous() for k, v in network.state_dict().items()}, path)
    return path


def test_features_are_those_of_the_layer_and_fixed(weights: Path) -> None:
    phi = read_phi(SMALL, weights, LAYER, 64)
    pictures = torch.rand(1, 3, 64, 64, generator=generator(2))
    found = phi(pictures)
    layers = dict(phi.network.named_modules())
    x = (pictures - torch.tensor([0.485, 0.456, 0.406])[:, None, None]) / torch.tensor([0.229, 0.224, 0.225])[
        :, None, None
    ]
    for name in ("features.0", "features.1", "features.2", LAYER):
        x = layers[name].forward(x)  # what the layer computes, past the hook that ends the way there
    assert torch.equal(found, x), "the ReLU that follows works in place and must not be reached"
    assert not any(p.requires_grad for p in phi.parameters())


def test_pictures_of_any_size_have_features_and_gradients(weights: Path) -> None:
    phi = read_phi(SMALL, weights, LAYER, 64)
    pictures = torch.rand(1, 3, 30, 41, generator=generator(2)).requires_grad_()
    features = phi(pictures)
    assert features.shape == phi(torch.rand(1, 3, 64, 64, generator=generator(3))).shape
    features.square().mean().backward()
    assert pictures.grad is not None
    assert bool(pictures.grad.abs().sum() > 0)


def test_inversion_meets_the_features_better_and_better(weights: Path) -> None:
    frames = torch.rand(1, 3, 4, 4, generator=generator(4))
    frames = nn.functional.interpolate(frames, (40, 40), mode="bilinear", align_corners=False)
    method, terms = image_method("dip", "restore"), []
    for steps in (2, 40):
        config = RestoreConfig(
            damage="features", network=SMALL, network_weights=weights, layer=LAYER, side=40, iterations=steps
        )
        assert method.check(config, 40, 40) == ("3 levels instead of 6: the picture is small",)
        found = method.apply(ImageTask(frames, frames), config, FitContext(seed=1, device=torch.device("cpu")))
        assert found.frames.shape == frames.shape
        assert any("features of squeezenet1_1" in note for note in found.notes)
        terms.append(found.history[-1].terms["E"])
    assert terms[1] < 0.5 * terms[0]


def test_missing_and_wrong_files_are_refused_before_any_work(weights: Path, tmp_path: Path) -> None:
    method = image_method("dip", "restore")

    def check(**settings: object) -> None:
        config = RestoreConfig.model_validate({"damage": "features", "network": SMALL, "layer": LAYER, **settings})
        method.check(config, 64, 64)

    with pytest.raises(ConfigError, match="network_weights"):
        check()
    with pytest.raises(UsageError, match="no such file"):
        check(network_weights=tmp_path / "gone.safetensors")
    text = tmp_path / "text.safetensors"
    text.write_text("no weights")
    with pytest.raises(UsageError, match="safetensors"):
        check(network_weights=text)
    with pytest.raises(ConfigError, match="of shape"):
        check(network="alexnet", network_weights=weights)
    with pytest.raises(ConfigError, match="did you mean 'squeezenet1_1'"):
        check(network="squeezenet11", network_weights=weights)
    with pytest.raises(ConfigError, match="a module of squeezenet1_1"):
        check(layer="features.99", network_weights=weights)


def test_other_weights_under_the_same_name_are_read_anew(weights: Path, tmp_path: Path) -> None:
    path = tmp_path / "own.safetensors"
    path.write_bytes(weights.read_bytes())
    first = read_phi(SMALL, path, LAYER, 32)
    changed = {k: v + 1.0 for k, v in first.network.state_dict().items()}
    save_file(changed, path)
    second = read_phi(SMALL, path, LAYER, 32)
    assert all(torch.equal(v, changed[k]) for k, v in second.network.state_dict().items())


def test_a_side_that_the_network_cannot_take_is_told(weights: Path) -> None:
    phi = read_phi(SMALL, weights, "features.12.squeeze", 8)
    with pytest.raises(UsageError, match=r"restore\.side"):
        phi(torch.zeros(1, 3, 8, 8))


class Forked(nn.Module):
    """Has a layer that no picture comes to, and one that gives no tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.unused, self.pair = nn.Identity(), Pair()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.pair(x)[0]


class Pair(nn.Module):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return x, x


@pytest.mark.parametrize(("layer", "word"), [("unused", "goes through"), ("pair", "tensor")])
def test_layers_without_features_are_refused(layer: str, word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        Phi(Forked(), layer, 8, "forked")(torch.zeros(1, 3, 8, 8))
