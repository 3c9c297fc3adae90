"""Are the images written what was promised? Samples read back and held against the source, or against what was made."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from vidinternal.core.clip import ClipInfo, ReadPolicy
from vidinternal.core.contracts import Progress
from vidinternal.core.errors import IntegrityError
from vidinternal.media.decode import ClipReader
from vidinternal.media.outside import Allowed, Outside, OutsideSums
from vidinternal.media.picture import picture_format
from vidinternal.media.stills.clip import probe_stills, stills_frames
from vidinternal.media.stills.plan import StillPlan, converted
from vidinternal.media.verify_samples import Limit, Remade, samples_line


@dataclass(frozen=True)
class StillsPromise:
    """Looks at finished images or a finished animation while they still have their hidden name.

    Attributes:
        info: The source.
        plan: How they were written.
        destination: What they are to be called.
        allowed: Which samples may differ from the source's; or the pictures that stand in for the source's.
        progress: Tells how far it is.
    """

    info: ClipInfo
    plan: StillPlan
    destination: Path
    allowed: Allowed | Remade | None
    progress: Progress

    def __call__(self, part: Path) -> dict[str, Any]:
        """Verify them; JSON-ready findings.

        Raises:
            IntegrityError: A sample outside the mask changed where none may; or one of a picture that was made anew.
        """
        count = len(ClipReader(self.info))
        remade = self.allowed if isinstance(self.allowed, Remade) else None
        outside = self._outside(part, count, remade) if self.plan.exact or remade else None
        changed = outside is not None and outside.changed > 0
        if outside is not None and self._lossless(remade) and changed:
            raise IntegrityError(
                f"{self.destination}: what was written is not what was promised",
                expected="every sample as it was made" if remade else "every sample outside the mask as in the source",
                got=f"{outside.changed} of {outside.samples} changed, by up to {outside.largest} codes",
                hint="the result did not get its name; write an .mkv with --set encode.codec=ffv1",
            )
        told = _samples(outside) if remade is None else samples_line(outside, Limit(remade=remade))
        return {
            "ok": True,
            "line": f"{count} frames, {told}",
            "result": str(self.destination),
            "source": str(self.info.path),
            "frames": [count, count],
            "outside": outside.as_dict() if outside else None,
            "lossless": self._lossless(remade),
            "mismatches": [],
        }

    def _lossless(self, remade: Remade | None) -> bool:
        """Whether no sample may differ; a palette seldom has all colours of new pictures."""
        if remade is None:
            return self.plan.lossless
        return self.plan.kind not in ("jpg", "gif") and self.plan.quality is None

    def _outside(self, part: Path, count: int, remade: Remade | None) -> Outside:
        policy = ReadPolicy(max_pixels=self.info.policy.max_pixels)
        written = replace(probe_stills(part, policy), pix_fmt=self.plan.pix_fmt)
        fmt = picture_format(self.plan.pix_fmt)
        sums = OutsideSums(fmt)
        made = remade.frames(0, count) if remade is not None and remade.frames is not None else None
        pairs = zip(made or ClipReader(self.info).frames(), stills_frames(written, 0, count), strict=True)
        for index, (before, after) in enumerate(pairs):
            exact = self.plan.exact or remade is None
            wanted = converted(before, self.plan.pictures(self.info), self.plan.pix_fmt, exact=exact)
            free = None if self.allowed is None or isinstance(self.allowed, Remade) else self.allowed(index)
            if free is not None and self.plan.pix_fmt != self.info.pix_fmt:
                free = tuple(np.any(free, axis=0) for _ in fmt.planes)
            sums.add(index, wanted, after.planes, free)
            self.progress((index + 1) / count, f"looking at frame {index + 1} of {count}")
        return sums.found()


def _samples(outside: Outside | None) -> str:
    if outside is None:
        return "samples converted and not compared"
    return f"{outside.psnr:.1f} dB outside the mask" if outside.changed else "0 samples changed outside the mask"
