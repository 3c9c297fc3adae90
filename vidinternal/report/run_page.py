"""The page of a finished run: its record, and what it did to the most masked frames of the clip."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from vidinternal.core.clip import ClipInfo, Window
from vidinternal.media.probe import frame_pts, probe_result
from vidinternal.media.sample import sample_frames
from vidinternal.report.before_after import WIDTH, moments, strip
from vidinternal.report.page import write_page
from vidinternal.report.pictures import fitted, flow_picture, grid, label, png
from vidinternal.runner.job import Job, JobResult
from vidinternal.runner.run import Run, open_run
from vidinternal.stages.artifacts import Flows, MaskTrack

GLANCE_HEIGHT = 108
"""Height of a sampled frame, pixels."""


def write_run_page(job: Job, result: JobResult, path: Path) -> None:
    """Write the HTML page of a run.

    Args:
        job: The job, as it was run.
        result: What came of it.
        path: The HTML file.

    Raises:
        UsageError: Jinja is not installed.
        MediaError: The source or the result cannot be read.
    """
    write_page(result.record, run_pictures(open_run(job), result.destination), path)


def run_pictures(run: Run, destination: Path) -> Mapping[str, bytes]:
    """PNG strips of a finished run by caption: before, hole and after, and the reference flow where there is some.

    Args:
        run: The run; its artifacts are read from its workspace.
        destination: The file it wrote.
    """
    windows = run.windows()
    weights = [0.0] * max(w.end for w in windows.windows)
    owner: dict[int, Window] = {}
    for window in windows.windows:
        masks = _track(run, window).masks
        for index in windows.owned(window):
            owner[index] = window
            weights[index] = float(masks[index - window.start].sum())
    chosen = moments(weights)
    holes = [_track(run, owner[i]).masks[i - owner[i].start, 0].numpy() for i in chosen]
    pictures = {"before, hole and after": strip(run.info, destination, holes, chosen)}
    pictures["the result at a glance"] = glance(probe_result(destination, run.info))
    flows = _flow_pictures(run, owner, chosen)
    return pictures | ({"reference flow to the next picture, inside the work area": flows} if flows else {})


def glance(info: ClipInfo, count: int = 12) -> bytes:
    """PNG of up to ``count`` small frames spread evenly over a clip, six to a row."""
    total = len(frame_pts(info))
    chosen = sorted({round(k * (total - 1) / max(count - 1, 1)) for k in range(count)})
    samples = sample_frames(info, chosen, height=GLANCE_HEIGHT)
    cells = [label(picture, str(index)) for picture, index in zip(samples.frames, chosen, strict=True)]
    return png(grid([cells[k : k + 6] for k in range(0, len(cells), 6)]))


def _track(run: Run, window: Window) -> MaskTrack:
    return run.read("masks", window)


def _flow_pictures(run: Run, owner: Mapping[int, Window], chosen: tuple[int, ...]) -> bytes | None:
    """Colour pictures of the stride-1 flow at the chosen frames, or None where the run made no flow."""
    if run.spec.stage("flow") is None:
        return None
    cells = []
    for index in chosen:
        window = owner[index]
        flows: Flows = run.read("flow", window)
        if 1 not in flows.fields:
            continue
        flow = flows.fields[1].flow[(index - window.start) * _track(run, window).per_frame]
        longest = float(flow.norm(dim=0).max())
        cells.append(label(fitted(flow_picture(flow), WIDTH), f"frame {index}, longest {longest:.1f} px"))
    return png(grid([cells])) if cells else None
