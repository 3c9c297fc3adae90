"""Settings of given masks: none."""

from vidinternal.core.config import StrictModel


class Config(StrictModel):
    """Nothing to set."""
