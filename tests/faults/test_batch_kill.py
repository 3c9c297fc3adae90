"""A batch killed at random moments: the same command goes on, and writes the very bytes of one nobody disturbed.

``BATCH_MOMENTS=20 pytest tests/faults/test_batch_kill.py`` is the long version.
"""

import json
import os
import random
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests import media_made

MOMENTS = int(os.environ.get("BATCH_MOMENTS", "3"))
SETS = (
    *("encode.codec=ffv1", "shots.detector=none", "shots.window=6", "shots.overlap=1", "inpaint.method=dip"),
    *("inpaint.iterations=6", "inpaint.depth=2", "inpaint.channels=[8,8]", "inpaint.look_every=1"),
)
CLIPS = ("a.mkv", "b.mkv", "sub/c.mkv", "sub/d.mkv")
WORKERS = 2


@dataclass(frozen=True)
class Ground:
    """A folder of clips, and what an undisturbed batch makes of it."""

    root: Path
    rig: subprocess.Popen[str]

    def run(
        self, out: str, kill: float | None = None, who: str = "all", *more: str, limit: int | None = None
    ) -> dict[str, Any]:
        """One run of the command; what came of it."""
        line = ["run", "inpaint", str(self.root / "in"), "-o", str(self.root / out), "--region", "12,8,16,10"]
        line += [word for setting in SETS for word in ("--set", setting)]
        line += ["--device", "cpu", "--jobs", str(WORKERS), "--chain", "2", *more]
        asked = {"line": line, "log": str(self.root / f"{out}.log"), "kill": kill, "who": who, "limit": limit}
        assert self.rig.stdin is not None and self.rig.stdout is not None
        self.rig.stdin.write(json.dumps(asked) + "\n")
        self.rig.stdin.flush()
        return json.loads(self.rig.stdout.readline())

    def tight(self) -> tuple[str, str]:
        """A bound under which the bank holds the weights of one clip, and plans need more."""
        sizes = [p.stat().st_size for p in (self.root / "whole" / ".vidinternal" / "bank" / "weights").iterdir()]
        assert len(sizes) >= 2
        return "--set", f"inpaint.bank_limit={int(1.2 * max(sizes))}"

    def told(self, out: str) -> str:
        return (self.root / f"{out}.log.told").read_text()

    def results(self, out: str) -> dict[str, bytes]:
        """Everything under a final name."""
        folder = self.root / out
        found = (p for p in folder.rglob("*") if p.is_file() and ".vidinternal" not in p.parts)
        return {str(p.relative_to(folder)): p.read_bytes() for p in found if not p.name.startswith(".")}

    def videos(self, out: str) -> dict[str, bytes]:
        return {name: data for name, data in self.results(out).items() if name != "batch.json"}

    def filled(self, out: str) -> Counter[str]:
        """How often each window was filled."""
        return Counter((self.root / f"{out}.log").read_text().splitlines())


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    root = tmp_path_factory.mktemp("batch")
    (root / "in" / "sub").mkdir(parents=True)
    for seed, name in enumerate(CLIPS):
        media_made.clip(root / "in" / name, size=(48, 32), frames=9, seed=seed)
    command = [sys.executable, "-m", "tests.faults.batch_rig"]
    quiet = {**os.environ, "OMP_NUM_THREADS": "1"}
    pipe = subprocess.PIPE
    with (
        (root / "errors.txt").open("w") as errors,
        subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=errors, text=True, env=quiet) as rig,
    ):
        made = Ground(root, rig)
        whole = made.run("whole")
        assert whole["code"] == 0, made.told("whole")
        yield made
        assert rig.stdin is not None
        rig.stdin.close()


def test_one_worker_or_two_make_the_same_bytes_and_the_second_run_does_nothing(ground: Ground) -> None:
    assert set(ground.videos("whole")) == set(CLIPS)
    assert ground.run("single", None, "all", "--jobs", "1")["code"] == 0
    assert ground.videos("single") == ground.videos("whole")
    before = ground.filled("whole")
    assert ground.run("whole")["code"] == 0
    assert ground.filled("whole") == before
    account = json.loads((ground.root / "whole" / "batch.json").read_text())
    assert account["counts"] == {"already done": len(CLIPS)}


