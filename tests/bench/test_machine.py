import subprocess
from pathlib import Path

import pytest
import torch

from vidinternal.bench.machine import commit, cpu_model, machine
from vidinternal.core.errors import UsageError


def test_the_processor_is_named_without_decoration(tmp_path: Path) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text("processor : 0\nmodel name\t: Intel(R) Xeon(R) CPU E5 @ 2.10GHz\n", encoding="utf-8")
    assert cpu_model(info) == "Intel Xeon E5"
    assert cpu_model(tmp_path / "none")


def test_the_machine_tells_what_it_computes_on() -> None:
    found = machine("cpu")
    assert found["device"] == "cpu"
    assert found["accelerator"] is None
    assert found["threads"] == torch.get_num_threads()
    assert str(found["cores"]) in found["name"]
    with pytest.raises(UsageError):
        machine("abacus")


def test_the_commit_is_marked_when_files_differ(tmp_path: Path) -> None:
    assert commit(tmp_path) is None

    def git(*words: str) -> str:
        identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
        command = ["git", "-C", str(tmp_path), *identity, *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "--quiet")
    assert commit(tmp_path) is None
    (tmp_path / "a.txt").write_text("one", encoding="utf-8")
    git("add", "a.txt")
    git("commit", "--quiet", "-m", "first")
    head = git("rev-parse", "HEAD")
    assert commit(tmp_path) == head[:12]
    (tmp_path / "a.txt").write_text("two", encoding="utf-8")
    assert commit(tmp_path) == head[:12] + "+"
