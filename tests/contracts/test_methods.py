"""Every registered method, by registration alone."""

import copy
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from vidinternal import methods, stages
from vidinternal.core.budget import Budget
from vidinternal.core.contracts import ORIGINS, FitContext, FitResult, InpaintTask, MethodCard, Start
from vidinternal.core.errors import ConfigError, PipelineError
from vidinternal.core.stop import Interrupted
from vidinternal.learn.checkpoint import Checkpoint, save
from vidinternal.learn.holdout import make_holdout
from vidinternal.methods import cards, flow_method, inpaint_method
from vidinternal.ops.dis import dis_flow
from vidinternal.ops.reference_flow import ReferenceFlowSettings, reference_flow
from vidinternal.ops.resample import destroy
from vidinternal.runner.record import citations
from vidinternal.stages.base import settings_model

CPU = torch.device("cpu")
INPAINT = [c for c in cards("inpaint") if not c.needs]
FLOW = [c for c in cards("flow") if not c.needs]
ROOT = Path(methods.__file__).parent


def named(chosen: list[MethodCard]) -> Any:
    return pytest.mark.parametrize("card", chosen, ids=[c.name for c in chosen])


def moving_texture(frames: int, height: int, width: int) -> torch.Tensor:
    """A textured picture that slides one pixel a frame."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width + frames), indexing="ij")
    waves = [torch.sin(0.31 * x + 0.17 * y + k) + torch.sin(0.13 * x * (k + 1) - 0.23 * y) for k in range(3)]
    picture = torch.stack(waves) / 4 + 0.5
    return torch.stack([picture[:, :, t : t + width] for t in range(frames)])


def task(card: MethodCard, frames: int = 6, height: int = 40, width: int = 56) -> tuple[InpaintTask, torch.Tensor]:
    truth = moving_texture(frames, height, width)
    masks = torch.zeros(frames, 1, height, width, dtype=torch.bool)
    masks[:, :, height // 3 : height // 3 + 8, width // 3 : width // 3 + 10] = True
    area = destroy(truth, masks)
    flow = reference_flow(area, masks, card.flow_strides, dis_flow, ReferenceFlowSettings())
    return InpaintTask(area, masks, flow), truth


def quick(card: MethodCard) -> Any:
    """Default settings, with few iterations where the method trains."""
    return card.config(**({"iterations": 2} if card.trains else {}))


def fill(card: MethodCard, work: InpaintTask, **context: Any) -> FitResult:
    return inpaint_method(card.name).fill(work, quick(card), FitContext(seed=3, device=CPU, **context))


@named(list(cards()))
def test_the_card_is_complete(card: MethodCard) -> None:
    # blur kernels have no stage: a setting of stage `upscale` names their method
    assert card.task in {stages.stage_class(n).task for n in stages.names()} | {"kernel"}
    assert card.summary
    assert card.paper is None or card.paper in citations()
    for name, field in card.config.model_fields.items():
        assert field.description, f"{card.name}.{name} has no description"
    for stage in (s for s in map(stages.stage_class, stages.names()) if s.task == card.task):
        assert settings_model(stage, card).model_fields.keys() >= card.config.model_fields.keys()
    if not card.needs:
        card.config()


@pytest.mark.parametrize("folder", sorted(p.parent.name for p in ROOT.glob("*/__init__.py")))
def test_every_folder_has_the_same_files(folder: str) -> None:
    for name in ("__init__.py", "config.py", "method.py", "README.md"):
        assert (ROOT / folder / name).is_file(), f"methods/{folder} has no {name}"
    assert folder in {methods._folders()[c.name, c.task] for c in cards()}


def test_cards_load_without_torch_or_opencv() -> None:
    code = "import sys; from vidinternal.methods import cards; cards(); print({'torch','cv2','av'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_an_unknown_method_names_the_nearest() -> None:
    with pytest.raises(PipelineError, match="did you mean 'telea'"):
        methods.card("tela", "inpaint")
    with pytest.raises(PipelineError, match="a method for 'flow'"):
        methods.card("telea", "flow")


@named(INPAINT)
def test_the_output_has_the_shape_and_range_of_frames(card: MethodCard) -> None:
    work, _ = task(card)
    result = fill(card, work)
    assert result.frames.shape == work.frames.shape
    assert result.frames.dtype == torch.float32
    assert result.frames.isfinite().all()
    assert 0 <= float(result.frames.min()) <= float(result.frames.max()) <= 1
    assert (result.iterations > 0) == card.trains
    if result.provenance is not None:
        assert result.provenance.shape == work.masks.shape
        assert result.provenance.dtype == torch.int16
        assert int(result.provenance.max()) < len(work.frames)
    if result.origin is not None:
        assert result.origin.dtype == torch.uint8 and int(result.origin.max()) < len(ORIGINS)
        assert bool((result.origin > 0)[work.masks].all())
    if result.spread is not None:
        assert result.spread.shape == work.masks.shape
        assert result.spread.isfinite().all() and float(result.spread.min()) >= 0
    if result.learned_flow is not None:
        assert result.learned_flow.shape == (len(work.frames), 2, *work.frames.shape[-2:])
        assert result.learned_flow.isfinite().all()


@named(INPAINT)
def test_same_seed_same_bytes(card: MethodCard) -> None:
    work, _ = task(card)
    assert torch.equal(fill(card, work).frames, fill(card, work).frames)


@named(INPAINT)
def test_inputs_are_left_as_they_were(card: MethodCard) -> None:
    work, _ = task(card)
    frames, masks = work.frames.clone(), work.masks.clone()
    fill(card, work)
    assert torch.equal(work.frames, frames)
    assert torch.equal(work.masks, masks)


@named(INPAINT)
@pytest.mark.parametrize(("frames", "height", "width"), [(1, 40, 56), (2, 17, 23), (3, 32, 18)])
def test_short_clips_and_small_frames_work(card: MethodCard, frames: int, height: int, width: int) -> None:
    work, _ = task(card, frames, height, width)
    assert fill(card, work).frames.shape == work.frames.shape


@named(INPAINT)
def test_holes_come_and_go(card: MethodCard) -> None:
    work, _ = task(card)
    masks = work.masks.clone()
    masks[::2] = False
    flow = reference_flow(work.frames, masks, card.flow_strides, dis_flow, ReferenceFlowSettings())
    assert fill(card, InpaintTask(work.frames, masks, flow)).frames.isfinite().all()


@named([c for c in INPAINT if c.trains])
def test_training_ends_in_time_and_returns_weights(card: MethodCard) -> None:
    work, _ = task(card)
    config = card.config()
    context = FitContext(seed=3, device=CPU, budget=Budget(1.5))
    result = inpaint_method(card.name).fill(work, config, context)
    assert result.stopped == "budget"
    assert result.weights
    assert result.signature
    assert result.history


@named([c for c in INPAINT if c.trains])
def test_a_warm_start_from_a_file_is_the_warm_start_from_memory_and_foreign_weights_are_refused(
    card: MethodCard, tmp_path: Path
) -> None:
    work, _ = task(card)
    cold = fill(card, work)
    weights = {k: v + 0.05 for k, v in (cold.weights or {}).items()}
    path = tmp_path / "start.safetensors"
    save(path, Checkpoint(weights, cold.signature))
    method, context = inpaint_method(card.name), FitContext(seed=3, device=CPU)
    one_step = card.config.model_validate({"iterations": 1})
    config = card.config.model_validate({"iterations": 1, "start_weights": path})
    warm = method.fill(work, config, context).frames
    from_memory = replace(context, start=weights, start_signature=cold.signature)
    assert torch.equal(warm, method.fill(work, one_step, from_memory).frames)
    assert not torch.equal(warm, method.fill(work, one_step, context).frames)
    save(path, Checkpoint({"w": torch.ones(2)}, "another network"))
    with pytest.raises(ConfigError):
        method.fill(work, config, context)


class Offered:
    """Weights that finished windows have to offer."""

    def __init__(self, weights: Mapping[str, torch.Tensor]) -> None:
        self.weights = weights

    def of(self, signature: str) -> Start:
        assert signature
        return Start(self.weights, "a test")


@named([c for c in INPAINT if c.trains])
def test_what_finished_windows_offer_is_taken_unless_it_begins_worse(card: MethodCard) -> None:
    work, truth = task(card)
    always = {"train": "always"} if "train" in card.config.model_fields else {}
    config, method = card.config.model_validate({"iterations": 1, **always}), inpaint_method(card.name)
    cold = method.fill(work, config, FitContext(seed=3, device=CPU))
    offered = Offered({k: v + 0.05 for k, v in (cold.weights or {}).items()})
    warm = method.fill(work, config, FitContext(seed=3, device=CPU, starts=offered))
    assert warm.warm and not cold.warm
    assert any("nothing is held out" in note for note in warm.notes)
    chosen = FitContext(seed=3, device=CPU, start=offered.weights, start_signature=cold.signature)
    assert torch.equal(warm.frames, method.fill(work, config, chosen).frames)
    # weights so large that every pixel is black or white lose against any others
    holdout = make_holdout(work.frames, work.masks, 3, 1)
    assert holdout is not None
    masks = work.masks | holdout.masks
    hidden = replace(work, frames=destroy(truth, masks), masks=masks)
    judged = FitContext(seed=3, device=CPU, holdout=holdout)
    worse = Offered({k: torch.full_like(v, 1e3) for k, v in offered.weights.items()})
    left = method.fill(hidden, config, replace(judged, starts=worse))
    assert not left.warm
    assert any("would begin worse" in note for note in left.notes)
    assert torch.equal(left.frames, method.fill(hidden, config, judged).frames)


class Dying:
    """Checkpoints in memory of a process that is killed after its second iteration."""

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, Any]] = {}
        self.alive = 2

    def load(self, piece: str, fits: str) -> dict[str, Any] | None:
        return copy.deepcopy(self.kept.get(f"{piece} {fits}"))

    def save(self, piece: str, fits: str, state: Mapping[str, Any]) -> None:
        self.kept[f"{piece} {fits}"] = copy.deepcopy(dict(state))

    def offer(self, piece: str, fits: str, state: Callable[[], Mapping[str, Any]]) -> None:
        self.save(piece, fits, state())
        self.alive -= 1
        if not self.alive:
            raise Interrupted("killed")


@named([c for c in INPAINT if c.trains])
def test_a_fit_that_began_warm_and_was_killed_goes_on_without_asking_for_its_start_again(card: MethodCard) -> None:
    work, _ = task(card, frames=1)
    always = {"train": "always"} if "train" in card.config.model_fields else {}
    config, method = card.config.model_validate({"iterations": 4, **always}), inpaint_method(card.name)
    cold = method.fill(work, config, FitContext(seed=3, device=CPU))
    warm = FitContext(seed=3, device=CPU, starts=Offered({k: v + 0.05 for k, v in (cold.weights or {}).items()}))
    whole, checkpoint = method.fill(work, config, warm), Dying()
    with pytest.raises(Interrupted):
        method.fill(work, config, replace(warm, checkpoint=checkpoint))
    resumed = method.fill(work, config, replace(warm, checkpoint=checkpoint))
    assert torch.equal(resumed.frames, whole.frames)
    assert resumed.warm
    told = [[note for note in result.notes if "warm" in note] for result in (whole, resumed)]
    assert told[0] and told[0] == told[1]


@named([c for c in INPAINT if not c.trains])
def test_what_does_not_train_keeps_known_pixels(card: MethodCard) -> None:
    work, _ = task(card)
    known = ~work.masks.expand_as(work.frames)
    assert torch.allclose(fill(card, work).frames[known], work.frames[known], atol=1e-6)


@named(FLOW)
def test_a_shift_is_found(card: MethodCard) -> None:
    picture = moving_texture(5, 64, 80)
    method = flow_method(card.name)
    flow = method.flow(picture[:1], picture[2:3], card.config(), CPU)
    assert flow.shape == (1, 2, 64, 80)
    inner = flow[0, :, 16:-16, 16:-16]
    assert float((inner[0] + 2).abs().mean()) < 0.3
    assert float(inner[1].abs().mean()) < 0.3


@named(FLOW)
def test_standing_still_is_no_flow(card: MethodCard) -> None:
    picture = moving_texture(1, 48, 64)
    assert float(flow_method(card.name).flow(picture, picture, card.config(), CPU).abs().max()) < 0.05
