"""Killed anywhere, the same command goes on and writes the very bytes of a run that nobody disturbed."""

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests import media_made
from tests.faults.rig import SEGMENT, STAGES

SHARED = ("encode.codec=ffv1", "shots.detector=none", "shots.window=6", "shots.overlap=1", "inpaint.channels=[8,8]")
METHODS = {
    "internal": ("inpaint.iterations=8", "inpaint.looks=3", "inpaint.rounds=2"),
    "dip_vid_flow": ("inpaint.iterations=10", "inpaint.depth=2", "inpaint.inner_iterations=4", "inpaint.look_every=3"),
    "dip": ("inpaint.iterations=12", "inpaint.depth=2", "inpaint.look_every=1", "inpaint.patience=9"),
}
FRAMES = 9
WINDOWS = 2
MOMENTS = 20
CUTS = 6


@dataclass(frozen=True)
class Ground:
    """A clip, and what an undisturbed run of every method makes of it."""

    root: Path
    clip: Path
    rig: subprocess.Popen[str]
    whole: dict[str, dict[str, Any]]

    def run(self, plan: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """What came of every run of a plan."""
        assert self.rig.stdin is not None
        assert self.rig.stdout is not None
        self.rig.stdin.write(json.dumps(plan) + "\n")
        self.rig.stdin.flush()
        answer = self.rig.stdout.readline()
        found = json.loads(answer) if answer else []
        told = (self.root / "errors.txt").read_text()
        assert len(found) == len(plan), told
        assert not any(run["failed"] for run in found), told
        return found

    def asked(self, method: str, where: str, **more: Any) -> dict[str, Any]:
        """One run in a place of its own below ``root / where``."""
        root = self.root / where
        root.mkdir(exist_ok=True)
        sets = [*SHARED, f"inpaint.method={method}", *METHODS[method]]
        out = root / "out" / "clean.mkv"
        return {"source": str(self.clip), "out": str(out), "root": str(root), "sets": sets, **more}

    def bytes_of(self, where: str) -> bytes:
        return (self.root / where / "out" / "clean.mkv").read_bytes()

    def leftovers(self, where: str) -> list[Path]:
        return [p for p in (self.root / where).rglob("*") if ".part" in p.name or p.name.endswith(".checkpoint")]


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    root = tmp_path_factory.mktemp("killed")
    clip = media_made.clip(root / "clip.mkv", size=(48, 32), frames=FRAMES)
    command = [sys.executable, "-m", "tests.faults.rig", str(root)]
    quiet = {**os.environ, "OMP_NUM_THREADS": "1"}
    pipe = subprocess.PIPE
    with (
        (root / "errors.txt").open("w") as errors,
        subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=errors, text=True, env=quiet) as rig,
    ):
        bare = Ground(root, clip, rig, {})
        whole = bare.run([bare.asked(method, method) for method in METHODS])
        yield replace(bare, whole=dict(zip(METHODS, whole, strict=True)))


def moments(ground: Ground, count: int, seed: int) -> list[tuple[str, str, int]]:
    """``(method, stage, event)``: every stage at least once, the rest anywhere among all events."""
    chance = random.Random(seed)
    found = []
    for number in range(count):
        method = list(METHODS)[number % len(METHODS)]
        events = ground.whole[method]["events"]
        anywhere = chance.choices(STAGES, [events[s] for s in STAGES])[0]
        stage = STAGES[number] if number < len(STAGES) else anywhere
        found.append((method, stage, chance.randint(1, events[stage])))
    return found


def test_an_undisturbed_run_gives_the_same_bytes_twice(ground: Ground) -> None:
    ground.run([ground.asked(method, f"twice-{method}") for method in METHODS])
    for method in METHODS:
        assert ground.bytes_of(f"twice-{method}") == ground.bytes_of(method)
        assert ground.whole[method]["steps"] > WINDOWS


def test_killed_at_twenty_random_moments(ground: Ground) -> None:
    drawn = moments(ground, MOMENTS, seed=20)
    assert {stage for _, stage, _ in drawn} == set(STAGES)
    plan = []
    for number, (method, stage, event) in enumerate(drawn):
        plan.append(ground.asked(method, f"kill-{number}", kill=[stage, event]))
        plan.append(ground.asked(method, f"kill-{number}"))
    found = ground.run(plan)
    for number, (method, stage, event) in enumerate(drawn):
        where = f"kill-{number}"
        killed, resumed = found[2 * number], found[2 * number + 1]
        assert killed["killed"], (method, stage, event)
        assert resumed["status"] in ("done", "already done")
        assert ground.bytes_of(where) == ground.bytes_of(method), (method, stage, event)
        assert not ground.leftovers(where), (method, stage, event)
        repeated = killed["steps"] + resumed["steps"] - ground.whole[method]["steps"]
        # the step at work, and the one before where it was a frame's or a window's last
        assert 0 <= repeated <= 2, (method, stage, event)


