"""Bench ``warm_start``: what weights of earlier shots are worth to a new one, scheme by scheme.

Shots follow each other as in a folder of clips: two pieces of every clip, one clip after the other, so that every
second shot has a similar one before it and the others have none. Each scheme goes through the whole row and starts
every shot from the weights that it has itself ended with so far (``samrsabri_transfer`` asks for no more than that).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any

import torch
import torch.nn.functional as nn_functional
from torch import Tensor

from vidinternal.bench.base import BenchOptions, BenchResult, Column
from vidinternal.bench.cases import Case, make_case, read_frames, samples, view
from vidinternal.bench.holes import HOLES
from vidinternal.bench.warm_students import students
from vidinternal.bench.warm_trial import Lesson, Student, Trial
from vidinternal.core.contracts import Progress, no_progress
from vidinternal.core.errors import UsageError, nearest
from vidinternal.core.seeds import branch, generator
from vidinternal.learn.warm_start.describe import describe
from vidinternal.learn.warm_start.meta import meta_start
from vidinternal.learn.warm_start.pool import Finished, Pool
from vidinternal.learn.warm_start.schemes import SCHEMES, Scheme
from vidinternal.media.decode import ClipReader
from vidinternal.media.probe import probe

SMALL: Mapping[str, Any] = {"width": 96, "height": 64, "frames": 8, "iterations": 60, "seeds": 3}
"""What is run unless told otherwise: some minutes on one core."""
DEFAULT = ("internal generator", "zssr", "zs_n2n", "double_dip dehaze")
_HOLES = ("figure", "box", "caption")
_DRAWS = 1000
NEVER = 2.0
"""What a run that never reaches the cold run's score counts, in runs of the cold one."""

COLUMNS = (
    Column("method", "network"),
    Column("scheme", "start"),
    Column("fits", "shots × seeds, steps"),
    Column("similar_iterations", "similar shots: iterations to cold's score, % of cold's"),
    Column("similar_seconds", "seconds, % of cold's"),
    Column("similar_gain", "gain at equal iterations, dB"),
    Column("other_iterations", "other shots: iterations, %"),
    Column("other_gain", "gain, dB"),
    Column("worst", "worst, dB", 2),
    Column("fell_back", "cold start preferred"),
)


@dataclass(frozen=True)
class Shot:
    """A piece of a clip.

    Attributes:
        case: Truth and hole.
        similar: Whether the shot before is another piece of the same clip.
        description: What it shows.
    """

    case: Case
    similar: bool
    description: tuple[float, ...]


def shots(options: BenchOptions) -> tuple[Shot, ...]:
    """Two pieces of every clip, its beginning and its end.

    Raises:
        UsageError: Fewer than two clips are there, or one is too short.
    """
    chosen = [s for s in samples(options) if not s.pan]
    chosen = [s for s in chosen if not options.cases or any(word in s.name for word in options.cases)]
    if not chosen:
        raise UsageError("bench cases", expected="a part of a clip's name", got=", ".join(options.cases))
    made = []
    for number, sample in enumerate(chosen):
        path = options.clips / sample.file
        length = _frames_in(path)
        if length < 2 * options.frames:
            raise UsageError(sample.file, expected=f"at least {2 * options.frames} frames, two shots", got=str(length))
        masks = HOLES[_HOLES[number % len(_HOLES)]](options.frames, options.height, options.width)
        for place, start in enumerate((0, length - options.frames)):
            piece = _small(read_frames(path, start, options.frames), options)
            case = make_case(f"{sample.name}/{place + 1}", piece, masks)
            made.append(Shot(case, place == 1, describe(case.input, case.masks)))
    return tuple(made)


def _frames_in(path: Path) -> int:
    if not path.is_file():
        raise UsageError(str(path), expected="a clip", got="no such file", hint="give the folder of the clips")
    return len(ClipReader(probe(path)))


def _small(frames: Tensor, options: BenchOptions) -> Tensor:
    shape = (options.height, options.width)
    rows, columns = view(frames.shape[-2], frames.shape[-1], shape, None)
    small = nn_functional.interpolate(frames[..., rows, columns], shape, mode="area")
    return (small * 255).round().div(255).clamp(0, 1)  # 8 bits, as a file would have them


