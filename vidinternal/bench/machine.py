"""On what a table was measured."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from pathlib import Path
from typing import Any

import torch

from vidinternal.runner.job import pick_device

_CPUINFO = Path("/proc/cpuinfo")


def cpu_model(cpuinfo: Path = _CPUINFO) -> str:
    """The processor's name as the system tells it."""
    if cpuinfo.is_file():
        found = re.search(r"^model name\s*:\s*(.+)$", cpuinfo.read_text(encoding="utf-8"), re.MULTILINE)
        if found:
            return re.sub(r"\((?:R|TM)\)|\s+CPU\b|\s+@.*$", "", found[1]).strip()
    return platform.processor() or platform.machine()


def machine(device: str) -> dict[str, Any]:
    """Processor, cores, threads, system and the device that ``device`` stands for."""
    chosen = pick_device(device)
    cores = os.cpu_count() or 1
    accelerator = torch.cuda.get_device_name(chosen) if chosen.type == "cuda" else None
    return {
        "name": accelerator or f"{cpu_model()}, {cores} cores",
        "cpu": cpu_model(),
        "cores": cores,
        "threads": torch.get_num_threads(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "system": f"{platform.system()} {platform.machine()}",
        "device": chosen.type,
        "accelerator": accelerator,
    }


def commit(root: Path) -> str | None:
    """The commit that ``root`` has checked out, with ``+`` where files differ from it; None outside a checkout."""
    if not (root / ".git").exists():
        return None
    try:
        head = _git(root, "rev-parse", "--short=12", "HEAD")
        changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.CalledProcessError):
        return None
    return head + ("+" if changed else "")


def _git(root: Path, *words: str) -> str:
    return subprocess.run(["git", "-C", str(root), *words], check=True, capture_output=True, text=True).stdout.strip()
