"""Ctrl-C and SIGTERM: one asks, two end at once; each tested on a real process."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import media_made
from vidinternal.engines.signals import ASKING, Signals

LONG = ("--set", "inpaint.method=dip_vid", "--set", "inpaint.depth=2", "--set", "shots.detector=none")


@pytest.fixture
def handlers() -> Iterator[dict[signal.Signals, object]]:
    before = {number: signal.getsignal(number) for number in ASKING}
    yield {**before}
    for number, handler in before.items():
        signal.signal(number, handler)


def test_the_first_signal_asks_and_the_second_interrupts(handlers: dict[signal.Signals, object]) -> None:
    with Signals() as signals:
        assert not signals.stop.asked
        os.kill(os.getpid(), signal.SIGTERM)
        assert signals.stop.asked
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    for number in handlers:
        os.kill(os.getpid(), number)  # on the way out: nothing comes of it


def test_without_a_signal_all_is_as_before(handlers: dict[signal.Signals, object]) -> None:
    with Signals():
        assert all(signal.getsignal(number) is not before for number, before in handlers.items())
    assert all(signal.getsignal(number) is before for number, before in handlers.items())


def start(tmp_path: Path, *more: str, clips: int = 1) -> subprocess.Popen[str]:
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(clips):
        media_made.clip(folder / f"{number}.mkv", size=(48, 32), frames=9)
    out = str(tmp_path / "out")
    command = [sys.executable, "-m", "vidinternal.cli.main", "run", "inpaint", str(folder), "-o", out]
    command += ["--region", "12,8,16,10", "--set", "encode.codec=ffv1", *LONG, *more]
    quiet = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=quiet, start_new_session=True)


def wait_for(tmp_path: Path, pattern: str, count: int = 1) -> None:
    for _ in range(1200):
        if len(list(tmp_path.rglob(pattern))) >= count:
            return
        time.sleep(0.1)
    raise AssertionError(f"{pattern} never came")


def wait_for_the_end(run: subprocess.Popen[str]) -> None:
    for _ in range(200):
        try:
            os.killpg(run.pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    raise AssertionError("a worker outlived its parent")


def test_once_the_window_is_finished_and_the_command_to_go_on_is_said(tmp_path: Path) -> None:
    run = start(tmp_path, "--set", "inpaint.iterations=60", "--set", "shots.window=6", "--set", "shots.overlap=1")
    wait_for(tmp_path, "masks-*/window-0000")
    run.send_signal(signal.SIGINT)
    _, told = run.communicate(timeout=100)
    assert run.returncode == 130
    assert told.count("\n") == 1, told
    assert told.startswith("interrupted (")
    assert "to go on: vidinternal run inpaint" in told
    assert not list((tmp_path / "out").glob("*.mkv"))


def test_twice_it_stops_at_once(tmp_path: Path) -> None:
    run = start(tmp_path, "--set", "inpaint.iterations=1000000", "--set", "inpaint.passes=100000")
    wait_for(tmp_path, "window-0000.checkpoint/*.safetensors")  # training is at work
    run.send_signal(signal.SIGINT)
    time.sleep(0.3)
    run.send_signal(signal.SIGINT)
    _, told = run.communicate(timeout=100)
    assert run.returncode == 130
    assert told.count("\n") == 1, told
    assert "interrupted at once" in told
    assert "to go on: vidinternal run inpaint" in told
    assert not list((tmp_path / "out").glob("*.mkv"))
    assert list(tmp_path.rglob("flow-*/window-0000/manifest.json"))


def test_once_all_workers_come_to_a_stop_and_their_windows_are_kept(tmp_path: Path) -> None:
    long = ("--set", "inpaint.iterations=600", "--set", "shots.window=6", "--set", "shots.overlap=1")
    run = start(tmp_path, "--jobs", "2", *long, clips=2)
    wait_for(tmp_path, "masks-*/window-0000", count=2)
    os.killpg(run.pid, signal.SIGINT)  # as a terminal does: to parent and workers alike
    _, told = run.communicate(timeout=100)
    assert run.returncode == 130
    assert told.count("\n") == 1, told
    assert told.startswith("interrupted (")
    assert "to go on: vidinternal run inpaint" in told
    assert not list((tmp_path / "out").glob("*.mkv"))
    assert not list(tmp_path.rglob("*.part"))
    wait_for_the_end(run)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_workers_end_with_their_parent(tmp_path: Path, how: signal.Signals) -> None:
    run = start(
        tmp_path, "--jobs", "2", "--set", "inpaint.iterations=1000000", "--set", "inpaint.passes=99999", clips=2
    )
    wait_for(tmp_path, "flow-*/window-0000", count=2)
    run.send_signal(how)
    if how == signal.SIGTERM:
        time.sleep(0.3)
        run.send_signal(how)
    _, told = run.communicate(timeout=100)
    assert run.returncode == (130 if how == signal.SIGTERM else -signal.SIGKILL)
    assert "Traceback" not in told
    wait_for_the_end(run)


def test_a_worker_that_notices_first_that_nobody_hears_it_ends_without_a_word() -> None:
    code = """
from multiprocessing.connection import Pipe
from vidinternal.engines.worker import Reporter
ours, theirs = Pipe()
ours.close()
Reporter(theirs).note("anybody?")
"""
    worker = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (worker.returncode, worker.stdout, worker.stderr) == (-signal.SIGKILL, "", "")


def test_a_worker_whose_parent_left_with_its_words_unread_ends_without_a_word() -> None:
    code = """
from multiprocessing.connection import Pipe
from vidinternal.engines.worker import WorkerSetup, serve
ours, theirs = Pipe()
theirs.send_bytes(b"unread")
ours.close()
serve(theirs, WorkerSetup(threads=1))
"""
    worker = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (worker.returncode, worker.stdout, worker.stderr) == (0, "", "")
