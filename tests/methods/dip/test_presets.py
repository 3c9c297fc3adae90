from typing import Any

import pytest
import torch

from tests.methods.dip.pictures import made, picture
from vidinternal.core.errors import UsageError
from vidinternal.methods import image_method
from vidinternal.methods.dip.config import DenoiseConfig, UpscaleConfig
from vidinternal.methods.dip.presets import FAITHFUL, FAST, chosen, fitted_to
from vidinternal.nets.skip_net import SkipNet


@pytest.mark.parametrize(
    ("problem", "count"),
    [
        ("denoise", 2_217_831),
        ("upscale", 2_217_831),
        ("pixels", 2_217_831),
        ("region", 2_157_955),
        ("text", 3_002_627),
        ("sparse", 1_027_379),
        ("jpeg", 572_827),
        ("texture", 2_996_467),
        ("flash", 2_184_307),
        ("features", 2_606_763),
    ],
)
def test_the_faithful_networks_have_the_published_parameter_counts(problem: Any, count: int) -> None:
    with torch.device("meta"):
        network = SkipNet(FAITHFUL[problem].network)
    assert sum(p.numel() for p in network.parameters()) == count


def test_the_published_schedules() -> None:
    rows = {name: (p.iterations, p.rate, round(p.jitter, 4), p.average) for name, p in FAITHFUL.items()}
    assert rows == {
        "denoise": (3000, 0.01, 0.0333, 0.99),
        "upscale": (2000, 0.01, 0.03, 0.0),
        "region": (5001, 0.01, 0.03, 0.0),
        "text": (6001, 0.01, 0.03, 0.0),
        "pixels": (11000, 0.001, 0.03, 0.0),
        "sparse": (1000, 0.01, 0.0, 0.0),
        "jpeg": (2400, 0.01, 0.0333, 0.99),
        "flash": (601, 0.1, 0.0, 0.0),
        "features": (3100, 0.001, 0.0, 0.0),
        "texture": (3001, 0.01, 0.0, 0.0),
    }
    assert not any(p.annealed or p.lean or p.precision != "float32" for p in FAITHFUL.values())


@pytest.mark.parametrize("problem", list(FAST))
def test_fast_is_the_same_problem_in_fewer_steps(problem: Any) -> None:
    ours, theirs = FAST[problem], FAITHFUL[problem]
    assert ours.iterations <= theirs.iterations
    assert ours.source == theirs.source
    assert ours.annealed
    assert ours.lean


def test_settings_go_before_the_preset() -> None:
    config = DenoiseConfig(preset="faithful", iterations=7, learning_rate=0.5, average=0.0, stop="variance", jitter=0.2)
    found = chosen("denoise", config)
    assert (found.iterations, found.rate, found.average, found.stop, found.jitter) == (7, 0.5, 0.0, "variance", 0.2)
    assert found.network == FAITHFUL["denoise"].network


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 9), (9, 2)])
def test_pictures_too_small_for_one_level_are_refused_before_any_work(height: int, width: int) -> None:
    method = image_method("dip", "denoise")
    with pytest.raises(UsageError, match="at least 3 pixels"):
        method.check(DenoiseConfig(), height, width)
    with pytest.raises(UsageError, match="at least 3 pixels"):
        made("denoise", DenoiseConfig(iterations=1), picture(height, width))


@pytest.mark.parametrize(("height", "width"), [(3, 3), (5, 40), (17, 23)])
@pytest.mark.parametrize("preset", ["fast", "faithful"])
def test_tiny_pictures_get_fewer_levels_and_say_so(height: int, width: int, preset: Any) -> None:
    config = DenoiseConfig(preset=preset, iterations=1)
    notes = image_method("dip", "denoise").check(config, height, width)
    assert any("levels instead of 5" in note for note in notes)
    assert made("denoise", config, picture(height, width)).frames.shape == (1, 3, height, width)


@pytest.mark.parametrize("problem", list(FAITHFUL))
def test_every_network_is_cut_to_a_small_picture(problem: Any) -> None:
    for table in (FAITHFUL, FAST):
        preset, notes = fitted_to(table[problem], 24, 30)
        assert notes
        SkipNet(preset.network)


def test_a_whole_depth_gives_no_note() -> None:
    assert image_method("dip", "denoise").check(DenoiseConfig(), 256, 256) == ()


@pytest.mark.parametrize("preset", ["faithful", "fast"])
def test_tiles_are_as_large_in_what_is_made_as_the_preset_says(preset: Any) -> None:
    rows = FAITHFUL if preset == "faithful" else FAST
    denoise, upscale = image_method("dip", "denoise"), image_method("dip", "upscale")
    assert denoise.tile(DenoiseConfig(preset=preset)) == rows["denoise"].tile
    assert 4 * upscale.tile(UpscaleConfig(preset=preset, scale=4)) == rows["upscale"].tile
