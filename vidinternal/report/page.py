"""One HTML file that holds a run's record and pictures; needs nothing beside it."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from vidinternal.core.errors import UsageError
from vidinternal.report.before_after import write_atomically


def write_page(record: Mapping[str, Any], pictures: Mapping[str, bytes], path: Path) -> None:
    """Write the page atomically.

    Args:
        record: A run's record, as :func:`vidinternal.runner.record.describe_run` makes it.
        pictures: PNG by caption, shown in order.
        path: The HTML file.

    Raises:
        UsageError: Jinja is not installed.
    """
    write_atomically(path, render_page(record, pictures).encode())


def render_page(record: Mapping[str, Any], pictures: Mapping[str, bytes]) -> str:
    """The page as text; see :func:`write_page`."""
    try:
        import jinja2  # noqa: PLC0415 - an extra; the rest of the report works without it
    except ModuleNotFoundError as error:
        raise UsageError(
            "--report", expected="jinja2", got="not installed", hint="pip install 'vidinternal[report]'"
        ) from error
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    template = environment.from_string(files("vidinternal.report").joinpath("page.html").read_text(encoding="utf-8"))
    encoded = {caption: base64.b64encode(data).decode() for caption, data in pictures.items()}
    return template.render(
        record=record,
        pictures=encoded,
        total=sum(record["timings"].values()),
        raw=json.dumps(record, indent=1, ensure_ascii=False),
    )
