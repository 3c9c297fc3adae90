"""Progress bars: one per clip with its ETA, one nested in it for the stage at work; quiet when not a terminal."""

from __future__ import annotations

import sys
from types import TracebackType

from tqdm import tqdm

STAGE_WEIGHT = {"decode": 1, "shots": 3, "masks": 2, "flow": 8, "inpaint": 70, "composite": 6, "encode": 10}
STAGE_WEIGHT |= dict.fromkeys(("upscale", "denoise", "dehaze", "segment", "separate", "restore"), 70)
"""Rough share of a clip's time, for the clip's bar alone."""


class Bars:
    """An observer that draws two tqdm bars.

    Args:
        title: Name of the clip.
        stages: Names of the pipeline's stages in order.
        quiet: Draw nothing.
    """

    def __init__(self, title: str, stages: tuple[str, ...], *, quiet: bool = False) -> None:
        off = quiet or not sys.stderr.isatty()
        self._weights = {s: STAGE_WEIGHT.get(s, 5) for s in stages}
        self._total = sum(self._weights.values())
        form = "{desc:<24.24} {percentage:3.0f}%|{bar}| {elapsed}<{remaining} {postfix}"
        self._clip = tqdm(total=1.0, desc=title, bar_format=form, disable=off, position=0)
        self._stage = tqdm(total=1.0, desc="", bar_format=form, disable=off, position=1, leave=False)
        self._current = ""

    def progress(self, stage: str, share: float, text: str) -> None:
        """Move both bars."""
        if stage != self._current:
            self._current = stage
            self._stage.reset(total=1.0)
            self._stage.set_description_str(f"  {stage}", refresh=False)
        before = 0
        for name, weight in self._weights.items():
            if name == stage:
                break
            before += weight
        self._stage.set_postfix_str(text, refresh=False)
        self._stage.update(max(0.0, share - self._stage.n))
        done = (before + share * self._weights.get(stage, 0)) / self._total
        self._clip.update(max(0.0, done - self._clip.n))

    def note(self, line: str) -> None:
        """Print a line above the bars; where there are none, the summary at the end has it."""
        if not self._clip.disable:
            tqdm.write(f"note: {line}", file=sys.stderr)

    def __enter__(self) -> Bars:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stage.close()
        self._clip.close()
