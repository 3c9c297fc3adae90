import resource
from dataclasses import replace
from pathlib import Path

import pytest

from tests import media_made
from vidinternal.core.errors import UsageError
from vidinternal.core.timecode import parse_region
from vidinternal.runner import memory
from vidinternal.runner.job import Job
from vidinternal.runner.keys import stage_parts
from vidinternal.runner.memory import available_memory, default_memory, give_back, memory_limit, parse_memory
from vidinternal.runner.spec import load_pipeline
from vidinternal.runner.workspace import Workspace
from vidinternal.stages.base import JobInputs

GIB = 1 << 30
JOB = Job("inpaint", JobInputs(Path("a"), Path("b")))


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("8G", 8 * GIB),
        ("8GiB", 8 * GIB),
        ("8 gb", 8 * GIB),
        ("1.5g", GIB * 3 // 2),
        ("900M", 900 << 20),
        ("1T", GIB << 10),
    ],
)
def test_sizes_are_read(text: str, size: int) -> None:
    assert parse_memory(text) == size


@pytest.mark.parametrize("text", ["", "8", "G", "-1G", "8X", "eight", "1e3G", "12K", "0G", "nanG", "8G4"])
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="8G"):
        parse_memory(text)


def machine(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


MEMINFO = {"proc/meminfo": f"MemTotal: 99 kB\nMemAvailable:   {16 << 20} kB\n"}


def test_what_is_free_is_the_least_of_machine_and_groups(tmp_path: Path) -> None:
    assert available_memory(machine(tmp_path / "plain", MEMINFO)) == 16 * GIB
    second = {
        **MEMINFO,
        "proc/self/cgroup": "0::/a/b\n",
        "sys/fs/cgroup/a/memory.max": f"{4 * GIB}\n",
        "sys/fs/cgroup/a/memory.current": f"{3 * GIB}\n",
        "sys/fs/cgroup/a/memory.stat": f"anon 5\ninactive_file {GIB}\n",
        "sys/fs/cgroup/a/b/memory.max": "max\n",
    }
    assert available_memory(machine(tmp_path / "second", second)) == 2 * GIB
    first = {
        **MEMINFO,
        "proc/self/cgroup": "4:cpu:/x\n5:memory,pids:/c\n",
        "sys/fs/cgroup/memory/c/memory.limit_in_bytes": f"{6 * GIB}\n",
        "sys/fs/cgroup/memory/c/memory.usage_in_bytes": f"{GIB}\n",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{1 << 63}\n",
    }
    assert available_memory(machine(tmp_path / "first", first)) == 5 * GIB


def test_an_address_space_limit_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = machine(tmp_path, {**MEMINFO, "proc/self/status": f"VmSize:\t {1 << 20} kB\n"})
    monkeypatch.setattr(resource, "getrlimit", lambda _: (3 * GIB, 3 * GIB))
    assert available_memory(root) == 2 * GIB


def test_the_default_is_a_share_in_coarse_steps_divided_among_processes() -> None:
    assert [default_memory(available=int(g * GIB)) / GIB for g in (3, 10, 11, 23)] == [1.5, 6, 6, 12]
    assert default_memory(processes=4, available=40 * GIB) == 6 * GIB
    assert default_memory() <= memory.SHARE * available_memory() * 1.5


def test_a_default_is_kept_for_the_clip_unless_less_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = [16 * GIB]
    monkeypatch.setattr(memory, "available_memory", lambda *_: free[0])
    workspace = Workspace(tmp_path)
    assert memory_limit(JOB, workspace) == 8 * GIB
    for now, expected in ((64, 8), (9, 8), (4, 2), (64, 2)):
        free[0] = now * GIB
        assert memory_limit(JOB, workspace) == expected * GIB
    assert memory_limit(replace(JOB, memory=6 * GIB, processes=2), workspace) == 3 * GIB


def test_where_memory_is_scarce_the_windows_depend_on_the_holes_they_are_cut_for(tmp_path: Path) -> None:
    clip = media_made.clip(tmp_path / "a.mkv", frames=2)
    spec = load_pipeline("inpaint", [])
    jobs = [
        Job("inpaint", JobInputs(clip, tmp_path / "b.mkv", None, (parse_region(text),)))
        for text in ("2,2,6,4", "2,2,16,14")
    ]
    ample, scarce = ([stage_parts(j, spec, "cpu", 0, m)["shots"] for j in jobs] for m in (None, "512 MiB"))
    assert ample[0] == ample[1]
    assert scarce[0] != scarce[1]
    assert scarce[0] == stage_parts(jobs[0], spec, "cpu", 0, "512 MiB")["shots"]


def test_freed_memory_goes_back_to_the_system() -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1])

    # many small pieces with live ones between them: freeing the rest leaves the heap full of holes
    pieces = [bytes([k % 255]) * 100_000 for k in range(2000)]
    kept = pieces[::50]
    del pieces
    before = resident()
    give_back()
    assert resident() < before
    assert len(kept) == 40
