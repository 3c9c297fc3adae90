"""A cluster of three nodes on this machine, one of which is killed while clips are at work on it.

``python -m tests.engines.ray_cluster IN OUT METHOD`` prints a JSON object: what came of every clip, and how often each
was tried.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ray
from ray.cluster_utils import Cluster

from vidinternal.core.timecode import parse_region
from vidinternal.engines.account import Account, Row
from vidinternal.engines.inputs import destinations, expand
from vidinternal.engines.many import Many, Piece, run_many
from vidinternal.runner.job import Job
from vidinternal.stages.base import JobInputs

NODES = 3
CHAIN = 2
MEMORY = 1 << 30
SETS = (
    *("encode.codec=ffv1", "shots.detector=none", "inpaint.method=dip", "shots.window=6", "shots.overlap=1"),
    *("inpaint.iterations=600", "inpaint.depth=2", "inpaint.channels=[8,8]", "inpaint.look_every=4"),
)


def pieces(folder: Path, out: Path) -> list[Piece]:
    """The clips of a folder."""
    found = expand([str(folder)])
    region = (parse_region("12,8,16,10"),)
    return [
        Piece(
            str(relative),
            Job("inpaint", JobInputs(source, to, regions=region), sets=SETS, device="cpu", memory=MEMORY),
        )
        for (source, relative), (_, to) in zip(found, destinations(found, out, folder=True), strict=True)
    ]


class Killer:
    """Kills the first node, other than that of the driver, on which a clip is being trained."""

    def __init__(self, cluster: Any, others: Sequence[Any]) -> None:
        self._cluster, self._others = cluster, {node.node_id: node for node in others}
        self._where: dict[str, str] = {}
        self.killed = ""

    def progress(self, row: Row, stage: str, share: float, text: str) -> None:
        if text.startswith("on node "):
            self._where[row.name] = text.removeprefix("on node ")
        node = self._others.get(self._where.get(row.name, ""))
        if stage == "inpaint" and node is not None and not self.killed:
            self.killed = row.name
            self._cluster.remove_node(node, allow_graceful=False)

    def note(self, row: Row, line: str) -> None:
        pass

    def changed(self, row: Row) -> None:
        pass


def main() -> None:
    """Run the batch and tell."""
    folder, out = map(Path, sys.argv[1:3])
    own: dict[str, Any] = {"num_cpus": 1, "memory": 2 * MEMORY, "object_store_memory": 80 << 20}
    cluster = Cluster(initialize_head=True, head_node_args=own)
    others = [cluster.add_node(**own) for _ in range(NODES - 1)]
    cluster.wait_for_nodes()
    killers: list[Killer] = []

    def watch(_: Account) -> Killer:
        killers.append(Killer(cluster, others))
        return killers[0]

    given = Many(out, "ray", cluster.address, chain=CHAIN)
    account = run_many(pieces(folder, out), given, watch=watch)
    rows = [
        {"name": r.name, "status": r.status, "notes": r.notes, "tries": r.attempts, "from": r.started_from}
        for r in account.rows
    ]
    print(json.dumps({"killed": killers[0].killed, "rows": rows}))  # noqa: T201
    ray.shutdown()
    cluster.shutdown()


if __name__ == "__main__":
    os.environ.setdefault("RAY_DEDUP_LOGS", "0")
    main()
