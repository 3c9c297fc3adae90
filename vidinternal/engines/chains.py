"""Which clip follows which, so that each can start from the weights of one that looks like it.

The chains are the plan's: made from the clips alone, whatever the number of workers, and remembered in the output
folder, so that clips that are added later get chains of their own and nothing that is done has to be made again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from vidinternal.core.durable import make_folder, read_sealed, write_sealed
from vidinternal.core.errors import UserError

PLAN = "chains.json"
MOST_DESCRIBED = 2000
"""Clips up to which pictures are looked at; beyond that neighbours by name stand for similar ones: looking at a
million clips would take longer than warm starts can save before the first begins."""
SAMPLES = 4
HEIGHT = 96
"""Pictures of a clip that are looked at, and their height in pixels."""

LONGEST = 8
CHAINS = 16
"""Where nobody says how long chains are: so long at most, and so many of them at least. Clips of a chain come one after
another, so few clips are better done side by side; their number decides, not that of the workers."""
TOO_FAR = 0.25
"""Distance of descriptions from which a clip begins a chain of its own; pieces of one clip lie up to 0.19 apart."""

Description = Sequence[float]
Distance = Callable[[Description, Description], float]


def describe_clip(path: Path) -> Description | None:
    """A few numbers of what a clip looks like; None where it cannot be read, which its run will tell."""
    import torch  # noqa: PLC0415 - planning without pictures needs neither

    from vidinternal.learn.warm_start.describe import describe  # noqa: PLC0415
    from vidinternal.media.probe import frame_pts, probe  # noqa: PLC0415
    from vidinternal.media.sample import sample_frames  # noqa: PLC0415

    try:
        info = probe(path)
        count = len(frame_pts(info))
        places = sorted({min(count - 1, (2 * k + 1) * count // (2 * SAMPLES)) for k in range(SAMPLES)})
        pictures = sample_frames(info, places, HEIGHT).frames
    except (UserError, OSError):
        return None
    return describe(torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255, None)


def chain(names: Sequence[str], seen: Sequence[Description | None], most: int, far: Distance) -> list[list[int]]:
    """Put clips in an order in which each resembles the one before it, cut into chains.

    From the first by name always on to the nearest that is left; a clip that cannot be described is a chain of its own.

    Args:
        names: Of the clips.
        seen: What each looks like.
        most: Clips in a chain at most.
        far: How different two clips look.

    Returns:
        Chains of indices; every clip is in one.
    """
    by_name = sorted(range(len(names)), key=lambda k: names[k])
    left = [k for k in by_name if seen[k] is not None]
    chains = [[k] for k in by_name if seen[k] is None]
    while left:
        here = [left.pop(0)]
        while left and len(here) < most:
            last = seen[here[-1]]
            assert last is not None
            distances = np.array([far(last, seen[k] or ()) for k in left])
            nearest = int(distances.argmin())
            if not distances[nearest] <= TOO_FAR:
                break
            here.append(left.pop(nearest))
        chains.append(here)
    return sorted(chains, key=lambda c: names[c[0]])


def usual_length(clips: int) -> int:
    """How many clips follow one another where nobody says."""
    return max(1, min(LONGEST, clips // CHAINS))


def planned_chains(
    names: Sequence[str], sources: Sequence[Path], most: int, folder: Path | None
) -> tuple[list[list[int]], list[str]]:
    """The chains of a batch; those planned for the same output folder before stay as they were.

    Args:
        names: Of the clips, by which they are known again.
        sources: The clips.
        most: Clips in a new chain at most; 1 = no chains.
        folder: Where the plan is remembered; None does not.

    Returns:
        Chains of indices, and notes a person should read.
    """
    if most <= 1:
        return [[k] for k in range(len(names))], []
    known = _known(folder)
    index = {name: k for k, name in enumerate(names)}
    chains = [[index[name] for name in planned if name in index] for planned in known]
    placed = {k for planned in chains for k in planned}
    new = [k for k in range(len(names)) if k not in placed]
    notes: list[str] = []
    away = [k for k in new if not sources[k].exists()]
    if len(new) > MOST_DESCRIBED or away:
        why = f"more than {MOST_DESCRIBED} clips" if not away else "clips are elsewhere and were not looked at"
        notes.append(f"{why}: those whose names are neighbours follow each other")
        by_name = sorted(new, key=lambda k: names[k])
        chains += [by_name[k : k + most] for k in range(0, len(by_name), most)]
    elif len(new) == 1:
        chains.append(new)
    elif new:
        from vidinternal.learn.warm_start.describe import distance  # noqa: PLC0415

        seen = [describe_clip(sources[k]) for k in new]
        chains += [[new[k] for k in c] for c in chain([names[k] for k in new], seen, most, distance)]
    chains = [c for c in chains if c]
    if folder is not None and new:
        gone = [planned for planned in known if not any(name in index for name in planned)]
        make_folder(folder)
        write_sealed(folder / PLAN, {"chains": [*([names[k] for k in c] for c in chains), *gone]})
    return chains, notes


def _known(folder: Path | None) -> list[list[str]]:
    value, _ = read_sealed(folder / PLAN) if folder is not None else (None, False)
    return value["chains"] if value is not None else []
