"""What the result is held against before it gets its name: where it may differ, its bitrate, and all the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from vidinternal.core.clip import ClipInfo, Window
from vidinternal.core.contracts import Checkpoints, Progress
from vidinternal.media.bitrate import Bitrate, measure_bitrate
from vidinternal.media.codecs import EncoderPlan
from vidinternal.media.composite import touched
from vidinternal.media.fields import weave
from vidinternal.media.outside import PERFECT, Allowed
from vidinternal.media.picture import picture_format
from vidinternal.media.rate import RateChoice, SampleFrames, affordable, affords, corrected
from vidinternal.media.verify import Verification, verify
from vidinternal.media.verify_samples import LEAST_PSNR, Limit, Remade
from vidinternal.stages.artifacts import MaskTrack, Windows

if TYPE_CHECKING:
    from vidinternal.stages.decode import FrameSource


class MayChange:
    """Which samples of a frame the masks let the run change; one window's masks in memory at a time.

    Args:
        frames: The source.
        windows: How it is cut.
        masks: Masks by window.
        patches: Changes by window; they tell whether the whole work area was to change.
    """

    def __init__(self, frames: FrameSource, windows: Windows, masks: Any, patches: Any) -> None:
        self._frames, self._windows, self._masks, self._patches = frames, windows, masks, patches
        self._fmt = picture_format(frames.info.pix_fmt)
        self._held: tuple[Window, MaskTrack, bool] | None = None

    def __call__(self, index: int) -> tuple[np.ndarray, ...] | None:
        """One bool array for each plane of the frame as it is stored; None where nothing may change."""
        window, track, full = self._at(index)
        if track.box is None:
            return None
        row = index - window.start
        pictures = self._frames.masks(track.masks[row : row + 1])[:, 0]
        if full:
            y0, y1, x0, x1 = track.box
            pictures = torch.zeros_like(pictures)
            pictures[:, y0:y1, x0:x1] = True
        if not pictures.any():
            return None
        turn = self._frames.turn
        planes = [touched(turn.stored(picture.numpy()), self._fmt) for picture in pictures]
        return weave(planes, self._frames.scan)

    def _at(self, index: int) -> tuple[Window, MaskTrack, bool]:
        if self._held is None or index not in self._windows.owned(self._held[0]):
            window = next(w for w in self._windows.windows if index in self._windows.owned(w))
            self._held = window, self._masks[window.index], self._patches[window.index].full
        return self._held


class AgainError(Exception):
    """The whole clip came out otherwise than its trial: write it once more.

    Args:
        choice: With the better quality.
        why: What was found, for the record.
    """

    def __init__(self, choice: RateChoice, why: str) -> None:
        self.choice, self.why = choice, why
        super().__init__(why)


@dataclass(frozen=True)
class Promise:
    """Looks at the finished file while it still has its hidden name.

    Attributes:
        info: The source.
        plan: How it was written.
        choice: The quality chosen, and what was expected of it.
        destination: What the file is to be called.
        frames: Gives frames as they were written.
        allowed: Which samples may differ from the source's; None where all were made anew.
        forgiven: What the container has no place for.
        last: Whether there is no second attempt.
        progress: Tells how far it is.
        checkpoint: Where a long comparison keeps how far it is.
    """

    info: ClipInfo
    plan: EncoderPlan
    choice: RateChoice
    destination: Path
    frames: SampleFrames
    allowed: Allowed | None
    forgiven: tuple[str, ...]
    last: bool
    progress: Progress
    checkpoint: Checkpoints | None = None

    def __call__(self, part: Path) -> Mapping[str, Any]:
        """Verify the file.

        Raises:
            AgainError: Its bitrate or quality missed the aim and a better crf is known.
            IntegrityError: It is not what was promised.
        """
        bitrate = measure_bitrate(self.info, part)
        self._once_more(bitrate, PERFECT)
        made = None if self.plan.size is None else Remade(self.plan.size, self.frames)
        limit = Limit(self.plan.lossless, self.choice.least_psnr, self.plan.soft, made)
        found = verify(
            part,
            self.info,
            limit=limit,
            allowed=self.allowed,
            forgiven=self.forgiven,
            progress=self.progress,
            checkpoint=self.checkpoint,
        )
        psnr = found.outside.psnr if found.outside else PERFECT
        self._once_more(bitrate, psnr)
        if psnr < self.choice.least_psnr and self.choice.holds in ("source", "crf") and found.outside:
            # the trial saw easier pictures: what does the very same quality afford where it came out worst?
            least = affordable(self.info, self.plan, self.frames, found.outside.worst_frame, self.allowed)
            found = found.within(replace(limit, least_psnr=min(limit.least_psnr, least)))
        found.demand(self.destination)
        found = replace(found, result=self.destination)
        return {**found.as_dict(), "bitrate": self._told(bitrate), "quality_note": self._quality(found, bitrate)}

    def _once_more(self, bitrate: Bitrate, psnr: float) -> None:
        crf = None if self.last else corrected(self.choice, self.plan, bitrate.written, psnr)
        if crf is None:
            return
        found = f"{bitrate.written:.2f} times the source's bitrate" if psnr == PERFECT else f"{psnr:.1f} dB"
        why = f"crf {self.choice.crf:g} gave {found}: written again with crf {crf:g}"
        raise AgainError(replace(self.choice, crf=crf), why)

    def _told(self, bitrate: Bitrate) -> Mapping[str, Any]:
        crf = "" if self.plan.crf is None else f"crf {self.plan.crf:g}"
        quality = "lossless" if self.plan.lossless else "all copied" if self.choice.holds == "copy" else crf
        line = ", ".join(filter(None, (bitrate.line(), quality)))
        return {**bitrate.as_dict(), "line": line, "crf": self.plan.crf, "holds": self.choice.holds}

    def _quality(self, found: Verification, bitrate: Bitrate) -> str:
        if self.plan.size is not None and not self.plan.lossless:
            return self.choice.note
        if self.plan.lossless or found.outside is None:
            return ""
        return affords(min(found.outside.psnr, LEAST_PSNR), bitrate.ratio, self.choice, self.plan)