def test_killed_at_random_moments(ground: Ground) -> None:
    chance = random.Random(6)
    whole = ground.videos("whole")
    assert ground.run("single", None, "all", "--jobs", "1")["code"] == 0
    windows = ground.filled("single")
    length = ground.run("timed")["seconds"]
    for number in range(MOMENTS):
        out, who = f"killed-{number}", ("all", "parent")[number % 2]
        killed = ground.run(out, chance.uniform(0.1, 0.95) * length, who, *ground.tight())
        for name, data in ground.videos(out).items():
            assert data == whole[name], f"{name} stands under its name and is not whole"
        again = ground.run(out, None, "all", *ground.tight())
        assert again["code"] == 0, ground.told(out)
        assert ground.videos(out) == whole
        assert not [p for p in (ground.root / out).rglob("*") if ".part" in p.name or p.name.endswith(".checkpoint")]
        assert not list((ground.root / out / ".vidinternal" / "bank" / "pins").iterdir())
        repeated = sum((ground.filled(out) - windows).values())
        assert repeated <= (WORKERS if killed["killed"] else 0), ground.filled(out)
        shutil.rmtree(ground.root / out)


def test_killed_again_and_again(ground: Ground) -> None:
    for _ in range(3):
        ground.run("again", 1.2, "all")
    assert ground.run("again")["code"] == 0, ground.told("again")
    assert ground.videos("again") == ground.videos("whole")
    assert not [p for p in (ground.root / "again").rglob("*") if ".part" in p.name]


def test_a_replaced_source_is_made_again_and_it_alone(ground: Ground) -> None:
    assert ground.run("again")["code"] == 0
    before, filled = ground.videos("again"), ground.filled("again")
    source = ground.root / "in" / "b.mkv"
    kept, times = source.read_bytes(), source.stat()
    media_made.clip(source, size=(48, 32), frames=9, seed=77)
    os.utime(source, ns=(times.st_atime_ns, times.st_mtime_ns))  # as a copy that keeps times, or a clock set back
    try:
        assert ground.run("again")["code"] == 0
    finally:
        source.write_bytes(kept)
    after = ground.videos("again")
    assert {name for name in after if after[name] != before[name]} == {"b.mkv"}
    assert {line.split()[0] for line in ground.filled("again") - filled} == {"b.mkv"}


def test_damage_in_the_workspace_is_found_and_only_that_is_made_again(ground: Ground) -> None:
    ground.run("damaged")
    whole, filled = ground.videos("damaged"), ground.filled("damaged")
    (weights,) = (ground.root / "damaged" / ".vidinternal").glob("a-*/inpaint-*/window-0000/fill/fill.safetensors")
    data = bytearray(weights.read_bytes())
    data[len(data) // 2] ^= 1
    weights.write_bytes(bytes(data))
    (ground.root / "damaged" / "a.mkv").unlink()  # so that the workspace is asked
    (ground.root / "damaged" / "sub" / "c.mkv").write_bytes(b"not what was written")
    assert ground.run("damaged")["code"] == 0
    assert ground.videos("damaged") == whole
    assert ground.filled("damaged") - filled == Counter({"a.mkv 0": 1})
    assert "damaged in the workspace and made again: window 0000 of stage inpaint" in ground.told("damaged")


def test_a_clock_that_jumps_changes_nothing(ground: Ground) -> None:
    whole, filled = ground.videos("whole"), ground.filled("whole")
    for path in (ground.root / "whole" / ".vidinternal").rglob("*"):
        if path.is_file():
            shift = random.Random(path.name).choice((400, -400)) * 86400
            os.utime(path, (path.stat().st_atime + shift, path.stat().st_mtime + shift))
    assert ground.run("whole")["code"] == 0
    assert ground.videos("whole") == whole
    assert ground.filled("whole") == filled


def test_a_disk_that_is_full_fails_clips_and_one_that_is_freed_makes_all_of_them(ground: Ground) -> None:
    full = ground.run("full", limit=6000)
    assert full["code"] == 1
    told = ground.told("full")
    assert f"{len(CLIPS)} of {len(CLIPS)} clips failed" in told and "cannot be written" in told
    assert "Traceback" not in told
    assert not ground.videos("full")
    assert ground.run("full")["code"] == 0, ground.told("full")
    assert ground.videos("full") == ground.videos("whole")
    assert not [p for p in (ground.root / "full").rglob("*") if ".part" in p.name]
