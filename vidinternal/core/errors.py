"""Errors a person can act on: where, what was expected, what came, what to do next.

Every error of the user's making derives from :class:`UserError`; the command line prints it without a traceback and
leaves with its ``exit_code``. Anything else that escapes is a defect of ours and keeps its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Something the caller can put right.

    Args:
        where: The file, stage, field or line the error is about.
        expected: What would have been accepted.
        got: What came instead.
        hint: The next thing to try; a command where one exists.
    """

    exit_code = 2
    many_lines = False  # whether a part may be a list of findings, one a line

    def __init__(self, where: str, *, expected: str = "", got: str = "", hint: str = "") -> None:
        self.where, self.expected, self.got, self.hint = where, expected, got, hint
        super().__init__(self.message)

    @property
    def message(self) -> str:
        """The whole error in one line per fact, whatever characters a path or a text of the user's brings in."""

        def plain(text: str) -> str:
            return "\n".join(one_line(part) for part in text.split("\n")) if self.many_lines else one_line(text)

        lines = [plain(self.where)]
        if self.expected:
            lines.append(f"  expected: {plain(self.expected)}")
        if self.got:
            lines.append(f"  got:      {plain(self.got)}")
        if self.hint:
            lines.append(f"  try:      {plain(self.hint)}")
        return "\n".join(lines)


class PipelineError(UserError):
    """A pipeline file, a stage's wiring or a ``--set`` does not hold together."""

    many_lines = True


class ConfigError(PipelineError):
    """One field of a stage or method has a wrong name, type or value."""


class MaskError(UserError):
    """A mask or region does not fit the clip."""


class UsageError(UserError):
    """A command or function was called in a way that cannot work."""


class MediaError(UserError):
    """A file cannot be read, written or held by its container. Fails the clip, not the batch."""

    exit_code = 1


class IntegrityError(UserError):
    """What was written is not what was promised; the output never gets its final name."""

    exit_code = 1
    many_lines = True


class ResourceError(UserError):
    """The machine has too little of something, or does not let us have it: memory, room on a disk, a folder."""

    exit_code = 1


class BudgetError(UserError):
    """The time allowed is too short to produce any result."""

    exit_code = 1


def one_line(text: str) -> str:
    """The text with everything that does not print, line breaks included, written as Python would escape it."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ``"did you mean 'x'? known: a, b"`` for a name that is not among ``known``."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    guess = f"did you mean '{close[0]}'? " if close else ""
    return f"{guess}known: {', '.join(names)}"
