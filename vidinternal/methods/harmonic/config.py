"""Settings of ``harmonic``: there are none."""

from __future__ import annotations

from vidinternal.core.config import StrictModel


class Config(StrictModel):
    """The solution is unique; nothing can be chosen."""
