"""Any image method lifted to a take: groups, tiles, what goes on from picture to picture, time shared out.

Works on arrays alone: it reads pictures through a function and yields what was made, a group at a time, so that no more
than a group and what is learned from beside it is ever in memory. ``stages/per_frame.py`` runs it on clips,
``stages/lift/arrays.py`` on arrays.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from vidinternal.core.budget import Budget
from vidinternal.core.contracts import FitContext
from vidinternal.core.errors import MaskError
from vidinternal.core.imaging import ImageCard, ImageMethod, ImageResult, ImageTask, Previous
from vidinternal.core.seeds import branch
from vidinternal.stages.lift.account import told
from vidinternal.stages.lift.motion import Step, carried_along, enlarged, step_between
from vidinternal.stages.lift.state import LiftState, Scoped, plain_tree
from vidinternal.stages.lift.tiles import Tile, plan, together

COLD = 8.0
"""What the first group of a take counts in the sharing of time, where a method trains: the others go on from it."""
SURVEYED = 0.15
"""Share of the time that looking at the take as a whole may take."""
KEY_PICTURES = 3
"""Pictures of a take that it is surveyed on."""
SAVE_AFTER = 5.0
"""Seconds of work that are worth being kept at once; quicker work is kept when it is due."""

Pictures = Callable[[int, int], Tensor]
"""Pictures ``start`` to ``end`` (excluded) of a clip."""
Hints = Callable[[int, int], Tensor | None]
"""Hints of those pictures, ``T 1 h w``; None where none of them has any."""
Survey = Callable[[Tensor, FitContext], tuple[Mapping[str, Tensor], tuple[str, ...]]]
"""What a stage finds for a take beside what the method finds, and notes."""


@dataclass(frozen=True)
class Take:
    """Pictures to be made; indices count the pictures of a clip.

    Attributes:
        read: ``T 3 h w`` RGB in [0, 1].
        shot: The uncut take: what may be learned from.
        span: What is to be made of it.
        hints: What a person pointed at; None where nobody did.
        guide: ``T 3 h w`` second pictures of the same scene; None without.
        unit: Pictures that are kept together: 2 where a frame is two fields.
    """

    read: Pictures
    shot: range
    span: range
    hints: Hints | None = None
    guide: Pictures | None = None
    unit: int = 1


@dataclass(frozen=True)
class LiftSettings:
    """How a method is lifted.

    Attributes:
        tile: Side, pixels, of the largest square that stays whole where the method's card allows cutting; 0 = all do,
            None = as the method says.
        most_pixels: Most pixels of a picture or tile that memory allows; None = any.
        carry: Whether a group goes on from the one before.
    """

    tile: int | None = None
    most_pixels: int | None = None
    carry: bool = True


@dataclass(frozen=True)
class Made:
    """What became of a group.

    Attributes:
        start: Index of its first picture.
        frames: ``N 3 H W`` float32 RGB in [0, 1], on the CPU.
        layers: ``N C H W`` by name.
    """

    start: int
    frames: Tensor
    layers: Mapping[str, Tensor]


class Lift:
    """One method on one span of a take.

    Args:
        method: The method.
        options: Its settings.
        settings: How it is lifted.
        context: Seed, device, time, starts, checkpoints and progress of the whole span.

    Attributes:
        tiles: How a picture is cut; known once the first is made.
    """

    def __init__(self, method: ImageMethod, options: Any, settings: LiftSettings, context: FitContext) -> None:
        self.method, self.options, self.settings, self.context = method, options, settings, context
        self.card: ImageCard = method.card
        self.tiles: tuple[Tile, ...] = ()
        self._state = LiftState(0)
        self._saved = time.monotonic()

    def run(self, take: Take, before: Mapping[str, Any] | None = None, survey: Survey | None = None) -> Iterator[Made]:
        """Make the pictures of a span, a group at a time.

        Where an earlier run was killed it goes on behind the last group it had kept: pictures before that are not
        yielded again, and whoever keeps them must have kept them when the next is asked for.

        Args:
            take: What is to be made, of what.
            before: :meth:`carried` of the span before in the same take, or None.
            survey: What is found for the take beside what the method finds.

        Raises:
            UserError: The method cannot work on these pictures.
            MaskError: It needs hints and the first pictures of the take have none.
        """
        fits = f"{take.shot} {take.span}"
        self._state = self._begun(take, before, fits)
        state = self._state
        if state.shot is None:
            state.shot = self._surveyed(take, survey, fits)
        groups = [g for g in _groups(take.span, self.card.group) if g.start >= state.after]
        total = len(take.span)
        for number, group in enumerate(groups):
            done = group.start - take.span.start
            budget = self._budget(groups[number:], first=state.picture is None)
            context = replace(self.context, budget=budget, progress=self._progress(done, len(group), total))
            made = self._group(take, group, context)
            yield made
            state.after = group.stop
            state.account.groups += 1
            if (group.stop - take.span.start) % take.unit == 0:
                self._keep(fits)
            self.context.progress((done + len(group)) / total, f"{done + len(group)} of {total} pictures")

    def carried(self) -> dict[str, Any]:
        """A state tree that the next window of the same take goes on from."""
        return self._state.carried()

    def account(self) -> dict[str, Any]:
        """JSON-ready account of the span."""
        facts = self._state.account.facts()
        errors = self._state.flicker.errors()
        if errors is not None:
            facts["flicker"] = {"source": errors[0], "before": errors[1], "after": None}
        shot = self._state.shot or {}
        facts["survey"] = {name: told(value) for name, value in shot.items()}
        return facts | {"trained": bool(self.weights), "signature": self._state.signature}

    @property
    def weights(self) -> Mapping[str, Tensor] | None:
        """What the bank may keep, from the last group; None where nothing is trained."""
        return self._state.weights

    def _begun(self, take: Take, before: Mapping[str, Any] | None, fits: str) -> LiftState:
        kept = None if self.context.checkpoint is None else self.context.checkpoint.load("lift", fits)
        if kept is not None:
            return LiftState.of(kept)
        goes_on = before and before["after"] == take.span.start and take.span.start > take.shot.start
        if goes_on and before is not None:
            return LiftState.of(before)
        return LiftState(take.span.start)

    def _surveyed(self, take: Take, survey: Survey | None, fits: str) -> dict[str, Tensor]:
        """What holds for the take, from a few whole pictures of it."""
        mine = type(self.method).survey is not ImageMethod.survey
        if survey is None and not mine:
            return {}
        kept = None if self.context.checkpoint is None else self.context.checkpoint.load("survey", fits)
        if kept is None:
            # a method that makes several together may look for what they have in common
            keys = key_pictures(take.shot, max(KEY_PICTURES, self.card.group))
            frames = torch.cat([take.read(k, k + 1) for k in keys])
            self.context.progress(0.0, "looking at the take")
            found: dict[str, Tensor] = {}
            notes: list[str] = []
            seed = branch(self.context.seed, "survey")
            checkpoint = self.context.checkpoint and Scoped(self.context.checkpoint, 0, -1)
            for k, look in enumerate((survey, self._method_survey if mine else None)):
                if look is None:
                    continue
                budget = self.context.budget.share(SURVEYED)
                answer = look(frames, replace(self.context, seed=branch(seed, k), budget=budget, checkpoint=checkpoint))
                found |= answer[0]
                notes += answer[1]
            kept = {"found": found, "notes": notes}
            if self.context.checkpoint is not None:
                self.context.checkpoint.save("survey", fits, kept)
        for note in kept["notes"]:
            self._state.account.note(note)
        return dict(kept["found"])

    def _method_survey(self, frames: Tensor, context: FitContext) -> tuple[Mapping[str, Tensor], tuple[str, ...]]:
        return self.method.survey(frames, self.options, context), ()

    def _budget(self, groups: list[range], *, first: bool) -> Budget:
        """The time of the next group: by pictures, more where nothing can be gone on from."""
        weights = [float(len(g)) for g in groups]
        if first and self.card.trains and self.settings.carry:
            weights[0] *= COLD
        return self.context.budget.share(weights[0] / sum(weights))

    def _progress(self, done: int, count: int, total: int) -> Callable[[float, str], None]:
        return lambda share, text: self.context.progress((done + count * min(share, 1.0)) / total, text)

    def _keep(self, fits: str) -> None:
        """Keep what goes on: now where much was done since the last time, else when it is due."""
        checkpoint, state = self.context.checkpoint, self._state
        if checkpoint is None:
            return
        if time.monotonic() - self._saved > SAVE_AFTER:
            checkpoint.save("lift", fits, state.tree())
            self._saved = time.monotonic()
            checkpoint.offer("lift-kept", fits, lambda: {"after": state.after})  # ends here if somebody asked to stop
        else:
            checkpoint.offer("lift", fits, state.tree)

    def _group(self, take: Take, group: range, context: FitContext) -> Made:
        """Make one group, tile by tile, and remember what the next goes on from."""
        state = self._state
        begin = max(take.shot.start, group.start - self.card.around)
        low = begin if state.picture is None else min(begin, group.start - 1)
        read = take.read(low, min(take.shot.stop, group.stop + self.card.around))
        frames = read[group.start - low : group.stop - low]
        before = None if state.picture is None else read[group.start - low - 1 : group.start - low]
        size = self._size(frames.shape[-2], frames.shape[-1])
        step = None if before is None else step_between(before, frames[:1])
        within = [step_between(frames[k : k + 1], frames[k + 1 : k + 2]) for k in range(len(frames) - 1)]
        whole = ImageTask(
            frames=frames,
            around=read[begin - low :],
            hints=self._hints(take, group),
            guide=None if take.guide is None else take.guide(group.start, group.stop),
            shot=state.shot or {},
            flow=torch.cat([s.back for s in within]) if within else None,
        )
        previous = self._previous(step, size) if self.settings.carry else None
        results = [(t, self._tile(t, whole, previous, context)) for t in self.tiles]
        made = self._whole([(t, r.frames) for t, r in results], size)
        layers = {n: self._whole([(t, r.layers[n]) for t, r in results], size) for n in self.card.layers}
        self._measure(step, before, frames, (within, made))
        self._remember(results, made, layers)
        return Made(group.start, made, layers)

    def _size(self, height: int, width: int) -> tuple[int, int]:
        if not self.tiles:
            tile = self.method.tile(self.options) if self.settings.tile is None else self.settings.tile
            most = min((n for n in (tile**2, self.settings.most_pixels or 0) if n), default=0)
            cut = most if self.card.tiles == "cut" else 0
            self.tiles = plan(height, width, lambda h, w: self.method.size(self.options, h, w), cut)
        return self.method.size(self.options, height, width)

    def _hints(self, take: Take, group: range) -> Tensor | None:
        hints = None if take.hints is None else take.hints(group.start, group.stop)
        if hints is None and self.card.hints == "required" and self._state.picture is None:
            raise MaskError(
                f"method '{self.card.name}'",
                expected=f"hints on picture {group.start}, the first of its take",
                got="none",
                hint="--object box=X,Y,W,H@FRAME on the first frame of every shot, or --mask",
            )
        return hints

    def _previous(self, step: Step | None, size: tuple[int, int]) -> Previous | None:
        """What came before, carried along to the first picture of the group; the states of tiles are put in later."""
        state = self._state
        if step is None or state.picture is None:
            return None
        flow, known = enlarged(step.back, step.known_back, size)
        layers = {name: carried_along(layer, flow) for name, layer in state.layers.items()}
        return Previous({}, carried_along(state.picture, flow), layers, known)

    def _tile(self, tile: Tile, whole: ImageTask, previous: Previous | None, context: FitContext) -> ImageResult:
        """Run the method on one tile of a group."""
        size = self.method.size(self.options, tile.height, tile.width)
        count, first = len(self.tiles), self._state.after
        mine = None
        if previous is not None:
            cut = {name: tile.cut_result(layer, size) for name, layer in previous.layers.items()}
            warped, valid = (tile.cut_result(t, size) for t in (previous.warped, previous.valid))
            mine = Previous(self._state.tiles.get(str(tile.index), {}), warped, cut, valid)
        task = replace(
            whole,
            frames=tile.cut(whole.frames),
            around=tile.cut(whole.around),
            hints=None if whole.hints is None else tile.cut(whole.hints),
            guide=None if whole.guide is None else tile.cut(whole.guide),
            flow=None if whole.flow is None else tile.cut(whole.flow),
            previous=mine,
            place=tile.place,
        )
        checkpoint = context.checkpoint and Scoped(context.checkpoint, tile.index, first)
        own = replace(
            context,
            seed=branch(context.seed, "group", first, tile.index),
            budget=context.budget.share(1 / (count - tile.index)),
            progress=lambda share, text: context.progress((tile.index + min(share, 1.0)) / count, text),
            starts=context.starts if mine is None else None,
            checkpoint=checkpoint,
        )
        result = self.method.apply(task, self.options, own)
        self._check(result, (len(task.frames), *size))
        return result

    def _check(self, result: ImageResult, shape: tuple[int, int, int]) -> None:
        """Refuse what no method may return.

        Raises:
            RuntimeError: It breaks the contract: a defect of the method, not of the pictures.
        """
        count, height, width = shape
        if tuple(result.frames.shape) != (count, 3, height, width) or not bool(result.frames.isfinite().all()):
            got = f"{tuple(result.frames.shape)}"
            raise RuntimeError(f"'{self.card.name}' returned {got}, not finite pictures {(count, 3, height, width)}")
        if set(result.layers) != set(self.card.layers):
            raise RuntimeError(f"'{self.card.name}' returned layers {sorted(result.layers)}, not {self.card.layers}")
        for name, layer in result.layers.items():
            fits = layer.ndim == 4 and (len(layer), *layer.shape[-2:]) == shape
            if not fits or not bool(layer.isfinite().all()):
                got = f"layer '{name}' {tuple(layer.shape)}"
                raise RuntimeError(f"'{self.card.name}' returned {got}, not finite N C H W with {shape}")

    def _whole(self, pieces: list[tuple[Tile, Tensor]], size: tuple[int, int]) -> Tensor:
        plain = [(tile, piece.detach().cpu().float()) for tile, piece in pieces]
        return together(plain, size, lambda t: self.method.size(self.options, t.height, t.width)).clamp(0.0, 1.0)

    def _measure(
        self, step: Step | None, before: Tensor | None, frames: Tensor, made: tuple[list[Step], Tensor]
    ) -> None:
        """Look at the flicker of every pair of pictures that ends in the group."""
        (within, became), flicker, last = made, self._state.flicker, self._state.picture
        if step is not None and before is not None and last is not None:
            flicker.add(step, (before, frames[:1]), (last, became[:1]))
        for k, inner in enumerate(within):
            flicker.add(inner, (frames[k : k + 1], frames[k + 1 : k + 2]), (became[k : k + 1], became[k + 1 : k + 2]))

    def _remember(self, results: list[tuple[Tile, ImageResult]], made: Tensor, layers: Mapping[str, Tensor]) -> None:
        state = self._state
        for tile, result in results:
            state.account.add(result)
            state.tiles[str(tile.index)] = plain_tree(result.state)
        state.account.tiles = len(self.tiles)
        middle = results[len(results) // 2][1]
        if middle.weights:
            state.weights, state.signature = plain_tree(middle.weights), middle.signature
        state.picture = made[-1:].clone()
        state.layers = {name: layer[-1:].clone() for name, layer in layers.items()}


def key_pictures(shot: range, most: int = KEY_PICTURES) -> tuple[int, ...]:
    """A few pictures spread over a take; its ends, which may be fades, are left out where there are others."""
    count = min(most, len(shot))
    places = [shot.start + (2 * k + 1) * len(shot) // (2 * count) for k in range(count)]
    return tuple(sorted(set(places)))


def _groups(span: range, most: int) -> list[range]:
    """Groups of about equal length, at most ``most`` pictures."""
    count = max(1, -(-len(span) // most))
    ends = [span.start + round(k * len(span) / count) for k in range(count + 1)]
    return [range(a, b) for a, b in pairwise(ends) if b > a]
