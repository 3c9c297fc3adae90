import re

from vidinternal.core.clip import Shot, Window
from vidinternal.report.intermediate import FrameFacts
from vidinternal.report.timeline import MOST_POINTS, timeline
from vidinternal.stages.artifacts import Windows


def facts(quality: list[float | None]) -> list[FrameFacts]:
    return [FrameFacts(k, 0 if q is None else 50, (0, 0, 0, 0, 50), q) for k, q in enumerate(quality)]


def windows(total: int) -> Windows:
    cut = total // 2
    return Windows(
        (Shot(0, 0, cut), Shot(1, cut, total)),
        (Window(0, 0, 0, cut), Window(1, 1, cut, total), Window(2, 1, cut, total, 2)),
    )


def heights(path: str) -> list[float]:
    return [float(y) for y in re.findall(r"L[\d.]+ ([\d.]+)", path)]


def test_lower_quality_lies_lower_and_gaps_stay_gaps() -> None:
    drawn = timeline(facts([30, 20, None, 40]), windows(4), 100)
    assert drawn is not None
    y = heights(drawn["curve"])
    assert len(y) == 3 and y[1] == max(y) and y[2] == min(y)
    assert drawn["curve"].count("M") == 2
    assert [b["x"] for b in drawn["bands"]] == [0, 500]
    assert len(drawn["seams"]) == 1
    assert drawn["most"] == "50.0%" and drawn["told"].endswith("20.0 to 40.0 dB")


def test_of_many_frames_the_worst_of_each_stretch_is_drawn() -> None:
    quality: list[float | None] = [40.0] * 5000
    quality[1234] = 10.0
    drawn = timeline(facts(quality), windows(5000), 100)
    assert drawn is not None
    y = heights(drawn["curve"])
    assert len(y) <= MOST_POINTS
    assert sum(v == max(y) for v in y) == 1


def test_nothing_filled_has_no_timeline_and_no_score_has_no_curve() -> None:
    assert timeline(facts([None, None]), windows(2), 10) is None
    blind = [FrameFacts(k, 5, (0, 0, 0, 0, 5), None) for k in range(4)]
    drawn = timeline(blind, windows(4), 10)
    assert drawn is not None
    assert drawn["curve"] == "" and drawn["high"] == "" and "not known" in drawn["told"]
    one = timeline(facts([25.0]), Windows((Shot(0, 0, 1),), (Window(0, 0, 0, 1),)), 50)
    assert one is not None and one["curve"].startswith("M")
