import pytest
import torch

from tests.methods.internal.scenes import candidates, scene
from vidinternal.core.contracts import FitContext, InpaintTask
from vidinternal.methods.internal.config import Config
from vidinternal.methods.internal.fit import LARGEST_GRADIENT, GeneratorFit
from vidinternal.ops.resample import destroy


def fit_of(config: Config) -> GeneratorFit:
    truth, masks = scene()
    made = candidates(truth, masks)
    task = InpaintTask(destroy(truth, masks), masks)
    context = FitContext(seed=0, device=torch.device("cpu"))
    return GeneratorFit(task, made.frames, made.confidence, config, context)


def test_no_step_is_taken_along_a_larger_gradient() -> None:
    fit = fit_of(Config(iterations=4, channels=(8, 8)))
    with torch.no_grad():
        fit.net.head.weight.mul_(10)  # the first gradient is far too large
    fit.step()
    norms = [p.grad.norm() for p in fit.net.parameters() if p.grad is not None]
    assert float(torch.stack(norms).norm()) == pytest.approx(LARGEST_GRADIENT, rel=1e-3)
