"""Many clips on many machines: jobs as plain data through Ray.

Ray places them, with the processors, share of an accelerator and memory that each declares; it retries nothing itself:
a job whose node is gone is told as lost, and the batch tries it again elsewhere, as with a lost process on one machine.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

from vidinternal.core.errors import UsageError
from vidinternal.engines.base import Event
from vidinternal.engines.local import COMFORT_BYTES, cores
from vidinternal.engines.plain import job_text, outcome_from
from vidinternal.engines.ray_task import Board, run_on_node
from vidinternal.runner.job import Job
from vidinternal.runner.workspace import code_digest

REACH_SECONDS = 5.0
"""How long a cluster may take to answer."""
AHEAD = 16
"""Jobs that wait in Ray beyond what it can run now: a cluster that grows on demand must see that there is demand."""


@dataclass(frozen=True)
class RaySetup:
    """What is asked of a cluster.

    Attributes:
        address: ``HOST:PORT``, ``auto`` for the cluster that this machine is part of, ``ray://...``; None = as
            ``RAY_ADDRESS`` says, else a cluster of this machine alone.
        threads: Processor cores of a job.
        memory: Bytes of a job; None = 4 GiB.
        gpus: Share of an accelerator of a job; 0 computes on processors.
        jobs: Jobs at the same time at most; None = as many as there is room for.
    """

    address: str | None = None
    threads: int = 1
    memory: int | None = None
    gpus: float = 0.0
    jobs: int | None = None


def load_ray() -> ModuleType:
    """Import Ray.

    Raises:
        UsageError: It is not installed.
    """
    try:
        import ray  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise UsageError(
            "--engine ray", expected="the package ray", got=str(error), hint="pip install 'vidinternal[ray]'"
        ) from error
    return ray


def check_reachable(address: str) -> None:
    """Refuse an address at which nobody answers; Ray itself would try for minutes.

    Raises:
        UsageError: It is no address, or nobody answers there.
    """
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not (colon and host and port.isdigit()):
        raise UsageError("--ray-address", expected="HOST:PORT, ray://HOST:PORT or auto", got=repr(address))

    async def reach() -> None:
        _, writer = await asyncio.wait_for(asyncio.open_connection(host.strip("[]"), int(port)), REACH_SECONDS)
        writer.close()

    try:
        asyncio.run(reach())
    except (TimeoutError, OSError, OverflowError) as error:
        got = getattr(error, "strerror", None) or f"no answer in {REACH_SECONDS:.0f} s"
        raise _unreachable(address, got) from error


def _unreachable(address: str, got: str) -> UsageError:
    return UsageError(
        f"--ray-address {address}",
        expected="a Ray cluster that answers",
        got=got,
        hint="ray start --head  on the first machine; `ray status` there shows the address",
    )


def connect(ray: ModuleType, address: str | None) -> bool:
    """Join a cluster, or make one of this machine; whether it was joined here and is to be left at the end.

    Raises:
        UsageError: Nobody answers at the address, or no cluster runs here.
    """
    if ray.is_initialized():
        return False
    wanted = address or os.environ.get("RAY_ADDRESS")
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR, "include_dashboard": False}
    if wanted is None:
        ray.init(num_cpus=cores(), **quiet)
        return True
    if wanted not in ("auto", "local"):
        check_reachable(wanted)
    del quiet["include_dashboard"]
    try:
        ray.init(address=wanted, **quiet)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        raise _unreachable(wanted, str(error).splitlines()[0] if str(error) else "no answer") from error
    return True


class RayEngine:
    """Jobs on the nodes of a Ray cluster.

    Args:
        setup: What is asked of it.

    Raises:
        UsageError: Ray is not installed, the cluster does not answer, or no node has what a job needs.
    """

    name = "ray"
    queues = True

    def __init__(self, setup: RaySetup) -> None:
        self._ray = load_ray()
        self._leave = connect(self._ray, setup.address)
        self._setup, self._memory = setup, setup.memory or COMFORT_BYTES
        self._check_nodes()
        self.notes: list[str] = []
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy  # noqa: PLC0415

        here = NodeAffinitySchedulingStrategy(self._ray.get_runtime_context().get_node_id(), soft=True)
        self._board = self._ray.remote(Board).options(num_cpus=0, scheduling_strategy=here).remote()
        self._task = self._ray.remote(run_on_node).options(
            num_cpus=setup.threads, num_gpus=setup.gpus, memory=self._memory, max_retries=0
        )
        self._code = code_digest()
        self._running: dict[Any, int] = {}
        self.slots = self._room_for()

    def _check_nodes(self) -> None:
        needs = {"CPU": self._setup.threads, "GPU": self._setup.gpus, "memory": self._memory}
        nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        if not any(all(node.get(name, 0) >= need for name, need in needs.items()) for node in nodes):
            most = {name: max((node.get(name, 0) for node in nodes), default=0) for name in needs}
            raise UsageError(
                "--engine ray",
                expected=f"a node with {needs['CPU']} cores, {needs['GPU']:g} GPUs, {self._memory >> 20} MiB for a job",
                got=f"at the most {most['CPU']:g} cores, {most['GPU']:g} GPUs, {int(most['memory']) >> 20} MiB",
                hint="fewer --threads, a smaller --memory (with ray it is a job's own), or --device cpu",
            )

    def _room_for(self) -> int:
        has = self._ray.cluster_resources()
        fits = [has.get("CPU", 0) // self._setup.threads, has.get("memory", 0) // self._memory]
        fits += [has.get("GPU", 0) // self._setup.gpus] if self._setup.gpus else []
        return max(1, min(int(min(fits)), self._setup.jobs or 1 << 30))

    def room(self) -> bool:
        """Whether Ray should have another job to place."""
        if self._setup.jobs is not None:
            return len(self._running) < self._setup.jobs
        if len(self._running) == self.slots + AHEAD:
            self.slots = self._room_for()  # it may have grown
        return len(self._running) < self.slots + AHEAD

    def submit(self, ticket: int, job: Job) -> None:
        """Hand a job to Ray; on its node it may take the memory it declares."""
        own = replace(job, memory=self._memory, processes=1)
        self._board.begin.remote(ticket)
        ref = self._task.remote(job_text(own), ticket, self._board, self._setup.threads, self._code)
        self._running[ref] = ticket

    def events(self, seconds: float) -> list[Event]:
        """What jobs have said, which are done and which are lost."""
        if not self._running:
            time.sleep(seconds)  # a retry may be waiting for its time
            return []
        ready, _ = self._ray.wait(list(self._running), num_returns=1, timeout=seconds)
        if ready:
            ready, _ = self._ray.wait(list(self._running), num_returns=len(self._running), timeout=0)
        return [*self._said(), *(self._end_of(ref) for ref in ready)]

    def _said(self) -> list[Event]:
        from ray.exceptions import RayError  # noqa: PLC0415

        try:
            words = self._ray.get(self._board.read.remote(), timeout=10)
        except RayError:
            return []
        return [
            Event(w["kind"], w["ticket"], w.get("stage", ""), w.get("share", 0.0), w.get("text", "")) for w in words
        ]

    def _end_of(self, ref: Any) -> Event:
        from ray.exceptions import RayError  # noqa: PLC0415

        ticket = self._running.pop(ref)
        try:
            said = json.loads(self._ray.get(ref, timeout=60))
        except RayError as error:
            return Event("lost", ticket, text=f"its node or process was lost ({type(error).__name__})")
        outcome = outcome_from(said["outcome"]) if said["kind"] == "ended" else None
        return Event(said["kind"], ticket, text=said.get("text", ""), outcome=outcome)

    def end(self, ticket: int, *, at_once: bool) -> None:
        """Ask a job to stop by the board, or have Ray kill its process."""
        if not at_once:
            self._board.end.remote(ticket)
            return
        for ref in [ref for ref, own in self._running.items() if own == ticket]:
            self._ray.cancel(ref, force=True)

    def stop(self) -> None:
        """Ask all jobs to stop; those that Ray has not begun are taken back."""
        self._board.stop.remote()

    def close(self) -> None:
        """Kill what still runs and leave the cluster."""
        for ref in self._running:
            self._ray.cancel(ref, force=True)
        self._running.clear()
        self._ray.kill(self._board)
        if self._leave:
            self._ray.shutdown()
