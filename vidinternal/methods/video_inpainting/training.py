"""One optimiser step on one batch: what is known of the frames, and the objective over it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vidinternal.core.contracts import FlowSet, InpaintTask
from vidinternal.core.errors import UsageError
from vidinternal.learn.checkpoint import restore
from vidinternal.learn.objective import Objective
from vidinternal.learn.state_tree import network_tree, optimiser_tree, restore_optimiser
from vidinternal.methods.video_inpainting.config import DipVidFlowConfig, SharedConfig
from vidinternal.methods.video_inpainting.curriculum import Batch
from vidinternal.methods.video_inpainting.generator import Generator, Output
from vidinternal.methods.video_inpainting.objective import (
    Norm,
    affected_area,
    consistency_loss,
    perceptual_loss,
    recon_flow,
    recon_image,
)
from vidinternal.methods.video_inpainting.perceptual import Vgg16, feature_holes


@dataclass(frozen=True)
class Footage:
    """The window as training sees it.

    Attributes:
        frames: ``T 3 H W`` float32, zero in the holes.
        holes: ``T 1 H W`` float32, 1 = to fill.
        noise: ``T 1 H W`` the network's input.
        flow: Reference flows by signed stride.
        flow_scale: Largest flow component of each stride either way, at least 1 pixel; predicted flow is in this unit.
    """

    frames: Tensor
    holes: Tensor
    noise: Tensor
    flow: FlowSet
    flow_scale: dict[int, float]

    @classmethod
    def of(cls, task: InpaintTask, noise: Tensor, strides: tuple[int, ...], device: torch.device) -> Footage:
        """Take from the task what training may see: nothing of what lies under the mask.

        Raises:
            UsageError: Reference flow of a stride is missing.
        """
        needed = [sign * stride for stride in strides for sign in (1, -1)]
        missing = [stride for stride in needed if stride not in task.flow]
        if missing:
            raise UsageError(
                "reference flow",
                expected=f"strides {needed}",
                got=f"strides {sorted(task.flow)}; {missing} missing",
                hint="set strides to what the flow stage computes",
            )
        largest = {
            s: max(float(task.flow[s].flow.abs().max()), float(task.flow[-s].flow.abs().max()), 1.0) for s in strides
        }
        return cls(
            # not a product: whatever lies under the mask, even NaN, must not get through
            frames=task.frames.float().masked_fill(task.masks, 0.0).to(device),
            holes=task.masks.float().to(device),
            noise=noise.to(device),
            flow={stride: task.flow[stride] for stride in needed},
            flow_scale=largest,
        )


@dataclass(frozen=True)
class PairData:
    """What ties the frames of a batch together; P pairs.

    Attributes:
        reference: Position in the batch of each pair's reference ``i``.
        neighbour: Position of its neighbour ``j``.
        target: ``F_ij / S``, ``P 2 H W``.
        affected: ``u_ij``, ``P 1 H W``.
        valid: ``v_ij``, ``P 1 H W``.
        scale: ``S`` in pixels.
    """

    reference: list[int]
    neighbour: list[int]
    target: Tensor
    affected: Tensor
    valid: Tensor
    scale: float


@dataclass(frozen=True)
class BatchData:
    """Everything of a batch that stays the same over its iterations.

    Attributes:
        batch: Which frames.
        noise: ``N 1 H W``.
        frames: ``N 3 H W``.
        holes: ``N 1 H W``.
        pairs: Its flow part, None without flow.
        features: ``φ_k(I)`` of the perceptual term, empty when it is off.
        feature_holes: ``m_k`` of the perceptual term.
    """

    batch: Batch
    noise: Tensor
    frames: Tensor
    holes: Tensor
    pairs: PairData | None
    features: list[Tensor]
    feature_holes: list[Tensor]


class Trainer:
    """Adam on the paper's objective; its state is carried from batch to batch.

    Args:
        footage: The window.
        generator: The network to train.
        config: The mode's settings.
        vgg: Features for the perceptual term, or None to leave it off.
    """

    def __init__(self, footage: Footage, generator: Generator, config: SharedConfig, vgg: Vgg16 | None = None) -> None:
        self.footage, self.generator, self.vgg = footage, generator, vgg
        self.norm: Norm = config.loss
        weights = {"L_r": config.w_r}
        if isinstance(config, DipVidFlowConfig):
            weights |= {"L_f": config.w_f, "L_c": config.w_c, "L_p": config.w_p}
        self.objective = Objective(weights)
        self.optimiser = torch.optim.Adam(generator.network.parameters(), lr=config.learning_rate)

    def prepare(self, batch: Batch) -> BatchData:
        """Gather what the iterations on a batch share."""
        footage, rows = self.footage, list(batch.frames)
        frames, holes = footage.frames[rows], footage.holes[rows]
        features: list[Tensor] = []
        if self.vgg is not None:
            with torch.no_grad(), self.generator.arithmetic():
                features = [feature.float() for feature in self.vgg(frames)]
        return BatchData(
            batch=batch,
            noise=footage.noise[rows].contiguous(memory_format=torch.channels_last),
            frames=frames,
            holes=holes,
            pairs=self._pairs(batch) if batch.stride else None,
            features=features,
            feature_holes=feature_holes(holes) if features else [],
        )

    def step(self, data: BatchData) -> Tensor:
        """Take one step; return the ``N 3 H W`` output it was computed from, without gradient."""
        output = self.generator(data.noise)
        loss = self.objective.total(self.terms(data, output))
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        return output.image.detach()

    def terms(self, data: BatchData, output: Output) -> dict[str, Callable[[], Tensor]]:
        """The terms that apply to a batch, by their name in the paper."""
        image = output.image
        terms: dict[str, Callable[[], Tensor]] = {"L_r": lambda: recon_image(image, data.frames, data.holes, self.norm)}
        if data.features:
            terms["L_p"] = lambda: perceptual_loss(self._features(image), data.features, data.feature_holes)
        pairs = data.pairs
        if pairs is not None:
            flow = self.generator.flow(output, data.batch.stride)[pairs.reference]
            terms["L_f"] = lambda: recon_flow(flow, pairs.target, pairs.affected, pairs.valid, self.norm)
            terms["L_c"] = lambda: consistency_loss(
                image[pairs.neighbour], image[pairs.reference], flow * pairs.scale, pairs.affected, self.norm
            )
        return terms

    def state(self) -> dict[str, Any]:
        """Weights, optimiser and latest terms, as a tree."""
        return {
            "weights": network_tree(self.generator.network),
            "optimiser": optimiser_tree(self.optimiser),
            "terms": self.objective.values(),
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from what :meth:`state` gave."""
        restore(self.generator.network, state["weights"], "checkpoint")
        restore_optimiser(self.optimiser, state["optimiser"])
        self.objective.load_values(state["terms"])

    def render(self, rows: range) -> Tensor:
        """``N 3 H W`` output for a run of frames generated together."""
        noise = self.footage.noise[rows.start : rows.stop].contiguous(memory_format=torch.channels_last)
        with torch.no_grad():
            return self.generator(noise).image

    def render_flow(self, rows: range) -> Tensor:
        """``N 2 H W`` pixels, flow to the next frame as the network sees it, for frames generated together."""
        noise = self.footage.noise[rows.start : rows.stop].contiguous(memory_format=torch.channels_last)
        with torch.no_grad():
            return self.generator.flow(self.generator(noise), 1) * self.footage.flow_scale[1]

    def _features(self, image: Tensor) -> list[Tensor]:
        if self.vgg is None:
            raise ValueError("no perceptual network")
        with self.generator.arithmetic():
            return [feature.float() for feature in self.vgg(image)]

    def _pairs(self, batch: Batch) -> PairData:
        footage, device = self.footage, self.generator.device
        positions = batch.pairs()
        reference, neighbour = [i for i, _ in positions], [j for _, j in positions]
        rows, others = ([batch.frames[k] for k in side] for side in (reference, neighbour))
        field = footage.flow[batch.stride]
        flow = field.flow[rows].float().to(device)
        scale = footage.flow_scale[abs(batch.stride)]
        return PairData(
            reference=reference,
            neighbour=neighbour,
            target=flow / scale,
            affected=affected_area(footage.holes[rows], footage.holes[others], flow),
            valid=field.valid[rows].float().to(device),
            scale=scale,
        )
