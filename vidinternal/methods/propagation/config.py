"""Settings of ``propagation``."""

from __future__ import annotations

from vidinternal.ops.settings import PropagateSettings


class Config(PropagateSettings):
    """How pixels are brought along; the same settings as the operation's."""
