"""Settings of ``propagation``."""

from __future__ import annotations

from vidinternal.ops.settings import PropagateSettings


class Config(PropagateSettings):
    """How pixels are brought along: the settings of the operation itself."""
