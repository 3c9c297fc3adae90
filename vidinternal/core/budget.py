"""Time a job may take, shared out among its parts."""

from __future__ import annotations

import re
import time

from vidinternal.core.errors import UsageError

_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}

_MOST = 100 * 366 * 86400.0


def parse_seconds(text: str) -> float:
    """Read a duration such as ``90``, ``90s``, ``10m``, ``1.5h`` or ``1h30m`` as seconds.

    Raises:
        UsageError: The text is not a positive duration.
    """
    stripped = text.strip().lower()
    parts = re.findall(r"([0-9]*\.?[0-9]+)([smh]?)", stripped)
    if not parts or "".join(n + u for n, u in parts) != stripped:
        raise UsageError("--budget", expected="a duration such as 90s, 10m or 1.5h", got=repr(text))
    seconds = sum(float(n) * _UNITS[u] for n, u in parts)
    if not 0 < seconds < _MOST:
        raise UsageError("--budget", expected="more than zero seconds and less than a hundred years", got=repr(text))
    return seconds


class Budget:
    """A deadline on the monotonic clock; ``None`` seconds means unlimited.

    Args:
        seconds: How long from now, or None.
    """

    def __init__(self, seconds: float | None = None) -> None:
        self._start = time.monotonic()
        self.seconds = seconds

    def charge(self, seconds: float) -> Budget:
        """Count time that an earlier, interrupted run has already spent; returns itself."""
        self._start -= seconds
        return self

    def elapsed(self) -> float:
        """Seconds since the budget was made, and those charged to it."""
        return time.monotonic() - self._start

    def remaining(self) -> float:
        """Seconds left, never negative; infinity when unlimited."""
        return float("inf") if self.seconds is None else max(0.0, self.seconds - self.elapsed())

    def expired(self) -> bool:
        """Whether no time is left."""
        return self.remaining() <= 0.0

    def fraction_used(self) -> float:
        """Share of the time that has gone, 0 to 1; 0 when unlimited."""
        return 0.0 if not self.seconds else min(1.0, self.elapsed() / self.seconds)

    def share(self, fraction: float) -> Budget:
        """Return a new budget that starts now with ``fraction`` of what is left."""
        return Budget(None if self.seconds is None else self.remaining() * fraction)
