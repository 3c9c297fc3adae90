"""Image methods in the table of starts: judged by what nobody saw, each length a fit of its own."""

from dataclasses import replace

import pytest
import torch

from vidinternal.bench.base import BenchOptions
from vidinternal.bench.warm_images import SHARES, ImageStudent, foggy, grainy, image_students, middle, shrunk
from vidinternal.bench.warm_start import Row, Shot, compared, shots
from vidinternal.bench.warm_trial import Lesson, Trial
from vidinternal.learn.warm_start.pool import Finished, Pool

SMALL = BenchOptions(width=64, height=48, frames=4, iterations=4, seeds=1, cases=("flower",))


@pytest.fixture(scope="module")
def two() -> tuple[Shot, ...]:
    return shots(SMALL)


def lesson(shot: Shot, iterations: int = 4) -> Lesson:
    return Lesson(shot.case, 7, iterations)


def pool(scheme: str, trial: Trial, method: str, shot: Shot) -> Pool:
    done = Finished("first", method, trial.signature, (48, 64), shot.description, lambda: trial.weights)
    return Pool(scheme, (done,), method, (48, 64), shot.description)  # pyright: ignore[reportArgumentType]


def test_what_was_done_to_a_picture_is_not_in_what_it_is_judged_by(two: tuple[Shot, ...]) -> None:
    one, other = (lesson(s) for s in two)
    assert shrunk(one).frame.shape[-2:] == (24, 32) and torch.equal(shrunk(one).truth, middle(one))
    assert not torch.equal(grainy(one).frame, grainy(one).truth)
    assert torch.equal(grainy(one).frame, grainy(one).frame)
    assert not torch.equal(grainy(one).frame - grainy(one).truth, grainy(replace(one, seed=8)).frame - middle(one))
    assert float((foggy(one).frame - foggy(one).truth).abs().mean()) > 0.02
    assert float((foggy(one).frame - foggy(other).frame).abs().mean()) > 0


def test_each_length_is_a_fit_and_the_longest_counts(two: tuple[Shot, ...]) -> None:
    student = ImageStudent("zs_n2n", "denoise", grainy, 5.0)
    cold = student(lesson(two[0]), None)
    assert [i for i, _, _ in cold.curve] == [max(1, round(20 * s)) for s in SHARES]
    assert cold.score == cold.true == cold.curve[-1][2] and not cold.warm
    start = pool("previous", cold, "zs_n2n", two[0])
    warm = student(lesson(two[0]), start)
    assert warm.warm and warm.signature == cold.signature
    assert warm.curve[0][2] > cold.curve[0][2]  # it has learned this very picture before
    row = compared(two[0], 0, "previous", warm, cold)
    assert row["true_gain"] == pytest.approx(warm.true - cold.true, abs=1e-3)
    # a look above the last one is no result: it is not what is returned
    high = replace(cold, curve=((1, 0.1, 99.0), *cold.curve[1:]))
    assert high.score == cold.score


def test_weights_that_come_along_are_the_scheme_meta(two: tuple[Shot, ...]) -> None:
    method, student = image_students()["zssr"]
    row = Row(method, student, [(two[0], lesson(two[0], 2))])
    (cold,) = row.run("cold", lambda _: None)
    (meta,) = row.run("meta", lambda _: None)
    assert "meta" in row.schemes()
    assert not cold.warm and meta.warm
    assert meta.curve[0][2] > cold.curve[0][2]
    plain = Row("zs_n2n", image_students()["zs_n2n"][1], [(two[0], lesson(two[0], 2))])
    plain.run("cold", lambda _: None)
    assert "meta" not in plain.schemes()


def test_every_network_of_image_methods_is_a_method_that_trains() -> None:
    from vidinternal.methods import card

    students = image_students()
    assert {"zssr", "zs_n2n", "double_dip dehaze", "dip denoise"} <= students.keys()
    for method, student in students.values():
        assert isinstance(student, ImageStudent)
        assert card(method, student.task).trains
