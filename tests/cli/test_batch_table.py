"""The tables of a batch: what they show while it runs and after, in a terminal and in a file."""

import io

import pytest

from vidinternal.cli.batch_table import MOST_ROWS, LiveTable, clock, expected, final_table
from vidinternal.engines.account import Account, Row

STAGES = ("decode", "inpaint", "encode")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def row(name: str, **changes) -> Row:
    return Row(name, f"in/{name}", f"out/{name}", **changes)


def table(*rows: Row) -> str:
    to = io.StringIO()
    final_table(Account(None, rows, {"notes": []}), to)
    return to.getvalue()


def test_the_final_table_has_reasons_quality_and_the_weakest_frames() -> None:
    worst = [{"frames": [8, 16], "expected_psnr": 21.3}]
    text = table(
        row("a[b].mkv", status="done", expected_psnr=[30.0, 24.5], worst=worst, seconds=3.21),
        row("broken.mkv", status="failed", reason="cannot be opened"),
        row("lost.mask.mkv", status="skipped", reason="a mask without its clip"),
        row("old.mkv", status="already done", expected_psnr=[None]),
    )
    for part in ("a[b].mkv", "24.5–30.0", "8–15: 21.3", "3.2", "cannot be opened", "a mask without its clip", "–"):
        assert part in text
    assert "1 done, 1 already done, 1 failed, 1 skipped; 4 clips in all" in text
    assert text.index("broken.mkv") < text.index("a[b].mkv"), "what needs a person comes first"
    assert max(map(len, text.splitlines())) <= 160


def test_of_many_clips_the_weakest_are_shown_and_all_that_failed() -> None:
    rows = [row(f"{k:03d}.mkv", status="done", expected_psnr=[float(k)]) for k in range(200, 300)]
    rows += [row(f"bad{k}.mkv", status="failed", reason="no") for k in range(70)]
    text = table(*rows)
    assert text.count("bad") == 70
    assert "200.mkv" in text and "299.mkv" not in text
    assert f"{100 - MOST_ROWS} more clips are done" in text


def test_names_that_would_move_the_cursor_are_shown_escaped() -> None:
    assert "\x1b" not in table(row("a\x1b[2Jb.mkv", status="done"))


def test_the_live_table_shows_stage_eta_and_score_and_says_who_ended() -> None:
    rows = [row("a.mkv"), row("b.mkv")]
    to = Terminal()
    with LiveTable(Account(None, rows, {"notes": []}), STAGES, to=to) as live:
        rows[0].status = "running"
        live.changed(rows[0])
        live.progress(rows[0], "inpaint", 0.5, "iteration 300, held-out 24.12 dB")
        live.progress(rows[0], "no such stage", 0.5, "")
        live.progress(rows[0], "inpaint", 0.5, "iteration 400")
        from rich.console import Console

        drawn = Console(file=io.StringIO(), width=100)
        drawn.print(live.render())
        shown = drawn.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue]
        assert "a.mkv" in shown and "inpaint" in shown and "24.1" in shown and "44 %" in shown
        assert "1 waiting, 1 running of 2" in shown
        live.note(rows[0], "made again")
        rows[0].fail("a.mkv: broken")
        live.changed(rows[0])
        live.progress(rows[0], "inpaint", 0.7, "late word")
    told = to.getvalue()
    assert "failed  a.mkv: a.mkv: broken" in told and "a.mkv: made again" in told


@pytest.mark.parametrize("quiet", [True, False])
def test_where_there_is_no_terminal_nothing_is_drawn(quiet: bool) -> None:
    to = Terminal() if quiet else io.StringIO()
    rows = [row("a.mkv", status="running")]
    with LiveTable(Account(None, rows, {"notes": []}), STAGES, quiet=quiet, to=to) as live:
        live.changed(rows[0])
        live.note(rows[0], "x")
    assert to.getvalue() == ""


def test_times_and_scores() -> None:
    assert clock(61) == "1:01" and clock(3661.4) == "1:01:01" and clock(0) == "0:00"
    assert expected(row("a", expected_psnr=[20.0, 20.01])) == "20.0" and expected(row("a")) == "–"
