"""The page of a batch: a row a clip, to be sorted, with thumbnails, each linking to the page of the clip."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import cv2
import numpy as np

from vidinternal.report.encoded import webp
from vidinternal.report.page import pieces
from vidinternal.report.writing import shown, write_whole

FOLDER = ".clips"
"""Suffix of the folder beside the page of a batch in which the pages of its clips lie."""
THUMBNAIL = 180
"""Widest a thumbnail gets, pixels."""
_HEAD = 200_000  # characters at the head of a clip's page in which its summary stands
_LONGEST = 240  # bytes of a file name; systems allow 255
_COLUMNS = (
    {"name": "clip", "kind": ""},
    {"name": "status", "kind": ""},
    {"name": "expected, dB", "kind": "n"},
    {"name": "frames", "kind": "n"},
    {"name": "seconds", "kind": "n"},
    {"name": "notes", "kind": "n"},
)


@dataclass(frozen=True)
class Line:
    """What is told of one clip.

    Attributes:
        name: Its path below the folder given.
        status: ``done``, ``failed`` ...
        error: Why it failed, else empty.
        expected: dB of its worst shot; None where it has no score.
        seconds: Seconds its result took.
        notes: How many there are.
    """

    name: str
    status: str
    error: str = ""
    expected: float | None = None
    seconds: float = 0.0
    notes: int = 0


def clip_page(batch: Path, name: str) -> Path:
    """Where the page of a clip of a batch lies.

    Args:
        batch: The page of the batch.
        name: Of the clip, below the folder given.
    """
    place = batch.with_name(batch.stem + FOLDER) / f"{name}.html"
    last = os.fsencode(place.name)
    if len(last) <= _LONGEST:
        return place
    return place.with_name(f"{os.fsdecode(last[:180])}~{hashlib.sha256(last).hexdigest()[:16]}.html")


def link(target: Path, page: Path) -> str:
    """The relative address of a file for a page, whatever bytes its name holds."""
    return quote(os.fsencode(os.path.relpath(target, page.parent)))


def small(picture: bytes) -> bytes:
    """A WebP picture made as wide as a thumbnail."""
    read = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    if read is None:
        return picture
    wide = min(THUMBNAIL, read.shape[1])
    size = wide, max(1, round(read.shape[0] * wide / read.shape[1]))
    return webp(cv2.cvtColor(cv2.resize(read, size, interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2RGB))


def summary(frames: int, thumbnails: Sequence[bytes]) -> dict[str, Any]:
    """What a clip's page says of itself to the page of its batch."""
    pictures = [f"data:image/webp;base64,{base64.b64encode(small(t)).decode()}" for t in thumbnails]
    return {"frames": frames, "thumbnails": pictures}


def read_summary(page: Path) -> Mapping[str, Any]:
    """What a clip's page says of itself; nothing where there is no such page, or none of ours."""
    try:
        with page.open(encoding="utf-8", errors="replace") as file:
            head = file.read(_HEAD)
        found = re.search(r'<script type="application/json" id="summary">(.*?)</script>', head, re.DOTALL)
        value = json.loads(html.unescape(found[1])) if found else {}
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def write_batch_page(lines: Sequence[Line], path: Path, told: str = "", notes: Sequence[str] = ()) -> None:
    """Write the page of a batch; clips whose page is not there have no link.

    Args:
        lines: One a clip.
        path: The HTML file.
        told: One line about the batch.
        notes: What a person should know.

    Raises:
        UsageError: Jinja is not installed.
        ResourceError: The page cannot be written.
    """
    done = sum(line.status in ("done", "already done") for line in lines)
    failed = sum(line.status == "failed" for line in lines)
    known = [line.expected for line in lines if line.expected is not None]
    tiles = [
        {"value": f"{done} of {len(lines)}", "name": "clips done", "state": "good" if done == len(lines) else ""},
        {"value": str(failed), "name": "failed", "state": "bad" if failed else ""},
    ]
    if known:
        tiles.append({"value": f"{min(known):.1f} dB", "name": "to expect in the worst clip", "state": ""})
    context = {
        "title": f"{len(lines)} clips" if len(lines) != 1 else "1 clip",
        "told": told,
        "tiles": tiles,
        "notes": list(notes),
        "columns": _COLUMNS,
        "folder": shown(path.stem + FOLDER),
        "rows": (_row(line, path) for line in lines),
    }
    write_whole(path, pieces("batch.html", ("batch.js",), context))


def _row(line: Line, path: Path) -> dict[str, Any]:
    page = clip_page(path, line.name)
    there = page.is_file() and line.status not in ("failed", "skipped")
    known = read_summary(page) if there else {}
    pictures = [p for p in known.get("thumbnails", ()) if isinstance(p, str) and p.startswith("data:image/webp;")]
    good = line.status in ("done", "already done")
    return {
        "name": shown(line.name),
        "status": line.status,
        "state": "good" if good else "bad" if line.status == "failed" else "",
        "error": line.error,
        "expected": line.expected,
        "seconds": line.seconds,
        "frames": known.get("frames"),
        "notes": line.notes,
        "link": link(page, path) if there else "",
        "before": pictures[0] if len(pictures) == 2 else "",
        "after": pictures[1] if len(pictures) == 2 else "",
    }
