from collections.abc import Iterator
from itertools import islice

import pytest

from vidinternal.core.seeds import generator
from vidinternal.methods.video_inpainting.config import DipVidConfig, DipVidFlowConfig
from vidinternal.methods.video_inpainting.curriculum import (
    Batch,
    flow_batches,
    flow_schedule,
    median_batch,
    strides_with_batches,
    window_schedule,
    windows,
)
from vidinternal.methods.video_inpainting.joint import Schedule


@pytest.mark.parametrize(("total", "count"), [(50, 228), (80, 408), (100, 528)])
def test_published_numbers_of_batches(total: int, count: int) -> None:
    batches = flow_batches(total, 5, (1, 3, 5))
    assert len(batches) == len(set(batches)) == count


@pytest.mark.parametrize("total", [2, 3, 4, 5, 8, 13, 21, 40])
def test_batches_are_evenly_spaced_inside_the_clip_with_one_stride_and_direction(total: int) -> None:
    batches = flow_batches(total, 5, (1, 3, 5))
    for batch in batches:
        assert len(batch.frames) == min(5, total)
        assert {b - a for a, b in zip(batch.frames, batch.frames[1:], strict=False)} == {abs(batch.stride)}
        assert 0 <= batch.frames[0] <= batch.frames[-1] < total
        assert len(batch.pairs()) == len(batch.frames) - 1
        for reference, neighbour in batch.pairs():
            assert batch.frames[neighbour] - batch.frames[reference] == batch.stride
    strides = {b.stride for b in batches}
    assert strides == {-s for s in strides}, "both directions"
    assert {abs(s) for s in strides} == set(strides_with_batches(total, 5, (1, 3, 5)))


def test_strides_without_room_are_left_out() -> None:
    assert strides_with_batches(1, 5, (1, 3, 5)) == ()
    assert strides_with_batches(12, 5, (1, 3, 5)) == (1,)
    assert strides_with_batches(20, 5, (1, 3, 5)) == (1, 3)
    assert strides_with_batches(21, 5, (1, 3, 5)) == (1, 3, 5)
    assert flow_batches(1, 5, (1, 3)) == [Batch((0,))]
    assert flow_batches(13, 5, (3,)) == [Batch((0, 3, 6, 9, 12), 3), Batch((0, 3, 6, 9, 12), -3)]


@pytest.mark.parametrize(("total", "strides"), [(6, (3,)), (12, (3, 5)), (1, (1,)), (2, (2,))])
def test_where_no_stride_has_room_windows_without_flow_are_trained_on(total: int, strides: tuple[int, ...]) -> None:
    used = strides_with_batches(total, 5, strides)
    assert used == ()
    assert flow_batches(total, 5, strides) == flow_batches(total, 5, used) == windows(total, 5)
    schedule = Schedule.of(DipVidFlowConfig(strides=strides), total, used, 0)
    taken = list(islice(schedule.batches, 60))
    assert {b.frames for b in taken} == {w.frames for w in windows(total, 5)}
    assert not any(b.stride or b.pairs() for b in (*taken, schedule.median))


@pytest.mark.parametrize(
    ("total", "frames"),
    [(1, (0,)), (2, (0, 1)), (8, (3, 4, 5, 6, 7)), (20, (10, 11, 12, 13, 14))],
)
def test_the_median_batch_is_in_the_middle_and_inside(total: int, frames: tuple[int, ...]) -> None:
    batch = median_batch(total, 5, 1)
    assert batch.frames == frames
    assert batch.stride == (1 if total > 1 else 0)
    assert batch.ends_pass


def test_a_pass_of_windows_has_each_once_and_the_median_last() -> None:
    order = list(window_schedule(12, 5, 2, generator(0)))
    assert len(order) == 2 * 8
    for part in (order[:8], order[8:]):
        assert sorted(b.frames for b in part) == [w.frames for w in windows(12, 5)]
        assert part[-1].frames == median_batch(12, 5).frames
        assert [b.ends_pass for b in part] == [False] * 7 + [True]
    assert order[:7] != order[8:15], "shuffled anew"


def test_flow_batches_are_used_up_before_they_are_shuffled_again() -> None:
    batches, median = flow_batches(7, 5, (1,)), median_batch(7, 5, 1)
    assert len(batches) == 6
    order: Iterator[Batch] = flow_schedule(batches, 4, median, generator(0))
    taken = list(islice(order, 15))
    assert [b.ends_pass for b in taken] == ([False] * 4 + [True]) * 3
    others = [b for b in taken if not b.ends_pass]
    assert set(others[:6]) == set(others[6:]) == set(batches)


def test_the_full_schedules_are_the_papers() -> None:
    assert Schedule.of(DipVidFlowConfig(), 80, (1, 3, 5), 0).iterations == 102_000
    assert Schedule.of(DipVidConfig(), 100, (), 0).iterations == 192_000
