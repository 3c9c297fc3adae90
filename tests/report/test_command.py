import shlex
import subprocess
from dataclasses import fields
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from vidinternal.cli.main import app
from vidinternal.core.timecode import ClockTime, FrameIndex, Region, parse_region
from vidinternal.report.command import FLAGS, GIVEN, REPEATED, command_of, quoted, region_text
from vidinternal.runner.job import Job
from vidinternal.stages.base import JobInputs

POINTS = st.one_of(
    st.none(),
    st.integers(0, 10**6).map(FrameIndex),
    st.integers(0, 10**9).map(lambda n: ClockTime(Fraction(n, 1000))),
)


@given(st.integers(0, 999), st.integers(1, 999), POINTS, POINTS)
def test_a_region_is_written_as_it_is_read(x: int, width: int, start: object, end: object) -> None:
    values = [getattr(p, "frame", getattr(p, "seconds", 0)) for p in (start, end)]
    if type(start) is type(end) and start is not None and values[0] >= values[1]:
        return
    region = Region(x, 2, width, 4, start, end)  # pyright: ignore[reportArgumentType]
    assert parse_region(region_text(region)) == region


@pytest.mark.parametrize(
    "name", ["plain.mkv", "a 'b' \"c\" $HOME `x`.mkv", "new\nline\ttab", "\udcff\udc80 o'clock", "-o"]
)
def test_a_shell_gets_the_words_back_whatever_bytes_they_hold(name: str) -> None:
    line = f"printf %s {quoted('./' + name)}"
    back = subprocess.run(["bash", "-c", line], capture_output=True, check=True).stdout
    assert back == b"./" + name.encode("utf-8", "surrogateescape")
    assert quoted(name).isprintable()


def test_the_command_says_everything_the_result_depends_on() -> None:
    inputs = JobInputs(
        Path("in file.mkv"), Path("out.mkv"), Path("m.png"), (parse_region("1,2,3,4@5-9"),), mask_fit=True
    )
    job = Job("inpaint", inputs, ("inpaint.method=telea",), "cpu", 7, 90.0, Path("work"), memory=3 << 30)
    words = shlex.split(command_of(job, Path("page.html")))
    assert words[:6] == ["vidinternal", "run", "inpaint", "in file.mkv", "-o", "out.mkv"]
    pairs = dict(pairwise(words))
    for option, value in (("--mask", "m.png"), ("--region", "1,2,3,4@5-9"), ("--set", "inpaint.method=telea")):
        assert pairs[option] == value
    assert (pairs["--device"], pairs["--seed"], pairs["--budget"], pairs["--workspace"]) == ("cpu", "7", "90s", "work")
    assert pairs["--memory"] == f"{3 << 20}K" and pairs["--report"] == "page.html" and "--mask-fit" in words


def test_every_field_of_a_job_is_in_the_command_or_changes_no_result() -> None:
    told = {"pipeline", "inputs", "sets", "device", "seed", "budget", "workspace", "memory"}
    changes_nothing = {"fresh", "hold", "processes", "private", "report", "report_of", "starts"}
    assert {f.name for f in fields(Job)} - told - changes_nothing == set()
    given_by_hand = {"source", "destination", "regions"} | GIVEN.keys() | FLAGS.keys() | REPEATED.keys()
    assert {f.name for f in fields(JobInputs)} - given_by_hand == set()


def test_every_option_is_one_of_the_command() -> None:
    told = CliRunner().invoke(app, ["run", "--help"], env={"COLUMNS": "300", "TERMINAL_WIDTH": "300"}).output
    for option in (*GIVEN.values(), *FLAGS.values(), *REPEATED.values(), "--region", "--workspace", "--report"):
        assert option in told
