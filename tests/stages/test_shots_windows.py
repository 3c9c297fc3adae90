from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from vidinternal.core.clip import Shot
from vidinternal.stages.artifacts import Windows
from vidinternal.stages.shots import cut_windows


@given(st.lists(st.integers(1, 300), min_size=1, max_size=5), st.integers(0, 8), st.integers(6, 60))
def test_windows_cover_every_frame_once_and_fit(lengths: list[int], overlap: int, extra: int) -> None:
    shots, start = [], 0
    for length in lengths:
        shots.append(Shot(len(shots), start, start + length))
        start += length
    windows = cut_windows(shots, overlap + extra, overlap)
    cut = Windows(tuple(shots), windows)
    assert [f for w in windows for f in cut.owned(w)] == list(range(start))
    for window in windows:
        assert 0 < len(window) <= overlap + extra
        shot = shots[window.shot]
        assert shot.start <= window.start < window.end <= shot.end
    for before, after in pairwise(windows):
        assert before.end - after.start == after.overlap