class Row:
    """One network through all shots under every scheme, with one seed.

    Args:
        method: The method it belongs to.
        student: What trains it.
        lessons: The shots.
    """

    def __init__(self, method: str, student: Student, lessons: Sequence[tuple[Shot, Lesson]]) -> None:
        self.method, self.student, self.lessons = method, student, lessons
        self._done: dict[tuple[int, str], Trial] = {}

    def schemes(self) -> tuple[Scheme, ...]:
        """Those that have something to say of this network; after the cold runs."""
        cold = self._done[0, ""]
        learned = cold.learned or meta_start(cold.signature) is not None
        return tuple(s for s in SCHEMES if s != "meta" or learned)

    def run(self, scheme: Scheme, told: Callable[[int], None]) -> list[Trial]:
        """The fits of all shots under a scheme; equal starts are fitted once."""
        finished: list[Finished] = []
        trials: list[Trial] = []
        for number, (shot, lesson) in enumerate(self.lessons):
            told(number)
            size = (lesson.case.truth.shape[-2], lesson.case.truth.shape[-1])
            pool = Pool(scheme, tuple(finished), self.method, size, shot.description)
            trial = self._fit(number, lesson, pool)
            weights = trial.weights
            done = Finished(
                shot.case.name, self.method, trial.signature, size, shot.description, lambda weights=weights: weights
            )
            finished.append(done)
            trials.append(trial)
        return trials

    def _fit(self, number: int, lesson: Lesson, pool: Pool) -> Trial:
        # the signature is known once something was fitted: cold comes first
        cold = self._done.get((number, ""))
        if cold is None:
            cold = self._done[number, ""] = self.student(lesson, None)
        offered = pool.of(cold.signature)
        own = pool.scheme == "meta" and cold.learned
        if offered is None and not own:
            return cold
        key = number, "meta" if offered is None else _digest(offered.weights)
        if key not in self._done:
            self._done[key] = self.student(lesson, pool)
        return self._done[key]


def _digest(weights: Mapping[str, Tensor]) -> str:
    mixed = hashlib.sha256()
    for name, tensor in sorted(weights.items()):
        mixed.update(name.encode() + tensor.contiguous().numpy().tobytes())
    return mixed.hexdigest()


def compared(shot: Shot, seed: int, scheme: Scheme, trial: Trial, cold: Trial) -> dict[str, Any]:
    """A fit beside the cold one of the same shot and seed."""
    aim, whole = cold.score, cold.reached(cold.score)
    reached = trial.reached(aim)
    if whole is None:
        raise RuntimeError("a run has reached its own score")
    return {
        "case": shot.case.name,
        "seed": seed,
        "scheme": scheme,
        "similar": shot.similar,
        "warm": trial.warm,
        "steps": cold.curve[-1][0],
        "cold_iterations": whole[0],
        "iterations": None if reached is None else reached[0],
        "iterations_share": NEVER if reached is None else reached[0] / max(1, whole[0]),
        "seconds_share": NEVER if reached is None else reached[1] / max(1e-3, whole[1]),
        "nothing_to_learn": whole[0] == 0,
        "score": round(trial.score, 3),
        "score_gain": round(trial.score - cold.score, 3),
        "true": round(trial.true, 3),
        "true_gain": round(trial.true - cold.true, 3),
        "curve": " ".join(f"{i}:{v:.2f}" for i, _, v in trial.curve),
    }


def run(options: BenchOptions, progress: Progress = no_progress) -> BenchResult:
    """Run every scheme through all shots.

    Args:
        options: Size, frames, iterations, seeds and clips; ``methods`` names networks.
        progress: Tells how far it is.

    Raises:
        UsageError: A clip is missing or too short, or there is no such network.
    """
    given = options.model_fields_set
    options = options.model_copy(update={k: v for k, v in SMALL.items() if k not in given})
    known = students()
    names = options.methods or DEFAULT
    for name in names:
        if name not in known:
            raise UsageError(f"network '{name}'", expected="one of those", got=repr(name), hint=nearest(name, known))
    pieces = shots(options)
    plan = [(n, k, s) for n in names for k in range(options.seeds) for s in SCHEMES]
    rows: list[dict[str, Any]] = []
    summary: list[dict[str, Any]] = []
    for name in names:
        method, student = known[name]
        mine: list[dict[str, Any]] = []
        for seed in range(options.seeds):
            root = options.seed + seed
            lessons = [Lesson(p.case, branch(root, p.case.name), options.iterations) for p in pieces]
            row = Row(method, student, list(zip(pieces, lessons, strict=True)))
            cold = row.run("cold", _teller(progress, plan, (name, seed, "cold"), len(pieces)))
            for scheme in row.schemes():
                trials = row.run(scheme, _teller(progress, plan, (name, seed, scheme), len(pieces)))
                zipped = zip(pieces, trials, cold, strict=True)
                mine += [{"method": name, **compared(p, seed, scheme, t, c)} for p, t, c in zipped]
        rows += mine
        summary += list(summarise(name, mine, options.seed))
    progress(1.0, "done")
    return BenchResult(
        bench="warm_start",
        options=options.model_dump(mode="json"),
        columns=COLUMNS,
        summary=summary,
        rows=rows,
        facts={"shots": [p.case.name for p in pieces], "never": NEVER},
        notes=_notes(),
    )


