"""Pages as text: one HTML file that needs nothing beside it, everything in it escaped, made piece by piece."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from vidinternal.core.errors import UsageError
from vidinternal.report.writing import shown

if TYPE_CHECKING:
    import jinja2
    from markupsafe import Markup


def _text(name: str) -> str:
    return files("vidinternal.report").joinpath(name).read_text(encoding="utf-8")


def _environment() -> jinja2.Environment:
    try:
        import jinja2  # noqa: PLC0415 - an extra; the rest of the report works without it
    except ModuleNotFoundError as error:
        raise UsageError(
            "--report", expected="jinja2", got="not installed", hint="pip install 'vidinternal[report]'"
        ) from error
    return jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_printable
    )


def require_libraries() -> None:
    """Refuse, before any work, what could not be written for want of a library.

    Raises:
        UsageError: Jinja or matplotlib is not installed.
    """
    _environment()
    try:
        import matplotlib  # noqa: F401, PLC0415 - an extra
    except ModuleNotFoundError as error:
        hint = "pip install 'vidinternal[report]'"
        raise UsageError("--report", expected="matplotlib", got="not installed", hint=hint) from error


def _printable(value: Any) -> Any:
    """Text of the user's without what does not print, lines left as they are; what is markup already stays."""
    if not isinstance(value, str) or hasattr(value, "__html__"):
        return value
    return "\n".join(shown(line) for line in value.split("\n"))


def markup(text: str) -> Markup:
    """Text of our own that is markup, styles or a script already."""
    from markupsafe import Markup  # noqa: PLC0415 - comes with Jinja

    return Markup(text)


def for_script(value: Any) -> Markup:
    """JSON that may stand inside a ``script`` element, whatever texts it holds."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    for letter in "<>&":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return markup(text)


def pieces(template: str, scripts: Sequence[str], context: Mapping[str, Any]) -> Iterator[str]:
    """A page piece by piece; what the context gives as an iterator is asked for when its place comes.

    Args:
        template: Name of the page's template.
        scripts: Names of what its script is made of, the only one that browsers will run on it.
        context: What the template asks for.

    Raises:
        UsageError: Jinja is not installed.
    """
    code = "\n".join(map(_text, scripts))
    allowed = f"sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}"
    own = {"style": markup(_text("page.css")), "script": markup(code), "script_hash": markup(allowed)}
    return _environment().from_string(_text(template)).generate({**own, **context})
