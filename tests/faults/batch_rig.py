"""Batches that are killed: a process without threads that forks the command line, and its workers, from itself.

``python -m tests.faults.batch_rig`` reads lines of JSON, each ``{"line": arguments, "log": path, "kill": seconds or
null, "who": "all" or "parent", "limit": bytes of a file or null}``, runs ``vidinternal``, kills it with SIGKILL after
that time, alone or with its workers, and answers with a line. Forking spares each run the seconds that libraries take
to load.
"""

from __future__ import annotations

import importlib
import json
import multiprocessing
import os
import resource
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import torch

from vidinternal.cli import main as command_line
from vidinternal.engines import local
from vidinternal.methods import inpaint_method
from vidinternal.stages.inpaint import Inpaint


def install(log: str) -> None:
    """Note every window that is filled, in a file that all processes append to; workers are forked from here."""
    torch.set_num_threads(1)
    local.get_context = lambda _: multiprocessing.get_context("fork")  # pyright: ignore[reportAttributeAccessIssue]
    real = Inpaint.run
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def run(own: Inpaint, inputs: Any, context: Any) -> Any:
        os.write(handle, f"{context.job.source.name} {context.this_window().index}\n".encode())
        return real(own, inputs, context)

    Inpaint.run = run  # pyright: ignore[reportAttributeAccessIssue]


def child(asked: dict[str, Any]) -> None:
    """Be the command line."""
    os.setsid()
    told = os.open(asked["log"] + ".told", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(told, 1)
    os.dup2(told, 2)
    install(asked["log"])
    if asked["limit"] is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (asked["limit"], asked["limit"]))
    sys.argv = ["vidinternal", *asked["line"]]
    command_line.main()


def do(asked: dict[str, Any]) -> dict[str, Any]:
    """Fork a child for one run, kill it where that is asked, and wait until it and its workers are gone."""
    began = time.monotonic()
    pid = os.fork()
    if pid == 0:
        try:
            child(asked)
        except SystemExit as left:
            os._exit(left.code if isinstance(left.code, int) else 0)
        except BaseException:  # noqa: BLE001 - the child must not run on into the parent's code
            traceback.print_exc()
            os._exit(99)
        os._exit(0)
    status = None
    while status is None:
        done, code = os.waitpid(pid, os.WNOHANG)
        if done:
            status = code
        elif asked["kill"] is not None and time.monotonic() - began >= asked["kill"]:
            (os.killpg if asked["who"] == "all" else os.kill)(pid, signal.SIGKILL)
            _, status = os.waitpid(pid, 0)
            wait_for_the_rest(pid)
        else:
            time.sleep(0.005)
    return {
        "killed": os.WIFSIGNALED(status),
        "code": os.WEXITSTATUS(status) if os.WIFEXITED(status) else None,
        "seconds": time.monotonic() - began,
    }


def wait_for_the_rest(group: int, patience: float = 30.0) -> None:
    """Wait until no worker of a killed run is alive: forked ones hold its lock until they are gone."""
    until = time.monotonic() + patience
    while time.monotonic() < until and any(alive(entry, group) for entry in Path("/proc").glob("[0-9]*/stat")):
        time.sleep(0.005)


def alive(stat: Path, group: int) -> bool:
    """Whether a process is of a group and no zombie."""
    try:
        state, _, own = stat.read_text().rpartition(")")[2].split()[:3]
    except (OSError, ValueError):
        return False  # gone meanwhile
    return int(own) == group and state not in "ZX"


def main() -> None:
    """Do the run of every line, one after another, and answer each with a line."""
    for module in ("scipy.optimize", "scenedetect", "kornia", "torch._dynamo", "vidinternal.runner.run", "rich.live"):
        importlib.import_module(module)
    for method in ("dip", "harmonic"):
        inpaint_method(method)
    for line in sys.stdin:
        sys.stdout.write(json.dumps(do(json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
