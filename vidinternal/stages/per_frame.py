"""One lift of every image method to a clip: what the stages ``upscale``, ``denoise``, ``dehaze`` ... have in common.

A window is made a group of pictures at a time; finished frames go to the window's own files at once. What the method
learned goes on from group to group and from window to window of a take, and starts anew behind a cut.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import torch
from pydantic import Field, PositiveInt
from torch import Tensor

from vidinternal.core.clip import ClipInfo, Window
from vidinternal.core.config import StrictModel
from vidinternal.core.contracts import FitContext
from vidinternal.core.errors import ConfigError, MediaError
from vidinternal.core.imaging import ImageCard, ImageMethod
from vidinternal.learn.warm_start.bank import DEFAULT_LIMIT
from vidinternal.learn.warm_start.describe import describe
from vidinternal.learn.warm_start.pool import Pool
from vidinternal.methods import card, image_method
from vidinternal.stages.artifacts import Windows
from vidinternal.stages.base import Scope, Stage, StageContext
from vidinternal.stages.frame_store import FrameStore
from vidinternal.stages.lift.hints import JobHints, check_wanted
from vidinternal.stages.lift.reader import InOrder
from vidinternal.stages.lift.run import Lift, LiftSettings, Survey, Take, key_pictures
from vidinternal.stages.lift.window import LiftedWindow
from vidinternal.stages.made import Made
from vidinternal.stages.output_clip import output_info, picture_size, scan_in
from vidinternal.stages.patches import Patches

if TYPE_CHECKING:
    from vidinternal.media.fields import Scan
    from vidinternal.stages.decode import FrameSource


LEARNING = 0.8
"""Share of the time that the method itself has where a finisher comes behind it."""


class PerFrameConfig(StrictModel):
    """What every stage of image methods can be told."""

    tile: int | None = Field(default=None, ge=0)
    """Pictures with more pixels than a square of this side are made in overlapping tiles, where the method allows it;
    0 = never, empty = the side that the method works best at, 512 for most."""
    carry: bool = True
    """Whether pictures go on from the one before; off makes every picture by itself, slower and less steady."""
    deflicker: bool = False
    """Whether a small network learns the finished window and gives it back steadier, where it flickers."""
    init: Literal["cold", "previous", "nearest", "mean", "ema", "last_k", "meta", "bank"] = "nearest"
    """What the first picture of a take starts from: nothing, finished windows and `bank` by some scheme."""
    bank: Path | None = None
    """Folder that keeps the weights of finished windows for other clips; empty = only this clip's own are used."""
    bank_limit: PositiveInt = DEFAULT_LIMIT
    """Bytes that folder may hold; what has not been used for longest is removed."""
    starts: tuple[str, ...] | None = None
    """Groups of the bank to start from, as `run.json` names them; empty = all that is in it when the job begins."""


