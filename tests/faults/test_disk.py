"""No room, no permission: one clear line, nothing under the final name, nothing lost."""

import errno
import os
import shutil
import subprocess
import sys
from collections import namedtuple
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from safetensors import SafetensorError

from tests.faults.runs import allowed, child, command, job, leftovers
from vidinternal.core.errors import MediaError, ResourceError
from vidinternal.runner import resources
from vidinternal.runner.dry_run import dry_run
from vidinternal.runner.resources import Needs, Places, check_writable, explained, free_bytes, size_text
from vidinternal.runner.run import run_job
from vidinternal.stages import artifacts
from vidinternal.stages.inpaint import Inpaint

Usage = namedtuple("Usage", "total used free")
FILE_LIMIT = "import resource, signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"


def full(*_: Any, **__: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("kind", ["workspace", "safetensors"])
def test_a_full_workspace_disk_is_told_and_the_same_job_goes_on_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    work = replace(job(tmp_path), workspace=tmp_path / "work")
    original, filled = Inpaint.run, []

    def counting(self: Inpaint, inputs: Any, context: Any) -> Any:
        filled.append(context.this_window().index)
        return original(self, inputs, context)

    monkeypatch.setattr(Inpaint, "run", counting)
    saved = artifacts.save_file

    def no_room(arrays: Any, path: Path, *rest: Any) -> None:
        if filled == [0, 1] and "fill" in str(path):
            if kind == "safetensors":
                raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")
            full()
        saved(arrays, path, *rest)

    monkeypatch.setattr(artifacts, "save_file", no_room)
    with pytest.raises(ResourceError, match="the workspace cannot be written") as caught:
        run_job(work)
    told = str(caught.value)
    assert str(tmp_path / "work") in told
    assert "No space left on device" in told and "room for about" in told and "--workspace on another disk" in told
    assert caught.value.exit_code == 1
    assert not work.inputs.destination.exists()
    assert not leftovers(tmp_path)
    monkeypatch.setattr(artifacts, "save_file", saved)
    assert run_job(work).status == "done"
    assert filled == [0, 1, 1]


def test_a_full_output_disk_is_told_and_what_was_there_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = job(tmp_path)
    run_job(work)
    before = work.inputs.destination.read_bytes()
    changed = replace(work, sets=(*work.sets, "masks.dilate=1"))
    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", full_for(work.inputs.destination, Path.replace))
        with pytest.raises(ResourceError, match="the output cannot be written") as caught:
            run_job(changed)
    assert str(work.inputs.destination.parent) in str(caught.value) and "-o on another disk" in str(caught.value)
    assert work.inputs.destination.read_bytes() == before
    assert not leftovers(tmp_path)
    assert run_job(changed).status == "done"


def full_for(path: Path, original: Any) -> Any:
    def replaced(self: Path, target: Path) -> Any:
        if Path(target) == path:
            full()
        return original(self, target)

    return replaced


def test_a_file_may_not_grow_any_further(tmp_path: Path) -> None:
    work = job(tmp_path, size=(320, 240), frames=24)
    limit = FILE_LIMIT + "resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))"
    refused = child(limit, *command(work))
    assert refused.returncode == 1, refused.stderr
    assert "cannot be written" in refused.stderr and "File too large" in refused.stderr
    assert "ulimit -f" in refused.stderr and "Traceback" not in refused.stderr
    assert not work.inputs.destination.exists()
    assert not leftovers(tmp_path)
    assert run_job(work).status == "done"


def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    work = job(tmp_path, size=(320, 240), frames=24, output=tmp_path / "small" / "clean.mkv")
    (tmp_path / "small").mkdir()
    code, before = "", ("unshare", "-rm", "sh", "-c")
    mount = f'mount -t tmpfs -o size=1200k none {tmp_path / "small"} && exec "$@"'
    if allowed("unshare", "-rm", "true"):
        before = (*before, mount, "sh")
    else:  # no disk of our own: the copy of the source into the output is what outgrows the limit
        code, before = FILE_LIMIT + "resource.setrlimit(resource.RLIMIT_FSIZE, (1_200_000, 1_200_000))", ()
    refused = child(code, *command(work, "--workspace", str(tmp_path / "work")), before=before)
    assert refused.returncode == 1, refused.stderr
    assert str(tmp_path / "small") in refused.stderr and "Traceback" not in refused.stderr
    assert "free" in refused.stderr and "-o on another disk" in refused.stderr
    assert not work.inputs.destination.exists() and not leftovers(tmp_path)
    assert run_job(replace(work, workspace=tmp_path / "work")).status == "done"


def test_too_little_room_is_refused_before_any_work_and_scarce_room_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = replace(job(tmp_path), workspace=tmp_path / "work")
    monkeypatch.setattr(Inpaint, "run", full)
    expected = resources.output_bytes(*_opened(work))
    for free in (0, expected // 2 - 1):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: Usage(0, 0, free))
        with pytest.raises(ResourceError, match="not enough room for the output") as caught:
            run_job(work)
        assert size_text(expected) in str(caught.value)
        with pytest.raises(ResourceError, match="not enough room for the output"):
            dry_run(work)
    monkeypatch.undo()
    output = work.inputs.destination.parent
    monkeypatch.setattr(resources, "free_bytes", lambda folder: expected + 1 if folder == output else 1 << 40)
    assert any("the output may take" in n for n in run_job(work).record["notes"])


def _opened(work: Any) -> Any:
    from vidinternal.runner.run import open_run

    run = open_run(work)
    return run.info, run.spec


def test_a_workspace_that_will_not_fit_is_refused_once_the_masks_are_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = replace(job(tmp_path), workspace=tmp_path / "work")
    monkeypatch.setattr(resources, "free_bytes", lambda folder: 10_000 if folder == tmp_path / "work" else 1 << 40)
    monkeypatch.setattr(Inpaint, "run", full)
    with pytest.raises(ResourceError, match="not enough room for the workspace"):
        run_job(work)
    assert not work.inputs.destination.exists()


@pytest.mark.parametrize("which", ["output", "workspace"])
def test_a_folder_that_cannot_be_is_refused_before_any_work(tmp_path: Path, which: str) -> None:
    (tmp_path / "file").write_text("in the way")
    under = tmp_path / "file" / "folder"
    work = job(tmp_path, output=under / "clean.mkv" if which == "output" else None)
    work = replace(work, workspace=tmp_path / "work" if which == "output" else under)
    refused = child("", *command(work, "--workspace", str(work.workspace)))
    assert refused.returncode == 1
    assert f"{under}: the {which} cannot be written" in refused.stderr
    assert "Not a directory" in refused.stderr and "Traceback" not in refused.stderr
    assert (tmp_path / "file").read_text() == "in the way"


def test_a_read_only_folder_is_refused_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = job(tmp_path, output=tmp_path / "shut" / "clean.mkv")
    (tmp_path / "shut").mkdir()
    if allowed("unshare", "-rm", "true"):
        remount = f'mount --bind -o ro {tmp_path / "shut"} {tmp_path / "shut"} && exec "$@"'
        shell = ("unshare", "-rm", "sh", "-c", remount, "sh")
        refused = child("", *command(work, "--workspace", str(tmp_path / "work")), before=shell)
        assert refused.returncode == 1, refused.stderr
        assert "Read-only file system" in refused.stderr and "Traceback" not in refused.stderr
        assert not list((tmp_path / "shut").iterdir())
    real = Path.open

    def shut(self: Path, mode: str = "r", *rest: Any, **named: Any) -> Any:
        if self.parent == tmp_path / "shut" and "w" in mode:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(self))
        return real(self, mode, *rest, **named)

    monkeypatch.setattr(Path, "open", shut)
    with pytest.raises(ResourceError, match="Read-only file system"):
        run_job(replace(work, workspace=tmp_path / "work"))
    assert not list((tmp_path / "shut").iterdir())


def test_an_encoder_that_refuses_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    work = job(tmp_path, "encode.codec=h264", "encode.preset=nonsense", output=tmp_path / "out" / "clean.mp4")
    refused = child("", *command(work))
    assert refused.returncode in (1, 2)
    assert "nonsense" in refused.stderr and "Traceback" not in refused.stderr
    assert "room" not in refused.stderr
    assert not work.inputs.destination.exists()
    assert not leftovers(tmp_path)


def test_errors_that_are_no_shortage_pass_as_they_are(tmp_path: Path) -> None:
    needs = Needs("clip", Places(tmp_path, tmp_path))
    elsewhere = PermissionError(errno.EACCES, "Permission denied", "/somewhere/else/clip.mkv")
    for error in (RuntimeError("a defect"), MediaError("clip", got="broken"), elsewhere, ResourceError("known")):
        with pytest.raises(type(error)) as caught, explained(needs):
            raise error
        assert caught.value is error


def test_permission_denied_in_our_folders_is_told(tmp_path: Path) -> None:
    needs = Needs("clip", Places(tmp_path / "out", tmp_path / "work"))
    for folder, option in (("out", "-o"), ("work", "--workspace")):
        denied = PermissionError(errno.EACCES, "Permission denied", str(tmp_path / folder / "x" / "y"))
        with pytest.raises(ResourceError, match=f"{option} in a folder of yours"), explained(needs):
            raise denied


def test_sizes_for_people_and_folders_that_do_not_exist_yet(tmp_path: Path) -> None:
    assert [size_text(n) for n in (0, 1023, 1536, 3 << 30)] == ["0 bytes", "1023 bytes", "1.5 KiB", "3.0 GiB"]
    assert free_bytes(tmp_path / "a" / "b") == shutil.disk_usage(tmp_path).free
    check_writable(tmp_path / "a" / "b", "output")
    assert not list((tmp_path / "a" / "b").iterdir())


def test_what_a_killed_trial_left_goes_with_the_next(tmp_path: Path) -> None:
    code = (
        "import os, sys, pathlib; from vidinternal.runner import resources;"
        "resources.os.fsync = lambda _: os._exit(9);"
        "resources.check_writable(pathlib.Path(sys.argv[1]), 'output')"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False).returncode == 9
    assert len(list(tmp_path.iterdir())) == 1
    check_writable(tmp_path, "output")
    assert list(tmp_path.iterdir()) == []
