"""``--memory``: what is free on this machine, what a run may take of it, and the plan its stages go by."""

from __future__ import annotations

import ctypes
import os
import re
import resource
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, cast

from vidinternal.core.errors import UsageError
from vidinternal.core.imaging import ImageCard
from vidinternal.methods import card
from vidinternal.runner.job import Job
from vidinternal.runner.spec import PipelineSpec
from vidinternal.runner.workspace import Workspace
from vidinternal.stages.memory import MemoryPlan
from vidinternal.stages.shots import Shots

if TYPE_CHECKING:
    from vidinternal.core.clip import ClipInfo

SHARE = 0.6
"""Share of the free memory that a run takes when nobody says."""
_UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_FILE = "memory.json"

_TRIM = getattr(ctypes.pythonapi, "malloc_trim", None)
"""Of the C library that this process runs on; found once, no library is opened for it."""


def parse_memory(text: str, where: str = "--memory") -> int:
    """Turn ``8G``, ``512M``, ``1.5GiB`` or ``6000 MB`` into bytes; a unit is always a power of 1024.

    Raises:
        UsageError: The text is no size, has no unit, or is too small to hold a Python process.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT])(?:i?B)?\s*", text, re.IGNORECASE)
    size = int(float(found[1]) * _UNITS[found[2].upper()]) if found else 0
    if size < _UNITS["M"]:
        raise UsageError(where, expected="a size such as 8G, 1.5GiB or 900M", got=repr(text))
    return size


def available_memory(root: Path = Path("/")) -> int:
    """Bytes that this process could take now: what the machine, its control group and ``ulimit -v`` leave.

    Args:
        root: Where ``proc`` and ``sys`` are.
    """
    limits = [_machine(root), *_groups(root), _address_space(root)]
    return min(limit for limit in limits if limit is not None)


def _machine(root: Path) -> int | None:
    found = re.search(r"^MemAvailable:\s+(\d+) kB", _text(root / "proc/meminfo"), re.MULTILINE)
    if found:
        return int(found[1]) * 1024
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _groups(root: Path) -> list[int | None]:
    """What the control groups leave, of either version; the innermost may be looser than those around it."""
    left: list[int | None] = []
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, kinds, path = line.split(":", 2)
        if kinds and "memory" not in kinds.split(","):
            continue
        base = root / "sys/fs/cgroup" / ("memory" if kinds else "")
        names = ("memory.limit_in_bytes", "memory.usage_in_bytes") if kinds else ("memory.max", "memory.current")
        parts = Path(path.lstrip("/")).parts
        left += [_group(base.joinpath(*parts[:depth]), names) for depth in range(len(parts) + 1)]
    return left


def _group(folder: Path, names: tuple[str, str]) -> int | None:
    limit, used = (_text(folder / name).strip() for name in names)
    if not limit.isdigit() or int(limit) >= 1 << 60:
        return None  # no such file, or no limit
    # cached file contents count as used but are given up on demand
    cached = re.search(r"^(?:total_)?inactive_file (\d+)$", _text(folder / "memory.stat"), re.MULTILINE)
    busy = (int(used) if used.isdigit() else 0) - (int(cached[1]) if cached else 0)
    return max(0, int(limit) - max(0, busy))


def _address_space(root: Path) -> int | None:
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return None
    found = re.search(r"^VmSize:\s+(\d+) kB", _text(root / "proc/self/status"), re.MULTILINE)
    return max(0, limit - (int(found[1]) * 1024 if found else 0))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


def default_memory(processes: int = 1, available: int | None = None) -> int:
    """A share of the free memory, in coarse steps (1, 1.5, 2, 3, 4, 6 ... GiB), so that small changes change nothing.

    Args:
        processes: How many run at the same time.
        available: Bytes free; asked of the machine when None.
    """
    share = int(SHARE * (available_memory() if available is None else available) / processes)
    step = 1 << max(0, share.bit_length() - 2)
    return share // step * step


def memory_limit(job: Job, workspace: Workspace) -> int:
    """What one clip's run may take, bytes.

    Without an answer from the user it is a share of what is free, chosen when the clip is first worked on and kept in
    its workspace, so that a run that is taken up again goes on with the same windows; unless less is free by now.

    Args:
        job: Its ``memory`` is for all ``processes`` together.
        workspace: The clip's.
    """
    processes = job.processes
    if job.memory is not None:
        return job.memory // processes
    known = workspace.read_json(_FILE)
    free = available_memory() // processes
    if isinstance(known, dict) and isinstance(known.get("limit"), int) and 0 < known["limit"] <= free:
        return known["limit"]
    limit = default_memory(processes)
    workspace.write_json(_FILE, {"limit": limit})
    return limit


def give_back() -> None:
    """Hand memory that was freed back to the system, where the C library can (glibc).

    The allocator keeps what big tensors leave behind in pieces, a little more after every window: on a long clip that
    adds up to more than a window takes.
    """
    if _TRIM is not None:
        _TRIM(0)


def memory_part(plan: MemoryPlan, spec: PipelineSpec, info: ClipInfo) -> str | None:
    """What the windows depend on, in words; None where the allowance changes nothing, so that it may differ."""
    shots = spec.stage("shots")
    if not isinstance(shots, Shots) or not plan.matters(shots.most(), info):
        return None
    needs = ", ".join(f"{name} {value}" for name, value in asdict(plan).items() if name not in ("limit", "picture"))
    return f"{plan.limit >> 20} MiB ({needs})"


def memory_plan(limit: int, spec: PipelineSpec, pixels: int, written: int = 0) -> MemoryPlan:
    """The plan of a pipeline's stages.

    Args:
        limit: Bytes for the process.
        spec: The pipeline.
        pixels: Of a picture of the clip.
        written: Of a picture that is written, where that is another size.
    """
    maker = next((s for s in spec.stages if s.remakes), None)
    if maker is not None and maker.task is not None:
        made = cast(ImageCard, card(maker.config.method, maker.task))
        cuts = made.tiles == "cut"
        grown = max(1.0, written / pixels) if cuts else 1.0  # what is cut is learned at the size that is made
        return MemoryPlan(
            limit=limit,
            picture=pixels,
            bytes_per_pixel=round(grown * made.bytes_per_pixel),
            bytes_at_once=round(grown * made.bytes_at_once),
            written=written,
            group=made.group + 2 * made.around,
            cuts=cuts,
        )
    inpaint, flow, masks = spec.stage("inpaint"), spec.stage("flow"), spec.stage("masks")
    chosen = card(inpaint.config.method, "inpaint") if inpaint else None
    margin = masks.config.context + masks.config.dilate if masks else 0
    return MemoryPlan(
        limit=limit,
        picture=pixels,
        bytes_per_pixel=chosen.bytes_per_pixel if chosen else 0,
        bytes_at_once=chosen.bytes_at_once if chosen else 0,
        work_side=(inpaint.config.max_side or chosen.work_side) if inpaint and chosen else 0,
        strides=len(flow.config.strides or ()) if flow else 0,
        margin=margin,
        hull=masks.config.hull if masks else 0,
    )