class PerFrame(Stage):
    """Makes every picture of a clip anew by one image method.

    A subclass has a name, which is its task, and a ``Config`` with a field ``method``.
    """

    scope = Scope.WINDOW
    reads = ("frames", "windows")
    writes = ("made", "patches")
    recalls = ("made",)
    from_job = ("mask", "regions", "mask_fit", "objects", "hints")
    timed = True
    sized = True
    carries = True
    remakes = True
    places = ("bank", "bank_limit", "starts")

    @property
    def card(self) -> ImageCard:
        """The method's card."""
        return cast(ImageCard, card(self.config.method, self.name))

    @property
    def method(self) -> ImageMethod:
        """The method itself."""
        return image_method(self.config.method, self.name)

    def output(self, info: ClipInfo, scan: Scan) -> ClipInfo:
        """The clip that is written.

        Raises:
            MediaError: The clip is interlaced and its pictures would come out at another size.
            ConfigError: The size is impossible.
        """
        own = picture_size(info, scan)
        size = self.method.size(self.options, *own)
        if size != own and scan != "progressive":
            raise MediaError(
                f"{info.path}: interlaced",
                expected=f"whole pictures: stage {self.name} changes their size, and a field is half a picture",
                got=f"two fields in every frame ({scan})",
                hint="ffmpeg -vf bwdif first, or --set decode.scan=progressive where the marks are wrong",
            )
        return output_info(info, size, scan, f"{self.name}.scale")

    def preflight(self, context: StageContext) -> tuple[str, ...]:
        """Refuse, before any work, settings, sizes and hints that cannot work; return the method's notes.

        Raises:
            UserError: The job cannot be done as asked.
        """
        info, scan = context.info, scan_in(self.chain, context.info)
        self._check_bank()
        if info.policy.damage == "repair":
            raise ConfigError(
                "decode.damage",
                expected=f"stop or keep: stage {self.name} fills no holes",
                got="repair",
                hint="vidinternal run inpaint ... --set decode.damage=repair first, then this on its result",
            )
        check_wanted(context.job, self.card)
        self.output(info, scan)
        height, width = picture_size(info, scan)
        notes = self.method.check(self.options, height, width)
        hints = JobHints(context.job, info, self.name)
        if hints.given:
            hints.check()
        return (*notes, *self.also_check(info, (height, width)))

    def also_check(self, info: ClipInfo, size: tuple[int, int]) -> tuple[str, ...]:
        """Refuse what the stage's own settings make impossible; notes.

        Args:
            info: The clip.
            size: Rows and columns of its pictures.
        """
        del info, size
        return ()

    def survey(self) -> Survey | None:
        """What the stage itself finds for a take; None = nothing."""
        return None

    def guide(self, frames: FrameSource) -> InOrder | None:
        """Second pictures of the same scenes; None without."""
        del frames
        return None

    def run(self, inputs: Mapping[str, Any], context: StageContext) -> Mapping[str, Any]:
        """Return ``made`` and ``patches`` of the frames this window owns."""
        windows, frames = cast(Windows, inputs["windows"]), cast("FrameSource", inputs["frames"])
        window = self._window(windows, frames, context)
        take = self._take(window, context)
        looked = _description(take) if self.card.trains else None
        fit = self._fit(context, take, looked)
        learning = replace(fit, budget=context.budget.share(LEARNING)) if self.config.deflicker else fit
        lift = Lift(self.method, self.options, self._lift_settings(context), learning)
        before = self._before(inputs["previous:made"], windows, context.this_window())
        for group in lift.run(take, before, self.survey()):
            window.put(group, keep=self.config.deflicker)
        size = picture_size(frames.info, frames.scan)
        facts = {"method": self.config.method, "task": self.name, "size": list(size)}
        facts |= {"output_size": list(self.method.size(self.options, *size)), **lift.account()}
        facts |= {"description": list(looked) if looked else None}
        carried = lift.carried()
        if self.config.deflicker:
            carried["deflicker"] = window.deflicker(facts, fit, before)
        patches = Patches.whole(window.planes, (window.out.height, window.out.width))
        return {"made": Made(facts, window.layers, carried, lift.weights or {}), "patches": patches}

    def _check_bank(self) -> None:
        for name, asked in (("init: bank", self.config.init == "bank"), ("starts", bool(self.config.starts))):
            if asked and self.config.bank is None:
                got, hint = f"no {self.name}.bank", f"--set {self.name}.bank=FOLDER"
                raise ConfigError(f"{self.name}.{name}", expected="a weight bank", got=got, hint=hint)

    def _window(self, windows: Windows, frames: FrameSource, context: StageContext) -> LiftedWindow:
        own = context.this_window()
        shot = next(s for s in windows.shots if s.index == own.shot)
        folder = context.scratch
        planes, layers, made = (FrameStore(folder and folder / name) for name in ("frames", "layers", "made"))
        keep = 2 * self.card.around + self.card.group + 2
        reader = InOrder(frames, shot.end, keep)
        out = self.output(frames.info, frames.scan)
        return LiftedWindow(frames, windows.owned(own), range(shot.start, shot.end), out, planes, layers, made, reader)

    def _take(self, window: LiftedWindow, context: StageContext) -> Take:
        per, frames = window.frames.per_frame, window.frames
        hints, guide = JobHints(context.job, frames.info, self.name), self.guide(frames)

        def hinted(start: int, end: int) -> Tensor | None:
            first, behind = start // per, -(-end // per)
            told = hints.frames(first, behind)
            return None if told is None else frames.masks(told)[start - per * first :][: end - start]

        return Take(
            read=window.reader.pictures,
            shot=range(per * window.shot.start, per * window.shot.stop),
            span=range(per * window.span.start, per * window.span.stop),
            hints=hinted if hints.given else None,
            guide=None if guide is None else guide.pictures,
            unit=per,
        )

    def _lift_settings(self, context: StageContext) -> LiftSettings:
        most = None if context.memory is None else context.memory.tile_pixels()
        per_picture = None if most is None else max(1, most // self.card.group)
        return LiftSettings(self.config.tile, per_picture, self.config.carry)

    def _fit(self, context: StageContext, take: Take, looked: tuple[float, ...] | None) -> FitContext:
        pool = None
        if looked is not None and self.config.init != "cold":
            first = take.read(take.span.start, take.span.start + 1)
            scheme = "nearest" if self.config.init == "bank" else self.config.init
            size = (first.shape[-2], first.shape[-1])
            pool = Pool(scheme, context.finished, self.config.method, size, looked)
        return FitContext(
            seed=context.seed,
            device=context.device,
            budget=context.budget,
            progress=context.progress,
            starts=pool,
            checkpoint=context.checkpoint,
            preview=context.preview,
        )

    @staticmethod
    def _before(made: Made | None, windows: Windows, own: Window) -> Mapping[str, Any] | None:
        """What the window before left, if it is of the same take."""
        same = own.index > 0 and windows.windows[own.index - 1].shot == own.shot
        return made.state if made is not None and same else None


def _description(take: Take) -> tuple[float, ...]:
    """What the span shows, from a few of its pictures."""
    return describe(torch.cat([take.read(k, k + 1) for k in key_pictures(take.span)]))
