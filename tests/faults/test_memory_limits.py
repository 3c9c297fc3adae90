"""Memory that runs out: on the accelerator a smaller picture, on the processor one clear line."""

import errno
import resource
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import pytest
import torch

from tests.faults.runs import child, command, job, leftovers
from vidinternal.core.contracts import FitContext
from vidinternal.core.errors import ResourceError
from vidinternal.methods import card
from vidinternal.runner.resources import Needs, Places, explained
from vidinternal.runner.run import run_job
from vidinternal.stages import memory
from vidinternal.stages import out_of_memory as oom
from vidinternal.stages.fill_window import FillRequest, fill_window

ADDRESS_SPACE = """
import resource, torch, cv2, scipy.sparse.linalg, vidinternal.runner.run, vidinternal.methods.harmonic.method
import vidinternal.media.encode
from vidinternal.runner import memory
taken = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
memory.available_memory = lambda *_: 64 << 30
resource.setrlimit(resource.RLIMIT_AS, (taken + (160 << 20),) * 2)
"""


def test_a_process_that_gets_no_more_memory_says_so_in_one_line(tmp_path: Path) -> None:
    work = job(tmp_path, "shots.window=80", size=(640, 480), frames=40)
    refused = child(ADDRESS_SPACE, *command(work))
    assert refused.returncode == 1, refused.stderr[-2000:]
    assert "out of memory" in refused.stderr and "--memory" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not work.inputs.destination.exists()
    assert not leftovers(tmp_path)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory: you tried to"),
        RuntimeError("can't start new thread"),
        cv2.error("OpenCV(5.0.0) alloc.cpp:73: error: (-4:Insufficient memory) Failed to allocate 99 bytes"),
    ],
)
def test_every_way_of_having_no_memory_is_one_error(tmp_path: Path, error: Exception) -> None:
    needs = Needs("clip.mkv", Places(tmp_path, tmp_path), memory=4 << 30)
    with pytest.raises(ResourceError, match=r"clip\.mkv: out of memory") as caught, explained(needs):
        raise error
    assert caught.value.exit_code == 1
    assert "4.0 GiB" in str(caught.value) and "--memory 2048M" in str(caught.value)


def pretend(monkeypatch: pytest.MonkeyPatch, most_pixels: int) -> list[tuple[int, int]]:
    """An accelerator that holds pictures of at most so many pixels; the sizes tried."""
    tried: list[tuple[int, int]] = []

    def limited(frames: Any, masks: Any, flow: Any, request: FillRequest, context: FitContext) -> Any:
        height, width = oom_size(frames, request)
        tried.append((height, width))
        if height * width > most_pixels:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")
        return fill_window(frames, masks, flow, request, context)

    monkeypatch.setattr(oom, "fill_window", limited)
    return tried


def oom_size(frames: Any, request: FillRequest) -> tuple[int, int]:
    from vidinternal.ops.resample import working_size

    height, width = frames.shape[-2:]
    return working_size(height, width, request.max_side or card(request.method, "inpaint").work_side)


def test_an_accelerator_without_room_fills_smaller_pictures_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = job(tmp_path, "masks.context=200", size=(320, 240))
    tried = pretend(monkeypatch, 200 * 200)
    record = run_job(work).record
    sizes = [h * w for h, w in tried]
    assert sizes[0] == 240 * 224  # the hole with 200 pixels around it
    assert sizes[0] > sizes[1] and sizes[-1] <= 200 * 200
    (line,) = [n for n in record["notes"] if "accelerator" in n]
    assert "2 windows" in line and "240" in line and "enlarged" in line
    assert work.inputs.destination.is_file()


def test_an_accelerator_without_any_room_ends_the_clip_and_keeps_what_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = job(tmp_path, "masks.context=200", size=(320, 240))
    pretend(monkeypatch, 0)
    with pytest.raises(ResourceError, match="not enough, at any size tried") as caught:
        run_job(work)
    assert "--device cpu" in str(caught.value)
    assert not work.inputs.destination.exists()
    monkeypatch.undo()
    assert run_job(work).status == "done"


def test_other_errors_of_a_method_are_not_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def broken(*_: Any) -> Any:
        calls.append(1)
        raise RuntimeError("a defect of the method")

    monkeypatch.setattr(oom, "fill_window", broken)
    with pytest.raises(RuntimeError, match="a defect"):
        run_job(job(tmp_path))
    assert len(calls) == 1


def test_memory_allowed_decides_the_windows_is_recorded_and_part_of_what_they_are_made_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # without what a process needs anyway, so that a small clip can be too large
    monkeypatch.setattr(memory, "PROCESS_BYTES", 0)
    monkeypatch.setattr(memory, "CODEC_BYTES", 0)
    free = replace(job(tmp_path, "shots.window=12"), memory=16_000_000)
    fixed = run_job(free).record
    assert fixed["memory"]["limit"] == 16_000_000
    assert len(fixed["shots"][0]["windows"]) == 1
    larger = run_job(replace(free, memory=17_000_000))
    assert larger.status == "already done"  # nothing would be cut otherwise
    tight = replace(free, memory=7_400_000, inputs=replace(free.inputs, destination=tmp_path / "out" / "b.mkv"))
    cut = run_job(tight).record
    assert len(cut["shots"][0]["windows"]) > 1
    assert cut["keys"]["shots"] != fixed["keys"]["shots"]
    again = run_job(replace(tight, workspace=tmp_path / "other")).record
    assert again["keys"] == cut["keys"]
    with pytest.raises(ResourceError, match=r"--memory \d+M"):
        run_job(replace(tight, memory=300_000))


def test_threads_that_cannot_start_under_a_limit_count_as_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs = Needs("clip.mkv", Places(tmp_path, tmp_path))
    busy = BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
    with pytest.raises(BlockingIOError), explained(needs):
        raise busy
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1 << 30, 1 << 30))
    with pytest.raises(ResourceError, match="out of memory"), explained(needs):
        raise busy
