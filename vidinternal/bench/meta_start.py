"""How the start ``meta`` was learned: ``python -m vidinternal.bench.meta_start [OUTPUT [SECONDS]]``.

Reptile (``nichol2018reptile``) over shots of the sample clips: ``theta <- theta + e (phi - theta)``, where ``phi`` are
the weights after a few steps of ``internal``'s generator on one shot, seen through a standing, panning, zooming or
shaking camera, with a hole and with noise of its own. Nothing but the clips in ``clips/`` goes in.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

import vidinternal
from vidinternal.bench.base import SAMPLE_CLIPS
from vidinternal.bench.camera import MOTIONS, filmed
from vidinternal.bench.cases import SAMPLES, read_frames
from vidinternal.bench.holes import HOLES
from vidinternal.core.seeds import branch, generator
from vidinternal.learn.precision import fast_bfloat16
from vidinternal.learn.warm_start.meta import FILE, packed
from vidinternal.methods.internal.config import Config
from vidinternal.methods.internal.generator import build, signature, smooth_noise
from vidinternal.methods.internal.objective import recon_image

FRAMES = 8
SIZES: Mapping[int, tuple[int, int]] = {2: (64, 96), 4: (96, 160)}
"""Height and width of the shots for each folding: 2 is used below 320 pixels, 4 from there on."""
SHARED = ("down.", "up.", "stem.second.")
"""Layers that do not depend on the folding; both networks have one copy of them."""


@dataclass(frozen=True)
class Reptile:
    """How it is learned.

    Attributes:
        rounds: Shots learned from.
        steps: Optimiser steps on each.
        rate: Their size, of AdamW as in ``internal``.
        step: ``e`` of the first round; it falls to a tenth along a line.
    """

    rounds: int = 400
    steps: int = 16
    rate: float = 3e-3
    step: float = 0.5


Weights = dict[str, Tensor]


def shot(clips: Mapping[str, Tensor], seed: int, fold: int) -> tuple[Tensor, Tensor]:
    """A shot drawn by the seed: ``T 3 H W`` frames and ``T 1 H W`` bool, its hole."""
    coins = torch.rand(6, generator=generator(seed, "shot")).tolist()
    footage = clips[sorted(clips)[int(coins[0] * len(clips))]]
    start = int(coins[1] * (len(footage) - FRAMES + 1))
    frames = footage[start : start + FRAMES]
    frames = frames.flip(3) if coins[2] < 0.5 else frames
    motion = sorted(MOTIONS)[int(coins[3] * len(MOTIONS))]
    signs = (1.0 if coins[4] < 0.5 else -1.0, 1.0 if int(coins[4] * 4) % 2 else -1.0)
    hole = sorted(HOLES)[int(coins[5] * len(HOLES))]
    size = SIZES[fold]
    return filmed(frames, motion, size, signs), HOLES[hole](FRAMES, *size)


def adapted(net: nn.Module, frames: Tensor, masks: Tensor, seed: int, how: Reptile) -> None:
    """Train ``net`` on the known pixels of a shot, in place, as ``internal`` does but for the soft target."""
    config = Config()
    net.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    noise = smooth_noise(len(frames), frames.shape[-2], frames.shape[-1], config.key_frames, seed)
    half = fast_bfloat16(torch.device("cpu"))
    random, known = generator(seed, "batches"), (~masks).float()
    target = frames.masked_fill(masks, 0.0)
    optimiser = torch.optim.AdamW(net.parameters(), lr=how.rate)
    for _ in range(how.steps):
        rows = torch.randint(len(frames), (config.batch,), generator=random)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
            output = net(noise[rows].contiguous(memory_format=torch.channels_last))
        loss = recon_image(output, target[rows], known[rows])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()


def start_of(seed: int) -> dict[int, Weights]:
    """What is learned from: drawn weights for each folding, the shared layers equal."""
    nets = {f: build(_config(f), *SIZES[f], seed).state_dict() for f in SIZES}
    first = nets[min(nets)]
    return {f: {k: (first[k] if k.startswith(SHARED) else v).clone() for k, v in w.items()} for f, w in nets.items()}


def learn(clips: Mapping[str, Tensor], seed: int, how: Reptile, seconds: float) -> tuple[dict[int, Weights], int]:
    """Learn until the rounds or the time end; the weights for each folding, and how many rounds there were.

    Args:
        clips: ``T 3 H W`` of each.
        seed: Root of all randomness.
        how: How.
        seconds: Wall time, after which the rounds are cut short; the step size follows the rounds alone.
    """
    weights, ends, done = start_of(seed), time.monotonic() + seconds, 0
    for number in range(how.rounds):
        if time.monotonic() > ends:
            break
        fold, mine = (2, 4)[number % 2], branch(seed, "round", number)
        net = build(_config(fold), *SIZES[fold], seed)
        net.load_state_dict(weights[fold])
        adapted(net, *shot(clips, mine, fold), mine, how)
        pace = how.step * (1 - 0.9 * number / how.rounds)
        for name, tensor in net.state_dict().items():
            moved = weights[fold][name].lerp(tensor, pace)
            for other in SIZES if name.startswith(SHARED) else (fold,):
                weights[other][name] = moved
        done += 1
    return weights, done


def _config(fold: int) -> Config:
    return Config.model_validate({"unshuffle": str(fold)})


def footage(clips: Path) -> dict[str, Tensor]:
    """Every sample clip once, by name."""
    return {s.name: read_frames(clips / s.file, 0, None) for s in SAMPLES if not s.pan}


def write(output: Path, weights: Mapping[int, Weights], about: Mapping[str, str]) -> None:
    """Write the file, in one step."""
    networks = {signature(build(_config(f), *SIZES[f], 0)): w for f, w in weights.items()}
    aside = output.with_name(f".{output.name}.part")
    aside.write_bytes(packed(networks, about))
    aside.replace(output)


def main(output: Path, seconds: float, seed: int = 0, how: Reptile | None = None) -> None:
    """Learn and write the file."""
    how = how or Reptile()
    weights, rounds = learn(footage(SAMPLE_CLIPS), seed, how, seconds)
    made = "python -m vidinternal.bench.meta_start"
    write(output, weights, {"made": made, "seed": str(seed), "rounds": str(rounds), "how": str(how)})


if __name__ == "__main__":
    here = Path(vidinternal.__file__).parent / "learn" / "warm_start" / FILE
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else here, float(sys.argv[2]) if len(sys.argv) > 2 else 3600.0)
