"""Settings of the search for burnt-in text, boxes and logos."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from vidinternal.core.config import StrictModel

Kind = Literal["text", "box", "logo"]


class Config(StrictModel):
    """How overlays are found, and which of them are removed."""

    detector: Literal["auto", "temporal", "ocr", "both"] = "auto"
    """``temporal`` needs no language: what stands still over the picture, and comes and goes at once. With the extra
    of that name, ``ocr`` keeps of these only what can be read, ``both`` asks it where they are in doubt; ``auto`` is
    ``both`` where the extra is installed."""
    kinds: tuple[Kind, ...] = Field(default=("text", "box"), min_length=1)
    """What is removed of what is found: ``text``, the ``box`` behind it, a ``logo`` that stays; all are told."""
    scan_height: int = Field(default=360, ge=90, le=1080)
    """Rows of the small pictures in which overlays are first looked for; at most the clip's own."""
    scan_rate: float = Field(default=8.0, gt=0, le=60)
    """Pictures a second that are looked at; each frame in clips too short for that."""
    least_seconds: float = Field(default=0.4, ge=0)
    """Shortest time an overlay stays; shorter ones are taken for the picture."""
    grow: int = Field(default=1, ge=0, le=32)
    """Pixels added around what an overlay touches."""
