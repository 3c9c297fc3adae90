"""A toy clip with true flow, tiny settings, and shortcuts to run the modes on it."""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from vidinternal.core.contracts import FitContext, FitResult, FlowField, Holdout, InpaintTask
from vidinternal.core.seeds import generator
from vidinternal.learn.holdout import make_holdout
from vidinternal.methods import card, inpaint_method
from vidinternal.methods.video_inpainting.curriculum import (
    strides_with_batches,
)
from vidinternal.methods.video_inpainting.generator import Generator, input_noise, network_config
from vidinternal.methods.video_inpainting.perceptual import Vgg16
from vidinternal.methods.video_inpainting.training import Footage, Trainer

CPU = torch.device("cpu")
CONTEXT = FitContext(seed=3, device=CPU)
MODES = ("dip", "dip_vid", "dip_vid_3d", "dip_vid_flow")
TINY: dict[str, Any] = {"iterations": 8, "depth": 2, "channels": (6, 8), "look_every": 4}


def footage(total: int, height: int = 32, width: int = 48, *, speed: int = 2, holed: bool = True) -> InpaintTask:
    """A smooth texture that slides ``speed`` pixels a frame, a hole in its middle, its true flow."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width + speed * total), indexing="ij")
    waves = [torch.sin(0.31 * x + 0.17 * y + k) + torch.sin(0.13 * x * (k + 1) - 0.23 * y) for k in range(3)]
    picture = torch.stack(waves) / 4 + 0.5
    frames = torch.stack([picture[:, :, speed * t : speed * t + width] for t in range(total)])
    masks = torch.zeros(total, 1, height, width, dtype=torch.bool)
    masks[:, :, height // 3 : height // 3 + 8, width // 3 : width // 3 + 10] = holed
    flow = {}
    for stride in (1, -1, 3, -3, 5, -5):
        field, valid = torch.zeros(total, 2, height, width), torch.zeros(total, 1, height, width, dtype=torch.bool)
        rows = [t for t in range(total) if 0 <= t + stride < total]
        field[rows, 0], valid[rows] = -float(speed * stride), True
        flow[stride] = FlowField(field, valid, stride)
    return InpaintTask(frames.masked_fill(masks, 0.5), masks, flow)


def settings(mode: str, **changes: Any) -> Any:
    return card(mode, "inpaint").config(**(TINY | changes))


def fill(mode: str, task: InpaintTask, context: FitContext = CONTEXT, **changes: Any) -> FitResult:
    return inpaint_method(mode).fill(task, settings(mode, **changes), context)


def with_holdout(task: InpaintTask) -> tuple[InpaintTask, Holdout]:
    holdout = make_holdout(task.frames, task.masks, 1)
    assert holdout is not None
    masks = task.masks | holdout.masks
    return InpaintTask(task.frames.masked_fill(masks, 0.5), masks, task.flow), holdout


def trainer(task: InpaintTask, vgg: Vgg16 | None = None, **changes: Any) -> Trainer:
    config = settings("dip_vid_flow", **changes)
    total, _, height, width = task.frames.shape
    used = strides_with_batches(total, config.batch, config.strides)
    seen = Footage.of(task, input_noise((total, height, width), config.input_scale, 3), used, CPU)
    made = Generator(network_config(config, (height, width), config.strides), 3, CPU, config, config.strides)
    return Trainer(seen, made, config, vgg)


def random_vgg(tmp_path: Path) -> Path:
    """VGG16's first layers with random weights under torchvision's names."""
    shapes = {0: (64, 3), 2: (64, 64), 5: (128, 64), 7: (128, 128), 10: (256, 128), 12: (256, 256), 14: (256, 256)}
    draw = generator(0, "vgg")
    tensors = {}
    for index, (target, source) in shapes.items():
        tensors[f"features.{index}.weight"] = (
            torch.randn(target, source, 3, 3, generator=draw) * (2 / source / 9) ** 0.5
        )
        tensors[f"features.{index}.bias"] = torch.rand(target, generator=draw) * 0.1
    save_file(tensors, tmp_path / "vgg.safetensors")
    return tmp_path / "vgg.safetensors"
