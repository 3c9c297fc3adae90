"""Chains: fixed by the clips alone, similar ones together, kept when clips are added."""

from pathlib import Path

import pytest

from tests import media_made
from vidinternal.engines import chains as module
from vidinternal.engines.chains import chain, describe_clip, planned_chains, usual_length
from vidinternal.engines.warm import can_warm, spec_of
from vidinternal.learn.warm_start.describe import distance


def far(a, b) -> float:
    return abs(a[0] - b[0])


def test_each_clip_follows_the_one_it_is_most_like_and_strangers_begin_anew() -> None:
    names = ["a", "b", "c", "d", "e", "f"]
    seen = [(0.0,), (5.0,), (0.1,), (5.1,), (0.3,), None]
    assert chain(names, seen, 8, far) == [[0, 2, 4], [1, 3], [5]]
    assert chain(names, seen, 2, far) == [[0, 2], [1, 3], [4], [5]]


def test_the_order_in_which_clips_are_named_makes_no_difference() -> None:
    names = ["a", "b", "c", "d"]
    values = {"a": (0.0,), "b": (0.4,), "c": (0.1,), "d": (0.2,)}
    plans = set()
    for order in (names, names[::-1], ["c", "a", "d", "b"]):
        found = chain(order, [values[n] for n in order], 8, far)
        plans.add(tuple(tuple(order[k] for k in c) for c in found))
    assert plans == {(("a", "c", "d", "b"),)}


@pytest.fixture
def clips(tmp_path: Path) -> list[Path]:
    made = [media_made.clip(tmp_path / f"{k}.mkv", size=(64, 48), frames=4, seed=k % 2) for k in range(4)]
    (tmp_path / "9.mkv").write_bytes(b"no clip")
    return [*made, tmp_path / "9.mkv"]


def test_a_plan_is_remembered_and_new_clips_get_chains_of_their_own(clips: list[Path], tmp_path: Path) -> None:
    first = [p.name for p in clips[:3]]
    before, _ = planned_chains(first, clips[:3], 8, tmp_path / "plan")
    names = [p.name for p in clips]
    after, _ = planned_chains(names, clips, 8, tmp_path / "plan")
    assert [[names[k] for k in c] for c in after[: len(before)]] == [[first[k] for k in c] for c in before]
    assert sorted(k for c in after for k in c) == list(range(len(clips)))
    assert planned_chains(names, clips, 8, tmp_path / "plan")[0] == after
    assert planned_chains(names, clips, 1, tmp_path / "plan")[0] == [[k] for k in range(len(clips))]


def test_what_cannot_be_read_stands_alone_and_looks_are_of_the_picture(clips: list[Path]) -> None:
    seen = [describe_clip(path) for path in clips]
    assert seen[4] is None
    a, b, c = seen[0], seen[1], seen[2]
    assert a is not None and b is not None and c is not None
    assert distance(a, c) < distance(a, b)


def test_too_many_to_look_at_and_clips_elsewhere_follow_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_DESCRIBED", 3)
    names = ["b", "a", "d", "c", "e"]
    for name in names:
        (tmp_path / name).touch()
    found, notes = planned_chains(names, [tmp_path / n for n in names], 2, None)
    assert found == [[1, 0], [3, 2], [4]] and "more than 3 clips" in notes[0]
    found, notes = planned_chains(["b", "a"], [tmp_path / "none", tmp_path / "a"], 2, None)
    assert found == [[1, 0]] and "elsewhere" in notes[0]


def test_few_clips_are_done_side_by_side_and_many_in_chains() -> None:
    assert [usual_length(n) for n in (0, 1, 31, 32, 100, 10**6)] == [1, 1, 1, 2, 6, 8]


def test_where_earlier_weights_do_harm_clips_do_not_wait_for_each_other() -> None:
    assert can_warm(spec_of("denoise", ())) and can_warm(spec_of("upscale", ()))
    assert not can_warm(spec_of("dehaze", ()))
    assert can_warm(spec_of("dehaze", ("dehaze.init=nearest",)))
