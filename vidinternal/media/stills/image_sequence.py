"""Numbered images as one clip: which files belong to it, in which order, and what is missing.

A sequence is named by its folder (``frames/``), by a printf pattern (``frames/%05d.png``) or by a glob
(``frames/shot_*.png``). The number is the last one in a file's name; names need no leading zeros.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from vidinternal.core.errors import MediaError, UserError

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"})
"""What is taken for an image in a folder."""
SUFFIX_KINDS = {".jpeg": "jpg", ".tiff": "tif"}
_PRINTF = re.compile(r"%(0(\d+))?d")


@dataclass(frozen=True)
class Naming:
    """How errors about a set of images speak.

    Attributes:
        where: What the set is called.
        error: The error's class.
        hint: What to do about missing images.
    """

    where: str
    error: type[UserError] = MediaError
    hint: str = "add the missing images, or give a folder of its own to each part"


def image_kind(path: Path) -> str | None:
    """``png``, ``jpg``, ``tif``, ``bmp`` or ``webp`` by the name's suffix; None for any other."""
    suffix = path.suffix.lower()
    return SUFFIX_KINDS.get(suffix, suffix[1:]) if suffix in IMAGE_SUFFIXES else None


def is_pattern(path: Path) -> bool:
    """Whether a path is a printf pattern of images, such as ``out/%05d.png``."""
    return bool(_PRINTF.search(path.name)) and image_kind(path) is not None and not path.is_file()


def pattern_name(pattern: Path, number: int) -> str:
    """The file name that a printf pattern gives a number."""
    return _PRINTF.sub(lambda m: f"{number:0{int(m[2] or 0)}d}", pattern.name, count=1)


def names_many(path: Path) -> bool:
    """Whether a path names images by a pattern or a glob instead of being a file or a folder itself."""
    return is_pattern(path) or (not path.exists() and image_kind(path) is not None and glob.has_magic(str(path)))


def images_in(folder: Path) -> list[Path]:
    """The images that lie in a folder itself, hidden files aside, in the order of their names."""
    return sorted(f for f in folder.iterdir() if image_kind(f) and not f.name.startswith(".") and f.is_file())


def sequence_files(path: Path) -> list[Path]:
    """The images of a sequence in the order of their numbers.

    Args:
        path: A folder, a printf pattern or a glob.

    Raises:
        MediaError: There are none, numbers are missing or used twice, or the names differ in more than the number.
    """
    if path.is_dir():
        files = images_in(path)
        expected = "numbered images (png, jpg, tif, bmp, webp)"
    elif is_pattern(path):
        fits = re.compile(_PRINTF.sub(r"(\\d+)", _escaped(path.name), count=1))
        files = [f for f in images_in(path.parent) if fits.fullmatch(f.name)] if path.parent.is_dir() else []
        expected = "images whose names fit the pattern"
    else:
        # Path.glob refuses absolute patterns, which people do give.
        files = [Path(f) for f in sorted(glob.glob(str(path))) if image_kind(Path(f)) and Path(f).is_file()]  # noqa: PTH207
        expected = "images that match"
    if not files:
        raise MediaError(f"{path}: no images", expected=expected, got="none")
    ordered = list(by_number(files, Naming(str(path))).values())
    _check_names(ordered, path)
    return ordered


def _escaped(name: str) -> str:
    """A file name as a regular expression that leaves ``%05d`` alone."""
    found = _PRINTF.search(name)
    if found is None:
        return re.escape(name)
    return re.escape(name[: found.start()]) + found[0] + re.escape(name[found.end() :])


def by_number(files: Iterable[Path], naming: Naming) -> dict[int, Path]:
    """Images by their numbers, in order.

    Raises:
        UserError: Of the naming's class; one has no number, numbers are missing, or two images have the same.
    """
    found = {f: re.findall(r"\d+", f.stem) for f in sorted(files)}
    plain = sorted(f.name for f, numbers in found.items() if not numbers)
    if plain:
        raise naming.error(naming.where, expected="a number in every image's name", got=f"none in {some(plain)}")
    numbered: dict[int, Path] = {}
    for file, numbers in found.items():
        number = int(numbers[-1])
        if number in numbered:
            names = f"{numbered[number].name} and {file.name}"
            raise naming.error(naming.where, expected="one image a number", got=f"{names} for number {number}")
        numbered[number] = file
    first, last = min(numbered), max(numbered)
    count = last - first + 1 - len(numbered)
    if count:
        raise naming.error(
            naming.where,
            expected=f"an image for every number from {first} to {last}",
            got=f"{count} missing: {some(_missing(sorted(numbered)), count)}",
            hint=naming.hint,
        )
    return {number: numbered[number] for number in sorted(numbered)}


def _check_names(files: Sequence[Path], path: Path) -> None:
    """Refuse names that differ in more than their number: two sequences, or two kinds of images, in one folder."""
    first = files[0]
    odd = next((f for f in files if shape(f) != shape(first)), None)
    if odd is not None:
        raise MediaError(
            f"{path}: more than one sequence",
            expected=f"names that differ from {first.name} in the number alone",
            got=odd.name,
            hint=f"{path.parent / 'FOLDER'} of its own for each, or a pattern such as {pattern_of(first)}",
        )


def shape(file: Path) -> tuple[str, str, str]:
    """What two images of one sequence have in common: what stands around the number, and the kind."""
    before, _, after = _parts(file)
    return before, after, image_kind(file) or ""


def _parts(file: Path) -> tuple[str, str, str]:
    """What stands before the last number of a name, the number, and what stands after it."""
    found = re.fullmatch(r"(.*?)(\d+)(\D*)", file.stem)
    return (found[1], found[2], found[3]) if found else (file.stem, "", "")


def number_text(file: Path) -> str:
    """The last number in an image's name as it is written, empty where it has none."""
    return _parts(file)[1]


def number_of(file: Path) -> int:
    """The last number in an image's name, 0 where it has none."""
    return int(number_text(file) or 0)


def pattern_of(file: Path) -> Path:
    """The printf pattern that a numbered image belongs to."""
    before, number, after = _parts(file)
    padded = f"%0{len(number)}d" if number.startswith("0") and len(number) > 1 else "%d"
    return file.with_name(f"{before}{padded}{after}{file.suffix}")


def _missing(numbers: Sequence[int]) -> list[str]:
    """The first missing numbers, no more than a message can hold."""
    gaps: list[str] = []
    for before, after in pairwise(numbers):
        gaps += [str(n) for n in range(before + 1, min(after, before + 12))]
        if len(gaps) > 10:
            break
    return gaps


def some(names: Sequence[str], count: int | None = None) -> str:
    """The first ten names, and how many more there are."""
    more = (len(names) if count is None else count) - 10
    return ", ".join(names[:10]) + (f" and {more} more" if more > 0 else "")
