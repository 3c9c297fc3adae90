"""Training the two networks against each other; what is wanted of it is the generator's kernel alone."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as nn_functional
from torch import Tensor

from vidinternal.core.contracts import FitContext
from vidinternal.core.seeds import generator
from vidinternal.learn.checkpoint import restore
from vidinternal.learn.pace import Pace
from vidinternal.learn.state_tree import network_tree, optimiser_tree, restore_optimiser
from vidinternal.methods.kernelgan.config import Config
from vidinternal.methods.kernelgan.crops import Crops
from vidinternal.methods.kernelgan.networks import KERNEL_SIDE, Discriminator, Generator, shrunk
from vidinternal.methods.kernelgan.objective import (
    SCALE,
    Schedule,
    bicubic_loss,
    boundaries_loss,
    boundary_mask,
    centralised_loss,
    gan_loss,
    sparse_loss,
    sum_to_one_loss,
)
from vidinternal.ops.kernel_fit import fitted_gaussian
from vidinternal.ops.kernels import cubic_kernel

TELL_EVERY = 50
FITTED = 512
"""Side of the middle of each picture that the first Gaussian is fitted to, pixels."""


class KernelFit:
    """The internal GAN of some pictures.

    It is anchored, by ``L_bic``, at the cubic as published, or in the fast preset at the Gaussian that explains the
    pictures best: nearer to begin with, and what the GAN need not find again.

    Args:
        pictures: ``K 3 h w`` in [0, 1], at least 28 pixels a side.
        crop: Side of the crops that are shrunk.
        config: Settings.
        context: Seed, device, time, checkpoints.
    """

    def __init__(self, pictures: Tensor, crop: int, config: Config, context: FitContext) -> None:
        self.config, self.context = config, context
        steps = config.steps()
        random = generator(context.seed, "kernelgan", "start")
        self.maker, self.critic = Generator(random), Discriminator(random)
        self.fast = config.preset == "fast"
        self.gaussian = fitted_gaussian(middle(pictures, FITTED)) if self.fast else None
        anchor = cubic_kernel((SCALE, SCALE)) if self.gaussian is None else self.gaussian
        self.anchor = inside(anchor, KERNEL_SIDE)
        self.mask = boundary_mask(KERNEL_SIDE).to(context.device)
        self.crops = Crops(pictures, crop, steps, generator(context.seed, "kernelgan", "crops"))
        self.random = generator(context.seed, "kernelgan", "noise")
        self.schedule = Schedule(steps, begun=self.fast)
        self.pace = Pace(context.budget, steps)
        self.terms: dict[str, float] = {}
        self.fits = f"kernelgan/{'x'.join(map(str, pictures.shape))}/{crop}/{config.model_dump_json()}"

    def _prepare(self) -> None:
        """To the device, with an optimiser each."""
        for network in (self.maker, self.critic):
            network.to(self.context.device)
        self.anchor = self.anchor.to(self.context.device)
        rate = self.config.learning_rate
        self.makes, self.judges = (
            torch.optim.Adam(net.parameters(), lr=rate, betas=(0.5, 0.999)) for net in (self.maker, self.critic)
        )

    def run(self) -> str:
        """Train to the end of the steps or time, from the last checkpoint if there is one; tells why it ended."""
        checkpoint = self.context.checkpoint
        saved = checkpoint.load("kernel", self.fits) if checkpoint is not None else None
        if saved is None and self.fast:
            self.maker.become(self.anchor)
        self._prepare()
        if saved is not None:
            self.load_state(saved)
        while not (self.pace.over_cap() or self.pace.over_budget()):
            self._step()
            if not all(map(math.isfinite, self.terms.values())):
                return "diverged"
            if self.pace.iteration % TELL_EVERY == 0:
                self.context.progress(self.pace.share(), f"blur kernel, step {self.pace.iteration}")
            if checkpoint is not None:
                checkpoint.offer("kernel", self.fits, self.state)
        return "iterations" if self.pace.over_cap() else "budget"

    def _step(self) -> None:
        """One step of the generator, then one of the discriminator."""
        step, device = self.pace.iteration, self.context.device
        crop = self.crops.generator(step).to(device)
        real = self.crops.discriminator(step)
        # the noise is given for a range of 0 to 1; pictures are in -1 to 1 here
        real = (real + 2 * self.config.noise * torch.randn(real.shape, generator=self.random)).to(device)

        self.critic.requires_grad_(False)
        kernel = self.maker.kernel()
        made = shrunk(crop, kernel)
        terms = {
            "L_adv": gan_loss(self.critic(made), real=True),
            "L_bic": bicubic_loss(made, shrunk(crop, self.anchor)),
            "L_sum": sum_to_one_loss(kernel),
            "L_bound": boundaries_loss(kernel, self.mask),
            "L_center": centralised_loss(kernel),
            "L_sparse": sparse_loss(kernel),
        }
        w = self.schedule.weights
        loss = terms["L_adv"] + w.bicubic * terms["L_bic"] + w.sum_to_one * terms["L_sum"]
        loss = loss + w.boundaries * terms["L_bound"]
        if w.centralised:
            loss = loss + w.centralised * terms["L_center"] + w.sparse * terms["L_sparse"]
        self.makes.zero_grad(set_to_none=True)
        loss.backward()
        self.makes.step()

        self.critic.requires_grad_(True)
        fake = shrunk(crop, self.maker.kernel().detach())
        fake = fake + torch.randn(fake.shape, generator=self.random).to(device) / 255
        judged = 0.5 * (gan_loss(self.critic(real), real=True) + gan_loss(self.critic(fake), real=False))
        self.judges.zero_grad(set_to_none=True)
        judged.backward()
        self.judges.step()

        self.terms = {name: float(value.detach()) for name, value in terms.items()}
        slower = self.schedule.after(step, self.terms["L_bic"])
        for optimiser in (self.makes, self.judges):
            for group in optimiser.param_groups:
                group["lr"] *= slower
        self.pace.tick()

    def kernel(self) -> Tensor:
        """``13 13`` float32, the generator as it is now, without what weighs little (:func:`without_small`)."""
        with torch.no_grad():
            return without_small(self.maker.kernel().cpu(), self.config.kept_weights())

    def state(self) -> dict[str, Any]:
        """Everything the next step depends on, as a tree."""
        return {
            "maker": network_tree(self.maker),
            "critic": network_tree(self.critic),
            "makes": optimiser_tree(self.makes),
            "judges": optimiser_tree(self.judges),
            "random": self.random.get_state(),
            "schedule": self.schedule.state(),
            "pace": self.pace.state(),
            "terms": dict(self.terms),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Take up a state of a fit that was killed."""
        restore(self.maker, state["maker"], "checkpoint")
        restore(self.critic, state["critic"], "checkpoint")
        restore_optimiser(self.makes, state["makes"])
        restore_optimiser(self.judges, state["judges"])
        self.random.set_state(state["random"])
        self.schedule.load_state(state["schedule"])
        self.pace.load_state(state["pace"])
        self.terms = dict(state["terms"])


