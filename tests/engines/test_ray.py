"""Ray: a cluster of three nodes that loses one, and what is said where there is none."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import media_made
from tests.engines.ray_cluster import CHAIN, pieces
from vidinternal.core.errors import UsageError
from vidinternal.engines.many import Many, run_many
from vidinternal.engines.ray_engine import RayEngine, RaySetup, check_reachable
from vidinternal.learn.warm_start.bank import Bank

CLIPS = 5


def test_a_cluster_that_loses_a_node_makes_the_same_bytes_as_this_machine(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for seed in range(CLIPS):
        media_made.clip(tmp_path / "in" / f"{seed}.mkv", size=(48, 32), frames=9, seed=seed)
    command = [sys.executable, "-m", "tests.engines.ray_cluster", str(tmp_path / "in"), str(tmp_path / "ray")]
    quiet = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=quiet)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.strip().splitlines()[-1])
    assert told["killed"]
    assert [row["status"] for row in told["rows"]] == ["done"] * CLIPS, told
    assert sum(row["tries"] for row in told["rows"]) > CLIPS, "no clip was at work on the node that was killed"
    assert any("was lost" in note for row in told["rows"] for note in row["notes"])
    account = run_many(pieces(tmp_path / "in", tmp_path / "local"), Many(tmp_path / "local", jobs=2, chain=CHAIN))
    assert {row.status for row in account.rows} == {"done"}
    assert [row.started_from for row in account.rows] == [row["from"] for row in told["rows"]]
    assert sum(len(row["from"]) for row in told["rows"]) == CLIPS // CHAIN, "weights passed from clip to clip"
    for seed in range(CLIPS):
        name = f"{seed}.mkv"
        assert (tmp_path / "ray" / name).read_bytes() == (tmp_path / "local" / name).read_bytes()
    # a node that is killed while it keeps weights leaves them to the sweep of the bank; nothing else is left anywhere
    Bank(tmp_path / "ray" / ".vidinternal" / "bank").sweep(older=0)
    assert not list((tmp_path / "ray").rglob("*.part"))


def test_without_ray_the_command_that_installs_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match=r"pip install 'vidinternal\[ray\]'"):
        RayEngine(RaySetup())


def test_a_cluster_that_does_not_answer_is_told_at_once() -> None:
    with pytest.raises(UsageError, match=r"Ray cluster that answers[^$]*ray start --head"):
        RayEngine(RaySetup("127.0.0.1:9"))


@pytest.mark.parametrize("address", ["nowhere", "host:", ":6379", "host:port"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match="HOST:PORT"):
        check_reachable(address)
