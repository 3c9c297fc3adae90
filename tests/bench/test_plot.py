import sys

import cv2
import numpy as np
import pytest

from vidinternal.bench.plot import Axes, curves, points
from vidinternal.core.errors import UsageError

LINES = {"rising": [(1.0, 1.0), (2.0, 4.0)], "level": [(1.0, 2.0)]}


def test_curves_are_a_picture_that_depends_on_them() -> None:
    axes = Axes("t", "x", "y", log="both")
    first = curves(LINES, axes)
    sheet = cv2.imdecode(np.frombuffer(first, dtype=np.uint8), cv2.IMREAD_COLOR)
    assert sheet is not None and sheet.std() > 1
    assert curves(LINES, axes) == first
    assert curves({"rising": LINES["rising"]}, axes) != first
    assert points(LINES, axes).startswith(b"\x89PNG")
    assert points({}, axes) != points(LINES, axes)


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(UsageError, match="pip install"):
        curves(LINES, Axes("t", "x", "y"))
