"""Setting ``kernel`` of stage ``upscale``."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from vidinternal.core.contracts import FitContext
from vidinternal.core.errors import ConfigError, MediaError, UsageError, UserError
from vidinternal.core.imaging import KernelMethod, KernelResult
from vidinternal.methods import card, cards, kernel_method
from vidinternal.ops.kernels import centre_of_mass, gaussian_kernel, kernel_distance, wanted_centre
from vidinternal.stages import stage_class
from vidinternal.stages.blur_kernel import WORDS, check_setting, modules, resolve

CONTEXT = FitContext(seed=0, device=torch.device("cpu"))
FRAMES = torch.rand(2, 3, 40, 52, generator=torch.Generator().manual_seed(1))
TWO = (2.0, 2.0)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    np.save(tmp_path / "blur.npy", gaussian_kernel(9, 1.4).numpy())
    return tmp_path / "blur.npy"


def test_the_cubic_is_no_kernel() -> None:
    found = resolve("cubic", FRAMES, TWO, CONTEXT)
    assert found.kernel is None and not found.facts() and not found.notes
    assert check_setting("cubic", TWO, (1, 1)) == ()


def test_a_file_is_taken_and_put_in_line_with_the_scale(file: Path) -> None:
    for scale in (TWO, (3.0, 3.0), (2.0, 4.0)):
        kernel = resolve(file, FRAMES, scale, CONTEXT).facts()["kernel"]
        assert kernel_distance(kernel, gaussian_kernel(9, 1.4)) < 0.03
        for centre, side, s in zip(centre_of_mass(kernel), kernel.shape, scale, strict=True):
            assert abs(centre - wanted_centre(side, s)) < 0.01
    assert "blur.npy" in resolve(str(file), FRAMES, TWO, CONTEXT).notes[0]


@pytest.mark.parametrize("setting", ["kernelgn", "no/such/file", "kernelgan:slow", ""])
def test_what_is_neither_word_nor_file_is_refused_with_the_words(setting: str) -> None:
    with pytest.raises(UserError) as caught:
        check_setting(setting, TWO, (40, 52))
    assert "kernelgan" in str(caught.value) or ".npy" in str(caught.value)


def test_a_word_nearly_right_names_the_right_one() -> None:
    with pytest.raises(ConfigError, match="did you mean 'kernelgan'"):
        check_setting("kernelgn", TWO, (40, 52))


def test_bad_files_and_small_pictures_are_refused_before_any_work(tmp_path: Path) -> None:
    np.save(tmp_path / "sum.npy", np.ones((3, 3)))
    with pytest.raises(UsageError, match="sum to 1"):
        check_setting(tmp_path / "sum.npy", TWO, (40, 52))
    with pytest.raises(UsageError, match="no such file"):
        check_setting(tmp_path / "gone.npy", TWO, (40, 52))
    with pytest.raises(MediaError, match="kernel=cubic"):
        check_setting("kernelgan", TWO, (16, 16))


class Fixed(KernelMethod):
    """Answers what it is told to."""

    def __init__(self, *, better: bool) -> None:
        self.card = kernel_method("kernelgan").card
        self.better = better
        self.asked: list[object] = []

    def estimate(
        self, frames: torch.Tensor, scale: tuple[float, float], config: object, context: FitContext
    ) -> KernelResult:
        self.asked.append(config)
        return KernelResult(gaussian_kernel(13, 1.2), self.better, notes=("told",))


@pytest.mark.parametrize("better", [True, False])
def test_an_estimate_that_is_not_better_leaves_the_cubic_and_says_so(
    better: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vidinternal.stages.blur_kernel.kernel_method", lambda _name: Fixed(better=better))
    found = resolve("kernelgan", FRAMES, TWO, CONTEXT)
    assert (found.kernel is not None) == better
    assert found.notes == ("told",)


def test_the_words_choose_the_presets(monkeypatch: pytest.MonkeyPatch) -> None:
    fixed = Fixed(better=True)
    monkeypatch.setattr("vidinternal.stages.blur_kernel.kernel_method", lambda _name: fixed)
    for word in WORDS[1:]:
        resolve(word, FRAMES, TWO, CONTEXT)
    assert [getattr(c, "preset", None) for c in fixed.asked] == ["fast", "faithful"]


def test_results_depend_on_the_code_of_what_estimates() -> None:
    assert modules("kernelgan:faithful") == ("vidinternal.methods.kernelgan.method",)
    assert modules("cubic") == () == modules(Path("k.npy"))
    assert upscale("zssr", "kernelgan").also_runs() == modules("kernelgan")


def test_the_setting_is_a_word_or_a_path() -> None:
    config = stage_class("upscale").Config
    assert config.model_validate({"kernel": "kernelgan"}).kernel == "kernelgan"  # pyright: ignore[reportAttributeAccessIssue]
    assert isinstance(config.model_validate({"kernel": "a.npy"}).kernel, Path)  # pyright: ignore[reportAttributeAccessIssue]


def upscale(method: str, kernel: object) -> Any:
    stage = stage_class("upscale")
    config = stage.Config.model_validate({"method": method, "kernel": kernel})
    return stage(config, card(method, "upscale").config())


@pytest.mark.parametrize("kernel", ["kernelgan", Path("blur.npy")])
def test_a_method_that_makes_nothing_of_a_kernel_is_not_given_one(kernel: object) -> None:
    with pytest.raises(ConfigError, match=r"upscale\.method=zssr"):
        upscale("bicubic", kernel).also_check(None, (40, 52))
    assert upscale("bicubic", "cubic").also_check(None, (40, 52)) == ()


def test_the_stage_finds_the_kernel_of_a_take_once(file: Path) -> None:
    stage = upscale("zssr", file)
    assert stage.also_check(None, (40, 52)) == ()
    found, notes = stage.survey()(FRAMES, CONTEXT)
    assert set(found) == {"kernel"} and "blur.npy" in notes[0]
    assert upscale("zssr", "cubic").survey() is None
    with pytest.raises(UsageError, match="no such file"):
        upscale("zssr", file.with_name("gone.npy")).also_check(None, (40, 52))


def test_whoever_takes_a_kernel_says_so() -> None:
    able = {c.name: getattr(c, "kernels", False) for c in cards("upscale")}
    assert able["zssr"] and able["dip"] and not able["bicubic"] and not able["lanczos"]