def test_killed_again_and_again(ground: Ground) -> None:
    method = "dip_vid_flow"
    plan = [ground.asked(method, "again", kill=["inpaint", event]) for event in (40, 30, 25, 35, 20)]
    found = ground.run([*plan, ground.asked(method, "again")])
    assert sum(run["killed"] for run in found) >= 3
    assert ground.bytes_of("again") == ground.bytes_of(method)
    assert sum(run["steps"] for run in found) <= ground.whole[method]["steps"] + len(plan)


def test_killed_while_the_file_is_written_and_verified(ground: Ground) -> None:
    method = "dip"
    events, whole = ground.whole[method]["events"]["encode"], ground.whole[method]["segments"]
    assert whole == FRAMES // SEGMENT
    shares = (0.05, 0.2, 0.5, 0.7, 0.9, 1.0)
    plan = []
    for share in shares:
        where = f"written-{share}"
        plan.append(ground.asked(method, where, kill=["encode", round(share * events)]))
        plan.append(ground.asked(method, where))
    found = ground.run(plan)
    assert all(run["killed"] for run in found[::2])
    left = [run["segments"] for run in found[1::2]]
    assert left == sorted(left, reverse=True)
    assert any(0 < count < whole for count in left), left
    assert left[-1] == 0, "finished segments are not written again"
    verified = [run["events"].get("encode", 0) for run in found[1::2]]
    assert verified == sorted(verified, reverse=True)
    for share in shares:
        assert ground.bytes_of(f"written-{share}") == ground.bytes_of(method)
        assert not ground.leftovers(f"written-{share}")


def test_the_power_is_cut(ground: Ground) -> None:
    """As a kill, and whatever had not been flushed to the disk is gone."""
    drawn = [m for m in moments(ground, 3 * CUTS, seed=4) if m[1] in ("masks", "inpaint", "encode")][:CUTS]
    plan = []
    for number, (method, stage, event) in enumerate(drawn):
        plan.append(ground.asked(method, f"cut-{number}", kill=[stage, event], power_cut=True))
        plan.append(ground.asked(method, f"cut-{number}"))
    found = ground.run(plan)
    for number, (method, stage, event) in enumerate(drawn):
        assert found[2 * number]["killed"], (method, stage, event)
        assert ground.bytes_of(f"cut-{number}") == ground.bytes_of(method), (method, stage, event)
        assert not ground.leftovers(f"cut-{number}"), (method, stage, event)


def test_a_power_cut_late_in_training_keeps_the_windows_before_it(ground: Ground) -> None:
    events = ground.whole["internal"]["events"]["inpaint"]
    found = ground.run(
        [
            ground.asked("internal", "late", kill=["inpaint", events - 12], power_cut=True),
            ground.asked("internal", "late"),
        ],
    )
    assert found[0]["killed"]
    assert "inpaint 0" not in found[1]["windows"]
    assert "inpaint 1" in found[1]["windows"]
    assert ground.bytes_of("late") == ground.bytes_of("internal")


def test_making_everything_anew_goes_on_too_and_keeps_the_old_until_it_is_done(ground: Ground) -> None:
    method = "internal"
    total = ground.whole[method]["steps"]
    middle = ground.whole[method]["events"]["inpaint"] * 6 // 10
    ground.run([ground.asked(method, "fresh")])
    kept = _results(ground.root / "fresh")
    killed = ground.run([ground.asked(method, "fresh", fresh=True, kill=["inpaint", middle])])[0]
    assert killed["killed"]
    assert kept < _results(ground.root / "fresh"), "the old results are still there"
    resumed = ground.run([ground.asked(method, "fresh", fresh=True)])[0]
    assert 0 < resumed["steps"] < total
    assert killed["steps"] + resumed["steps"] <= total + 2
    assert any("--fresh" in line and "replaced" in line for line in resumed["said"])
    assert not kept & _results(ground.root / "fresh")
    assert ground.bytes_of("fresh") == ground.bytes_of(method)


def _results(root: Path) -> set[Path]:
    return {p.parent for p in root.rglob("manifest.json")}
