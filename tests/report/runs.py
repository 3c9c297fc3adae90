"""Small finished runs to make pages of."""

from pathlib import Path

from tests import media_made
from vidinternal.core.timecode import parse_region
from vidinternal.runner.job import Job
from vidinternal.stages.base import JobInputs

QUICK = ("encode.codec=ffv1", "shots.window=8", "shots.overlap=2", "inpaint.method=propagation", "inpaint.rounds=1")


def small_job(
    folder: Path, *sets: str, name: str = "clip.mkv", region: str = "20,12,16,10@2-10", **made: object
) -> Job:
    """A smooth clip of 14 frames with a cut at 8, a hole in eight of them, written without loss."""
    folder.mkdir(parents=True, exist_ok=True)
    shape = {"size": (64, 48), "frames": 14, "cuts": (8,), "smooth": True, **made}
    clip = media_made.clip(folder / name, **shape)  # pyright: ignore[reportArgumentType]
    inputs = JobInputs(clip, folder / "out" / f"clean-{name}", None, (parse_region(region),))
    return Job("inpaint", inputs, sets=(*QUICK, *sets), device="cpu")
