"""Stages whose methods may be shown a second picture of the same scene: a flash pair, another mixture of two layers."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from vidinternal.core.clip import ClipInfo
from vidinternal.core.errors import ConfigError, UsageError
from vidinternal.media.probe import frame_pts, probe
from vidinternal.stages.decode import FrameSource
from vidinternal.stages.lift.reader import InOrder
from vidinternal.stages.output_clip import picture_size, scan_in
from vidinternal.stages.per_frame import PerFrame


class Guide(InOrder):
    """Second pictures; a single one stands beside every picture of the clip."""

    def __init__(self, guide: FrameSource, frames: FrameSource, keep: int) -> None:
        super().__init__(guide, len(guide), keep)
        self.single = len(guide) == 1 < len(frames)

    def pictures(self, start: int, end: int) -> Tensor:
        """``T 3 h w``."""
        if not self.single:
            return super().pictures(start, end)
        return super().pictures(0, 1).expand(end - start, -1, -1, -1).clone()


class Guided(PerFrame):
    """One method on every picture, a second picture beside each; its settings have a field ``guide``."""

    def also_check(self, info: ClipInfo, size: tuple[int, int]) -> tuple[str, ...]:
        """Refuse second pictures that do not fit.

        Raises:
            ConfigError: The method takes none.
            UsageError: Their size or number is another one.
            MediaError: They cannot be read.
        """
        path: Path | None = self.config.guide
        if path is None:
            return ()
        if not self.card.guided:
            got = f"{self.name}.method={self.card.name}, which takes none"
            raise ConfigError(f"{self.name}.guide", expected="a method that takes a second picture", got=got)
        guide = probe(path, info.policy)
        own = picture_size(guide, scan_in((), guide))
        if own != size:
            raise UsageError(
                f"{self.name}.guide {path}",
                expected=f"{size[1]}x{size[0]}, as the clip's pictures",
                got=f"{own[1]}x{own[0]}",
            )
        count, wanted = len(frame_pts(guide)), len(frame_pts(info))
        if count not in (1, wanted):
            raise UsageError(
                f"{self.name}.guide {path}", expected=f"one picture, or {wanted} as the clip has", got=f"{count}"
            )
        return ()

    def guide(self, frames: FrameSource) -> Guide | None:
        """The second pictures; None where none are given."""
        path: Path | None = self.config.guide
        if path is None:
            return None
        info = probe(path, frames.info.policy)
        return Guide(FrameSource(info, scan_in((), info)), frames, self.card.group + 2)
