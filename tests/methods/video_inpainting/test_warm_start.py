from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.methods.video_inpainting.case import CONTEXT, MODES, fill, footage
from vidinternal.core.errors import ConfigError, UsageError
from vidinternal.learn.checkpoint import Checkpoint, save


@pytest.mark.parametrize("mode", MODES)
def test_given_weights_start_lower(mode: str) -> None:
    task = footage(1)
    trained = fill(mode, task, iterations=60)
    warm = fill(mode, task, replace(CONTEXT, start=trained.weights, start_signature=trained.signature), iterations=1)
    cold = fill(mode, task, iterations=1)
    assert warm.history[0].terms["L_r"] < 0.7 * cold.history[0].terms["L_r"]


def test_a_weights_file_starts_lower_and_must_have_the_signature(tmp_path: Path) -> None:
    task, path = footage(2), tmp_path / "w.safetensors"
    trained = fill("dip_vid", task, iterations=60)
    save(path, Checkpoint(trained.weights or {}, trained.signature))
    warm = fill("dip_vid", task, iterations=1, start_weights=path)
    cold = fill("dip_vid", task, iterations=1)
    assert warm.history[0].terms["L_r"] < 0.7 * cold.history[0].terms["L_r"]
    for mode in ("dip_vid_flow", "dip_vid_3d"):
        with pytest.raises(ConfigError, match="weights of skip2d"):
            fill(mode, task, start_weights=path)
    with pytest.raises(ConfigError, match="weights of"):
        fill("dip_vid", task, start_weights=path, channels=(4, 4))
    with pytest.raises(UsageError, match="no such file"):
        fill("dip_vid", task, start_weights=tmp_path / "none.safetensors")


def test_weights_known_to_be_anothers_are_left_aside_and_unknown_ones_refused() -> None:
    task = footage(2)
    other = fill("dip_vid", task, iterations=1, channels=(4, 4))
    context = replace(CONTEXT, start=other.weights, start_signature=other.signature)
    result = fill("dip_vid", task, context)
    assert torch.equal(result.frames, fill("dip_vid", task).frames)
    assert any("left aside" in note for note in result.notes)
    with pytest.raises(ConfigError, match="another network"):
        fill("dip_vid", task, replace(context, start_signature=None))


def test_weights_fit_clips_of_another_length() -> None:
    short, long = fill("dip_vid_flow", footage(2), iterations=1), fill("dip_vid_flow", footage(22), iterations=1)
    assert short.signature == long.signature
    assert short.signature != fill("dip_vid_flow", footage(2), iterations=1, strides=(1, 2, 4), w_p=0).signature
