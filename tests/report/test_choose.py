from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from vidinternal.report.choose import shown_frames, thinned, worst_frames


@given(st.integers(1, 400), st.integers(2, 90), st.data())
def test_what_is_chosen_has_room_is_in_order_and_keeps_the_ends(total: int, room: int, data: st.DataObject) -> None:
    worst = data.draw(st.lists(st.integers(0, total - 1), max_size=8, unique=True))
    starts = sorted({0, *data.draw(st.lists(st.integers(0, total - 1), max_size=30))})
    chosen = shown_frames(total, room, worst, starts)
    assert list(chosen) == sorted(set(chosen))
    assert len(chosen) == min(total, room)
    assert chosen[0] == 0 and chosen[-1] == total - 1
    if total > room:
        assert not worst or room < 4 or worst[0] in chosen


def test_the_worst_frames_have_passages_that_can_be_played() -> None:
    chosen = set(shown_frames(1000, 100, (300, 700), (0, 500)))
    assert {0, 500, 999} <= chosen
    assert set(range(290, 311)) <= chosen and set(range(690, 711)) <= chosen
    loose = sorted(chosen - set(range(250, 750)))
    assert max(b - a for a, b in pairwise(loose) if b < 250 or a >= 750) < 40


def test_many_shots_leave_room_for_the_rest() -> None:
    chosen = shown_frames(1000, 40, (123,), range(0, 1000, 2))
    assert len(chosen) == 40
    assert {122, 123, 124} <= set(chosen)


def test_the_worst_are_apart_the_worst_first_and_never_above_the_median() -> None:
    quality = [None, *(30.0 + (k % 50) for k in range(200))]
    worst = worst_frames(quality, 4)
    values = [quality[i] for i in worst]
    assert all(v is not None for v in values) and values == sorted(v for v in values if v is not None)
    assert all(abs(a - b) >= 16 for a in worst for b in worst if a != b)
    assert worst_frames([20.0, 40.0, 40.0, 41.0] * 12, 48) == tuple(range(0, 48, 4))
    assert worst_frames([None, None]) == () and worst_frames([]) == ()


@given(st.sets(st.integers(0, 300), min_size=1), st.integers(0, 40))
def test_thinning_keeps_what_it_must(frames: set[int], fewer: int) -> None:
    keep = sorted(frames)[:3]
    left = thinned(sorted(frames), keep, fewer)
    assert set(keep) <= set(left) <= frames
    assert len(left) == len(frames) - min(fewer, len(frames) - len(keep))
