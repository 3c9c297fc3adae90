"""Asking work to stop: once politely, so that it comes to a place where nothing is lost; a second time at once."""

from __future__ import annotations

import time

GRACE = 10.0
"""Seconds a window may go on after the first request; then training saves its state and ends in the middle."""


class Interrupted(KeyboardInterrupt):
    """Work was stopped on request; what was done is kept.

    It is no :class:`Exception`, so that nothing takes it for a failure of the work itself.

    Args:
        message: One line: where it stands.
    """

    def __init__(self, message: str = "stopped") -> None:
        super().__init__(message)
        self.message = message


class Stop:
    """Whether somebody asked to stop, and for how long that has been so.

    Args:
        grace: Seconds a window may go on.
    """

    def __init__(self, grace: float = GRACE) -> None:
        self.grace = grace
        self._since: float | None = None

    @property
    def asked(self) -> bool:
        """Whether to stop at the next place where nothing is lost."""
        return self._since is not None

    @property
    def overdue(self) -> bool:
        """Whether the time that a window may go on has passed."""
        return self._since is not None and time.monotonic() - self._since >= self.grace

    def ask(self) -> None:
        """Ask to stop; safe in a signal handler."""
        self._since = time.monotonic() if self._since is None else self._since
