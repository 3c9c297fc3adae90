"""Fonts of bench ``subtitles``: free ones from Debian packages, and the one that Pillow brings along."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from PIL import ImageFont, features
from PIL.ImageFont import FreeTypeFont

from vidinternal.core.errors import UsageError

FONT_FOLDER = Path("/usr/share/fonts")
"""Where Debian puts fonts."""
BUILT_IN = "built-in"
"""Name of the script whose letters Pillow brings along; Latin alone."""


@dataclass(frozen=True)
class FontSource:
    """Where the letters of a script come from.

    Attributes:
        file: Below :data:`FONT_FOLDER`.
        package: Debian's name of what installs it.
        licence: As the package states it.
        shaped: Whether letters change with their neighbours, so that Pillow needs its library for that.
    """

    file: str
    package: str
    licence: str
    shaped: bool = False


SOURCES = {
    "latin": FontSource("truetype/dejavu/DejaVuSans-Bold.ttf", "fonts-dejavu-core", "Bitstream Vera"),
    "cyrillic": FontSource("truetype/dejavu/DejaVuSans-Bold.ttf", "fonts-dejavu-core", "Bitstream Vera"),
    "cjk": FontSource("truetype/wqy/wqy-microhei.ttc", "fonts-wqy-microhei", "Apache-2.0 or GPL-3 with font exception"),
    "arabic": FontSource("opentype/fonts-hosny-amiri/Amiri-Bold.ttf", "fonts-hosny-amiri", "OFL-1.1", shaped=True),
}
"""By script."""


@cache
def texts() -> Mapping[str, Any]:
    """The sentences, by script, and what the logo says."""
    return json.loads(files("vidinternal.bench.subtitles").joinpath("texts.json").read_text(encoding="utf-8"))


def missing(script: str, folder: Path = FONT_FOLDER) -> str | None:
    """What to do before a script can be drawn; None where all is there.

    Args:
        script: A key of :data:`SOURCES`.
        folder: Where the fonts are.
    """
    source = SOURCES[script]
    if not (folder / source.file).is_file():
        return f"sudo apt-get install {source.package}"
    if source.shaped and not features.check("raqm"):
        return "pip install --force-reinstall --only-binary :all: pillow (this one was built without Raqm)"
    return None


def font(script: str, size: int, folder: Path = FONT_FOLDER) -> FreeTypeFont:
    """The font of a script.

    Args:
        script: A key of :data:`SOURCES`, or :data:`BUILT_IN`.
        size: Pixels from line to line, about.
        folder: Where the fonts are.

    Raises:
        UsageError: It is not installed; tells the command that installs it.
    """
    if script == BUILT_IN:
        found = ImageFont.load_default(size)
        if isinstance(found, FreeTypeFont):
            return found
        raise UsageError("font", expected="a Pillow built with FreeType", got="one without")
    needed = missing(script, folder)
    if needed is not None:
        raise UsageError(f"font of script '{script}'", expected=SOURCES[script].file, got="none", hint=needed)
    return ImageFont.truetype(str(folder / SOURCES[script].file), size)
