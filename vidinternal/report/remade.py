"""What a page shows of a run that made every picture anew: the findings of its method, window by window."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_SHOWN_ELSEWHERE = {
    *("frames", "hole_pixels", "expected_psnr", "method", "task", "stopped", "iterations", "seconds", "history"),
    *("notes", "signature", "trained", "groups", "warm_share", "size", "output_size", "papers"),
}


def told_rows(record: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """A row for each finding of each window, as text.

    Args:
        record: The run's.
    """
    number = 0
    for shot in record["shots"]:
        for facts in shot["windows"]:
            number += 1
            for name, value in facts.items():
                if name not in _SHOWN_ELSEWHERE and value not in (None, "", [], {}):
                    yield {"window": str(number), "name": name.replace("_", " "), "value": _text(value)}


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_text(entry)}" for name, entry in value.items() if entry is not None)
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value))
    return str(value)
