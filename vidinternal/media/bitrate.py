"""The bitrate of the video of a finished file beside its source's, from the sizes of the stored packets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from vidinternal.core.clip import ClipInfo, ReadPolicy
from vidinternal.media.packets import picture_bytes
from vidinternal.media.probe import frame_pts, probe
from vidinternal.media.times import rounded


@dataclass(frozen=True)
class Bitrate:
    """Video alone, without the other streams and the container.

    Attributes:
        source: Kilobits per second of the source.
        result: Kilobits per second of the result.
        written: Bytes of the packets that were encoded anew over those the source had at these times; the ratio of all
            bytes where none was copied.
    """

    source: float
    result: float
    written: float

    @property
    def ratio(self) -> float:
        """Bitrate of the result over that of the source."""
        return self.result / self.source

    def line(self) -> str:
        """For people."""
        off = f"{100 * (self.ratio - 1):+.0f} %"
        return f"{self.result:.0f} kbit/s of video, source {self.source:.0f} kbit/s ({off})"

    def as_dict(self) -> Mapping[str, Any]:
        """JSON-ready."""
        return {
            "line": self.line(),
            "source_kbit_s": round(self.source, 1),
            "result_kbit_s": round(self.result, 1),
            "ratio": round(self.ratio, 4),
            "written_ratio": round(self.written, 4),
        }


def measure_bitrate(source: ClipInfo, result: Path) -> Bitrate:
    """Compare the video packets of two files; nothing is decoded.

    Args:
        source: What the result was made from.
        result: The file; packets that are byte for byte the source's count as copied.

    Raises:
        MediaError: A file cannot be read.
    """
    made = probe(result, ReadPolicy(max_pixels=source.policy.max_pixels))
    old, new = picture_bytes(source), picture_bytes(made)
    in_result = {rounded(pts * source.time_base, made.time_base): stored for pts, stored in old.items()}
    pairs = [(in_result[pts], stored) for pts, stored in new.items() if pts in in_result]
    written = [(a[0], b[0]) for a, b in pairs if a[1] != b[1]]
    bytes_ = [sum(size for size, _ in stored.values()) for stored in (old, new)]
    seconds = _seconds(source)
    before, after = (sum(column) for column in zip(*written, strict=True)) if written else (1, 1)
    return Bitrate(
        source=float(bytes_[0] * 8 / seconds / 1000),
        result=float(bytes_[1] * 8 / seconds / 1000),
        written=after / max(before, 1),
    )


def _seconds(info: ClipInfo) -> Fraction:
    pts = frame_pts(info)
    return (pts[-1] - pts[0]) * info.time_base + 1 / info.rate