def middle(pictures: Tensor, side: int) -> Tensor:
    """The middle of ``K C h w``, at most ``side`` pixels each way."""
    top, left = (max(0, (n - side) // 2) for n in pictures.shape[-2:])
    return pictures[..., top : top + side, left : left + side]


def without_small(kernel: Tensor, kept: int) -> Tensor:
    """Soft threshold: three quarters of the largest weight but ``kept`` are taken off all, and nothing is below 0.

    Args:
        kernel: ``n n``.
        kept: How many weights are above that one.

    Returns:
        ``n n`` summing to 1; all zeros but the middle where nothing is left.
    """
    values = kernel.flatten().sort(descending=True).values
    least = 0.75 * float(values[min(kept, len(values) - 1)])
    left = (kernel - max(0.0, least)).clamp(min=0)
    total = float(left.sum())
    if not total > 1e-6:
        left = torch.zeros_like(kernel)
        left[tuple(n // 2 for n in kernel.shape)] = total = 1.0
    return left / total


def inside(kernel: Tensor, side: int) -> Tensor:
    """``side side``: a kernel of odd sides cut or padded around its middle index, summing to 1 again."""
    rows, columns = ((side - n) // 2 for n in kernel.shape)
    cut = nn_functional.pad(kernel, (columns, columns, rows, rows))
    return cut / cut.sum()
