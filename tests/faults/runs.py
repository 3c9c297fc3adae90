"""Small jobs to make fail, and processes to make them fail in."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests import media_made
from vidinternal.core.timecode import parse_region
from vidinternal.runner.job import Job
from vidinternal.stages.base import JobInputs

ROOT = Path(__file__).resolve().parents[2]
LOSSLESS = ("encode.codec=ffv1", "shots.detector=none", "inpaint.method=harmonic", "shots.window=8", "shots.overlap=2")


def job(folder: Path, *sets: str, output: Path | None = None, **made: Any) -> Job:
    """A clip of 12 frames with a small hole, to be written losslessly."""
    folder.mkdir(parents=True, exist_ok=True)
    clip = media_made.clip(folder / "clip.mkv", **{"size": (64, 48), "frames": 12, **made})
    inputs = JobInputs(clip, output or folder / "out" / "clean.mkv", None, (parse_region("20,12,16,10"),))
    return Job("inpaint", inputs, sets=(*LOSSLESS, *sets), device="cpu")


def command(work: Job, *more: str) -> list[str]:
    """The command line of a job."""
    inputs = work.inputs
    sets = [word for setting in work.sets for word in ("--set", setting)]
    line = ["run", work.pipeline, str(inputs.source), "-o", str(inputs.destination), "--region", "20,12,16,10"]
    return [*line, *sets, "--device", "cpu", *more]


def child(code: str, *arguments: str, before: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Run the command line in a fresh interpreter, after ``code``; ``before`` wraps the interpreter."""
    program = f"import sys\n{code}\nfrom vidinternal.cli.main import main\nmain()"
    line = [*before, sys.executable, "-c", program, *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.run(line, capture_output=True, text=True, check=False, cwd=ROOT, env=environment)


def leftovers(folder: Path) -> list[str]:
    """Unfinished files anywhere below a folder."""
    return [str(p) for p in folder.rglob("*.part*")]


def allowed(*line: str) -> bool:
    """Whether this machine lets us run a command such as ``unshare``."""
    try:
        return subprocess.run(line, capture_output=True, check=False).returncode == 0
    except OSError:
        return False
