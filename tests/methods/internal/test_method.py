from dataclasses import replace

import torch

from tests.methods.internal.scenes import SETTINGS, scene
from tests.ops.scene import psnr
from vidinternal.core.contracts import FitContext, InpaintTask
from vidinternal.learn.holdout import make_holdout
from vidinternal.methods.internal.candidates import Candidates
from vidinternal.methods.internal.coarse import Coarse
from vidinternal.methods.internal.config import Config
from vidinternal.methods.internal.fusion import start_nets
from vidinternal.methods.internal.method import Finish, Fused, Internal
from vidinternal.ops.flow_copy import never
from vidinternal.ops.resample import destroy

CONFIG = Config(iterations=4, looks=1, channels=(8, 8), ring=6, rounds=2)
CONTEXT = FitContext(seed=0, device=torch.device("cpu"))


def task_of(step: tuple[int, int]) -> tuple[InpaintTask, FitContext, torch.Tensor]:
    truth, masks = scene(step)
    holdout = make_holdout(destroy(truth, masks), masks, 0, 1)
    assert holdout is not None
    hidden = masks | holdout.masks
    return InpaintTask(destroy(truth, hidden), hidden), replace(CONTEXT, holdout=holdout), truth


def test_where_other_frames_show_everything_the_generator_is_left_alone_unless_asked_for() -> None:
    truth, masks = scene((4, 0))
    # Every fourth frame alone is hidden: its neighbours show what is missing.
    masks = masks & (torch.arange(len(masks)) % 4 == 2).view(-1, 1, 1, 1)
    task = InpaintTask(destroy(truth, masks), masks)
    skipped = Internal().fill(task, CONFIG, CONTEXT)
    assert any("was not trained" in note for note in skipped.notes)
    assert skipped.weights is None  # drawn and not trained, they are nothing to start from
    trained = Internal().fill(task, CONFIG.model_copy(update={"train": "always"}), CONTEXT)
    assert not any("was not trained" in note for note in trained.notes)
    assert trained.iterations == skipped.iterations + CONFIG.iterations


def test_a_standing_scene_is_trained_and_known_pixels_stay() -> None:
    task, context, truth = task_of((0, 0))
    result = Internal().fill(task, CONFIG, context)
    assert not any("was not trained" in note for note in result.notes)
    assert torch.equal(torch.where(task.masks, truth, result.frames), truth)


def test_the_held_out_pixels_are_given_back_before_the_hole_is_filled() -> None:
    task, context, truth = task_of((3, 0))
    assert context.holdout is not None
    with_score = Internal().fill(task, CONFIG, context)
    masks = scene()[1]
    alone = Internal().fill(InpaintTask(destroy(truth, masks), masks), CONFIG, replace(context, holdout=None))
    assert psnr(with_score.frames, truth, masks) > psnr(alone.frames, truth, masks) - 1


def test_the_start_weights_of_the_fusion_alone_can_be_asked_for() -> None:
    task, context, _ = task_of((3, 0))
    adapted = Internal().fill(task, CONFIG, context)
    start = Internal().fill(task, CONFIG.model_copy(update={"fusion": "start"}), context)
    assert adapted.iterations > start.iterations


def test_a_generator_that_still_moves_in_the_hole_and_not_in_its_copies_counts_less() -> None:
    task, context, truth = task_of((0, 0))  # a standing scene: no other frame shows the hole
    assert context.holdout is not None
    given = torch.where(context.holdout.masks, truth, task.frames)
    made = [
        Candidates.of(frames, masks, SETTINGS, never)
        for frames, masks in ((task.frames, task.masks), (given, task.masks & ~context.holdout.masks))
    ]
    blind, seeing = (Fused(Coarse.of(c, 1), start_nets(), context.holdout.parts) for c in made)

    def looked(moved: torch.Tensor) -> Finish:
        finish = Finish(task.frames, blind, seeing, context.holdout)
        finish.glance(truth + moved)
        finish(truth)
        return finish

    still = 0.01 * torch.ones_like(truth)
    restless = torch.where(context.holdout.masks, still, 0.1)
    calm, wild = looked(still), looked(restless)
    assert calm.stacks[0].weights[-1, 1] > 0.5
    assert 0 < wild.stacks[0].weights[-1, 1] < 0.02 * calm.stacks[0].weights[-1, 1]

    again = Finish(task.frames, blind, seeing, context.holdout)
    again.load_state(wild.state())
    assert torch.equal(again(truth + still), wild(truth + still))  # what was seen last is remembered
