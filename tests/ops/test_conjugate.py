import numpy as np
import pytest
from scipy import sparse

from vidinternal.ops import conjugate as module
from vidinternal.ops.conjugate import conjugate_gradients


def chain(count: int) -> sparse.csr_matrix:
    """The second difference with fixed ends."""
    return sparse.csr_matrix(2 * np.eye(count) - np.eye(count, k=1) - np.eye(count, k=-1))


def test_the_system_is_solved_from_anywhere() -> None:
    truth = np.random.default_rng(0).random((50, 3))
    matrix = chain(50)
    for start in (None, np.ones((50, 3)), truth):
        assert np.allclose(conjugate_gradients(matrix, matrix @ truth, 1e-9, start), truth, atol=1e-6)


def test_a_start_that_fits_is_the_answer() -> None:
    truth = np.random.default_rng(1).random((20, 1))
    matrix = chain(20)
    assert np.array_equal(conjugate_gradients(matrix, matrix @ truth, 1e-6, truth), truth)


def test_nothing_on_the_right_is_nothing() -> None:
    assert not conjugate_gradients(chain(5), np.zeros((5, 2), np.float32), 1e-6).any()


def test_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_STEPS", 3)
    right = np.ones((50, 1))
    left = right - chain(50) @ conjugate_gradients(chain(50), right, 0.0)
    assert np.abs(left).max() > 0
