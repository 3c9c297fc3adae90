"""The registry's entry points: one method for each mode of the paper."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor

from vidinternal.core.contracts import FitContext, FitResult, InpaintMethod, InpaintTask, MethodCard
from vidinternal.core.errors import MaskError, UsageError
from vidinternal.learn.pace import require_time
from vidinternal.methods.video_inpainting import CARDS
from vidinternal.methods.video_inpainting.config import DipConfig, DipVid3dConfig, DipVidConfig, DipVidFlowConfig
from vidinternal.methods.video_inpainting.curriculum import strides_with_batches
from vidinternal.methods.video_inpainting.generator import KERNEL_DOWN, Generator, input_noise, network_config
from vidinternal.methods.video_inpainting.joint import JointFit, Schedule
from vidinternal.methods.video_inpainting.per_frame import PerFrameFit
from vidinternal.methods.video_inpainting.perceptual import Vgg16
from vidinternal.methods.video_inpainting.training import Footage, Trainer
from vidinternal.nets.skip_net import fitting_depth


@dataclass(frozen=True)
class InternalLearning(InpaintMethod):
    """Video inpainting with a network that sees nothing but the clip.

    Attributes:
        card: Which of the modes.
    """

    card: MethodCard

    def fill(self, task: InpaintTask, config: DipConfig | DipVidConfig, context: FitContext) -> FitResult:
        """Fit the window and return the network's own output of every frame.

        Args:
            task: Frames, holes, and for ``dip_vid_flow`` reference flow of its strides both ways.
            config: Settings of the mode.
            context: Seed, device, time, hold-out, weights to start from.

        Raises:
            MaskError: The masks leave no known pixel.
            UsageError: Shapes do not fit together, the picture is smaller than 5 pixels, flow is missing, or training
                left the finite numbers before there was any output.
            ConfigError: Start weights or VGG weights do not fit.
            BudgetError: No time is left.
        """
        _check(task)
        if not bool(task.masks.any()):
            return FitResult(task.frames, notes=("nothing to fill",))
        require_time(context.budget)
        total, _, height, width = task.frames.shape
        noise = input_noise((total, height, width), config.input_scale, context.seed)
        if isinstance(config, DipConfig):
            result = PerFrameFit(Footage.of(task, noise, (), context.device), config, context).run()
        else:
            result = _joint_fit(task, noise, config, context).run()
        notes = (*result.notes, *_notes(task, config, context, result))
        return replace(result, frames=result.frames.to(task.frames), notes=notes)


def _joint_fit(task: InpaintTask, noise: Tensor, config: DipVidConfig, context: FitContext) -> JointFit:
    """Put together the network and the schedule of a mode that trains on all frames."""
    total, _, height, width = task.frames.shape
    with_flow = config if isinstance(config, DipVidFlowConfig) else None
    strides = with_flow.strides if with_flow else ()
    used = strides_with_batches(total, config.batch, strides)
    footage = Footage.of(task, noise, used, context.device)
    # the flow head has the channels of all strides, so that weights fit clips of any length
    shape = network_config(config, (height, width), strides, temporal=isinstance(config, DipVid3dConfig))
    generator = Generator(shape, context.seed, context.device, config, strides)
    generator.start_from(config, context)
    vgg = None
    if with_flow and with_flow.vgg_weights and with_flow.w_p:
        vgg = Vgg16.from_file(with_flow.vgg_weights).to(context.device)
    trainer = Trainer(footage, generator, config, vgg)
    return JointFit(trainer, config, context, Schedule.of(config, total, used, context.seed))


def _check(task: InpaintTask) -> None:
    frames, masks = task.frames.shape, task.masks.shape
    if len(frames) != 4 or frames[1] != 3 or tuple(masks) != (frames[0], 1, *frames[2:]):
        raise UsageError(
            "inpaint task", expected="frames T 3 H W and masks T 1 H W", got=f"{tuple(frames)} and {tuple(masks)}"
        )
    if bool(task.masks.all()):
        raise MaskError("mask", expected="some known pixels to learn from", got="every frame of a window covered whole")


def _notes(
    task: InpaintTask, config: DipConfig | DipVidConfig, context: FitContext, result: FitResult
) -> tuple[str, ...]:
    """What a person should know of where the run differs from the paper's."""
    total, _, height, width = task.frames.shape
    notes: list[str] = []
    depth = fitting_depth(height, width, config.depth, KERNEL_DOWN)
    if depth < config.depth:
        notes.append(f"network of depth {depth} instead of {config.depth}: {width}x{height} pixels allow no more")
    if isinstance(config, DipVidConfig) and total < config.batch:
        notes.append(f"batches of {total} instead of {config.batch} frames: the window has no more")
    if isinstance(config, DipVidFlowConfig):
        used = strides_with_batches(total, config.batch, config.strides)
        left_out = sorted(set(config.strides) - set(used))
        if left_out:
            rest = "left out" if used else "trained without flow"
            notes.append(f"no batch fits {total} frames at stride {', '.join(map(str, left_out))}: {rest}")
        if config.w_p and config.vgg_weights is None:
            notes.append("the perceptual term L_p is off: vgg_weights is not given")
    if context.holdout is None:
        kept = "the iterate with the lowest L_r" if isinstance(config, DipConfig) else "the last iterate"
        notes.append(f"nothing is held out: {kept} is returned")
    if context.start is not None and context.start_signature not in (None, result.signature):
        notes.append(f"weights of {context.start_signature} do not fit {result.signature}: left aside")
    if result.stopped == "diverged":
        notes.append("training left the finite numbers; the best output before that is returned")
    return tuple(notes)


METHODS = tuple(InternalLearning(card) for card in CARDS)