def _teller(
    progress: Progress, plan: Sequence[tuple[str, int, str]], at: tuple[str, int, str], count: int
) -> Callable[[int], None]:
    place = plan.index(at)
    text = f"{at[0]}, seed {at[1]}, {at[2]}"
    return lambda number: progress((place + number / count) / len(plan), text)


def summarise(name: str, rows: Sequence[Mapping[str, Any]], seed: int) -> Iterator[dict[str, Any]]:
    """A line a scheme; the first shot of the row, which has none before it, counts for ``meta`` alone."""
    first = rows[0]["case"]
    for scheme in SCHEMES:
        mine = [r for r in rows if r["scheme"] == scheme and (r["case"] != first or scheme == "meta")]
        if not mine:
            continue
        entry: dict[str, Any] = {"method": name, "scheme": scheme, "fits": _counted(rows)}
        for group, wanted in (("similar", True), ("other", False)):
            part = [r for r in mine if r["similar"] == wanted]
            learned = [r for r in part if not r["nothing_to_learn"]]
            random = generator(seed, "bootstrap", name, scheme, group)
            entry[f"{group}_iterations"] = _interval(learned, "iterations_share", random, percent=True)
            entry[f"{group}_seconds"] = _interval(learned, "seconds_share", random, percent=True)
            entry[f"{group}_gain"] = _interval(part, "true_gain", random, percent=False)
        entry["worst"] = min((r["true_gain"] for r in mine), default=None)
        used = [r for r in mine if scheme != "cold"]
        entry["fell_back"] = f"{sum(not r['warm'] for r in used)} of {len(used)}" if used else None
        yield entry


def _counted(rows: Sequence[Mapping[str, Any]]) -> str:
    fits = f"{len({r['case'] for r in rows})} × {len({r['seed'] for r in rows})}"
    return f"{fits}, {max(r['steps'] for r in rows)}"


def _interval(rows: Sequence[Mapping[str, Any]], key: str, random: torch.Generator, *, percent: bool) -> str | None:
    """Median (shares) or mean (gains) with its 95 % interval, drawing whole shots: seeds of one are not independent."""
    by_case: dict[str, list[float]] = {}
    for row in rows:
        by_case.setdefault(row["case"], []).append(row[key])
    if not by_case:
        return None
    groups, middle = list(by_case.values()), median if percent else fmean
    drawn = torch.randint(len(groups), (_DRAWS, len(groups)), generator=random).tolist()
    found = sorted(middle([v for k in pick for v in groups[k]]) for pick in drawn)
    low, high = found[int(0.025 * _DRAWS)], found[int(0.975 * _DRAWS) - 1]
    value = middle([v for g in groups for v in g])
    if percent:
        return f"{100 * value:.0f} [{100 * low:.0f}, {100 * high:.0f}]"
    return f"{value:+.2f} [{low:+.2f}, {high:+.2f}]"


def _notes() -> tuple[str, ...]:
    return (
        "Steps are the optimiser's in the longest fit. Medians for shares, means for gains, 95 % bootstrap intervals "
        "over shots. A run that never reached the cold run's score counts "
        f"{NEVER:.0%}. Gains are in what nobody trained or stopped on: the real hole, or the picture before it was "
        "shrunk or covered with noise or haze.",
        "Score: held-out pixels of the generator, whose every fit is looked at on its way; the real hole of the "
        "fusion, which learns from held-out ones and whose cold start are the shipped weights; the truth of image "
        "methods, each of whose fits of a tenth, a quarter and all of the steps is one of its own. `meta` was learned "
        "on the sample clips: judge it with `--set clips=FOLDER`.",
    )
