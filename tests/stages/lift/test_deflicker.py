"""The finisher of a window on arrays: when it steadies, when it leaves alone, and the seam between two windows."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from vidinternal.core.contracts import FitContext
from vidinternal.core.seeds import generator
from vidinternal.learn import deflicker as learned
from vidinternal.stages.lift.deflicker import Window, errors_between, on_arrays, steady

CONTEXT = FitContext(seed=1, device=torch.device("cpu"))
HEIGHT, WIDTH = 24, 32


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learned, "STEPS", 40)


def _source(count: int = 4) -> Tensor:
    coarse = torch.rand(1, 3, 4, 5, generator=generator(3))
    still = torch.nn.functional.interpolate(coarse, (HEIGHT, WIDTH), mode="bicubic", align_corners=False).clamp(0, 1)
    return still.expand(count, -1, -1, -1).clone()


def _restless(source: Tensor) -> Tensor:
    darker = torch.tensor([0.75, 1.0]).repeat(len(source))[: len(source)]
    return source * darker.view(-1, 1, 1, 1)


def _window(
    source: Tensor, made: Tensor, first: int = 0, last: Tensor | None = None
) -> tuple[Window, dict[int, Tensor]]:
    put: dict[int, Tensor] = {}
    count = len(made) - first
    one = Window(
        count,
        lambda k: source[first + k : first + k + 1],
        lambda k: made[first + k : first + k + 1],
        put.__setitem__,
        last,
    )
    return one, put


def test_errors_are_those_of_source_and_result() -> None:
    source = _source()
    still = errors_between(source, source)
    assert still is not None and still[0] == pytest.approx(0.0, abs=1e-9) == still[1]
    restless = errors_between(source, _restless(source))
    assert restless is not None and restless[1] > 1e-3
    assert errors_between(source[:1], source[:1]) is None


def test_what_flickers_is_steadied_and_what_does_not_is_left() -> None:
    source = _source()
    made = _restless(source)
    errors = errors_between(source, made)
    taken, answer = on_arrays(source, made, errors, CONTEXT)
    after = errors_between(source, taken)
    assert errors is not None and after is not None and answer.taken
    assert after[1] < 0.3 * errors[1]
    assert answer.after == pytest.approx(after[1], rel=1e-3)
    same, left = on_arrays(source, source, errors_between(source, source), CONTEXT)
    assert not left.taken and same is source


def test_the_seam_to_the_window_before_counts() -> None:
    """A window that is steady in itself, but not what the one before ended with."""
    source = _source(6)
    made = _restless(source)
    errors = errors_between(source, made)
    alone, _ = _window(source, made, first=3)
    seamed, _ = _window(source, made, first=3, last=torch.zeros(1, 3, HEIGHT, WIDTH))
    without, with_it = (steady(one, errors, CONTEXT, None) for one in (alone, seamed))
    assert without.after is not None
    # a black picture before it is a larger step than any in the window: it comes out no steadier than it was
    assert not with_it.taken


def test_what_the_window_before_was_steadied_by_tells_what_it_ended_with() -> None:
    source = _source(6)
    made = _restless(source)
    errors = errors_between(source, made)
    first, _ = _window(source[:3], made[:3])
    before = steady(first, errors, CONTEXT, None)
    assert before.taken
    second, put = _window(source, made, first=3, last=made[2:3])
    after = steady(second, errors, CONTEXT, before.weights)
    assert after.taken and after.after is not None and set(put) == {0, 1, 2}
    black = replace(second, last=torch.zeros(1, 3, HEIGHT, WIDTH))
    assert steady(black, errors, CONTEXT, before.weights).after == after.after, "what was made is not what was given"
