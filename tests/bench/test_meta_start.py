"""How the start is learned: by the rule, from nothing but the clips given, the shared layers in one copy."""

from pathlib import Path

import torch

from vidinternal.bench.base import SAMPLE_CLIPS
from vidinternal.bench.cases import read_frames
from vidinternal.bench.meta_start import FRAMES, SHARED, SIZES, Reptile, adapted, learn, shot, start_of, write
from vidinternal.core.seeds import branch
from vidinternal.learn.warm_start.meta import unpacked
from vidinternal.methods.internal.config import Config
from vidinternal.methods.internal.generator import build

CLIPS = {"flower": read_frames(SAMPLE_CLIPS / "flower.mp4", 0, FRAMES)}
QUICK = Reptile(rounds=2, steps=1)


def test_shots_are_drawn_by_the_seed_at_the_size_of_the_folding() -> None:
    frames, masks = shot(CLIPS, 5, 2)
    assert frames.shape == (FRAMES, 3, *SIZES[2])
    assert masks.shape == (FRAMES, 1, *SIZES[2])
    assert masks.dtype == torch.bool
    assert torch.equal(frames, shot(CLIPS, 5, 2)[0])
    assert any(not torch.equal(frames, shot(CLIPS, k, 2)[0]) for k in range(6, 12))


def test_a_round_moves_towards_what_was_learned_by_the_step() -> None:
    how = Reptile(rounds=1, steps=1, step=0.25)
    before = start_of(0)[2]
    after = learn(CLIPS, 0, how, 99.0)[0][2]
    mine = branch(0, "round", 0)
    net = build(Config.model_validate({"unshuffle": "2"}), *SIZES[2], 0)
    net.load_state_dict(before)
    adapted(net, *shot(CLIPS, mine, 2), mine, how)
    for name, learned in net.state_dict().items():
        assert torch.allclose(after[name], before[name].lerp(learned, 0.25))


def test_what_both_networks_share_stays_equal_and_comes_out_the_same_again() -> None:
    weights, rounds = learn(CLIPS, 0, QUICK, 99.0)
    assert rounds == 2
    shared = [n for n in weights[2] if n.startswith(SHARED)]
    assert shared
    assert all(torch.equal(weights[2][n], weights[4][n]) for n in shared)
    again, _ = learn(CLIPS, 0, QUICK, 99.0)
    assert all(torch.equal(weights[f][n], again[f][n]) for f in weights for n in weights[f])
    assert learn(CLIPS, 0, QUICK, 0.0)[1] == 0


def test_the_file_holds_both_networks(tmp_path: Path) -> None:
    path = tmp_path / "meta.safetensors"
    write(path, start_of(0), {"made": "by a test"})
    tensors, index = unpacked(path.read_bytes())
    assert len(index) == 2
    assert all(f"{key}.code" in tensors for names in index.values() for key in names.values())
    assert [p.name for p in tmp_path.iterdir()] == ["meta.safetensors"]
