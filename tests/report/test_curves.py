import re
import sys
from typing import Any

import pytest

from vidinternal.core.errors import UsageError
from vidinternal.report.curves import curves, has_curve


def look(iteration: int, **terms: float) -> dict[str, Any]:
    return {"iteration": iteration, "seconds": iteration / 10, "terms": terms, "holdout_psnr": 20 + iteration / 100}


HISTORY = [look(0, L_r=1.0, L_f=0.5), look(100, L_r=0.1, L_f=0.2), look(200, L_r=0.01)]


def test_every_term_and_the_score_are_drawn_and_nothing_is_looked_up_elsewhere() -> None:
    panels = curves(HISTORY, "window-0")
    assert len(panels) == 2 and all(p.startswith("<svg ") and p.endswith("</svg>") for p in panels)
    svg = "".join(panels)
    for words in ("L_r", "L_f", "held-out score", "iteration", "currentColor", "viewBox"):
        assert words in svg
    assert "http" not in svg and "<script" not in svg and "<metadata" not in svg
    assert all(target.startswith("#") for target in re.findall(r'href="([^"]*)"', svg))


def test_ids_of_two_curves_on_one_page_differ() -> None:
    own = [
        set(re.findall(r'clipPath id="([^"]+)"', "".join(curves(HISTORY, name)))) for name in ("window-0", "window-1")
    ]
    assert own[0] and not own[0] & own[1]


def test_a_method_that_does_not_iterate_is_drawn_over_seconds_and_without_a_score() -> None:
    rounds = [{"iteration": 0, "seconds": s, "terms": {"<covered>": s / 9}, "holdout_psnr": None} for s in (1.0, 2.5)]
    (svg,) = curves(rounds, "window-0")
    assert "seconds" in svg and "held-out" not in svg
    assert "&lt;covered&gt;" in svg and "<covered>" not in svg


def test_a_score_that_hardly_changes_is_written_out() -> None:
    still = [{**look(k), "holdout_psnr": 35.12 + k / 1e5} for k in (0, 50, 100)]
    assert "+3.5" not in curves(still, "window-0")[-1]


def test_one_look_is_no_curve() -> None:
    assert not has_curve([look(0)]) and not has_curve([]) and has_curve(HISTORY)


def test_without_matplotlib_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UsageError, match=r"vidinternal\[report\]"):
        curves(HISTORY, "x")
