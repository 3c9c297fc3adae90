"""What is written to images and animations, decided before any work: the layout, and what they cannot hold."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import accumulate, pairwise
from pathlib import Path

import numpy as np

from vidinternal.core.clip import ClipInfo
from vidinternal.core.errors import MediaError
from vidinternal.media.color import to_rgb
from vidinternal.media.picture import NativeFrame, PictureFormat, picture_format
from vidinternal.media.stills.animation import animation, is_animation
from vidinternal.media.stills.clip import images, is_sequence, is_stills
from vidinternal.media.stills.gif_file import GifFacts
from vidinternal.media.stills.image_sequence import image_kind, is_pattern, number_of, pattern_name
from vidinternal.media.stills.png_file import PngAnimation
from vidinternal.media.stills.webp_file import TOP_DELAY, webp_facts
from vidinternal.media.stills.write import HOLDS

_ANIMATIONS = {"gif": ("rgb24", "rgba"), "apng": HOLDS["png"], "webp": HOLDS["webp"]}
_TOP = 65535
_LONGEST = {"webp": 16383, "jpg": 65500}
_MANY = "vidinternal run ... -o FOLDER/%05d.png"


@dataclass(frozen=True)
class StillPlan:
    """What will be written.

    Attributes:
        kind: Of each image, ``png``, ``jpg``, ``tif``, ``bmp`` or ``webp``; or ``gif``, ``apng``, ``webp``.
        animated: Whether it is one animation.
        pix_fmt: Layout of what is written.
        files: The files to be: one for each picture, or the one file.
        folder: Whether ``files`` are a folder's.
        exact: Whether every sample of the source can be found again.
        quality: 0 to 100 where pictures are coded with loss by choice.
        delays: Numerator and denominator of the seconds of every frame of an animation.
        plays: How often an animation plays, 0 = for ever.
        notes: What a person should know.
        size: Width and height of the pictures, where all of them were made anew; None where they are the source's.
    """

    kind: str
    animated: bool
    pix_fmt: str
    files: tuple[Path, ...]
    folder: bool
    exact: bool
    quality: int | None = None
    delays: tuple[tuple[int, int], ...] = ()
    plays: int = 0
    notes: tuple[str, ...] = ()
    size: tuple[int, int] | None = None

    def pictures(self, info: ClipInfo) -> ClipInfo:
        """A clip with pictures of the size that is written; itself where they have its own."""
        return info if self.size is None else replace(info, width=self.size[0], height=self.size[1])

    @property
    def lossless(self) -> bool:
        """Whether every sample is kept exactly."""
        return self.exact and self.kind != "jpg" and self.quality is None


def writes_stills(info: ClipInfo, destination: Path) -> bool:
    """Whether a destination is of images or an animation: such a suffix or pattern, or a folder for a sequence."""
    if image_kind(destination) or destination.suffix.lower() in (".gif", ".apng"):
        return True
    return is_sequence(info.path) and (destination.is_dir() or not destination.suffix)


def still_plan(
    info: ClipInfo,
    destination: Path,
    quality: int | None,
    pts: tuple[int, ...],
    size: tuple[int, int] | None = None,
) -> StillPlan:
    """Decide what is written.

    Args:
        info: The source.
        destination: A folder, a printf pattern, an image or an animation.
        quality: 0 to 100 for WebP whose source is lossy too; None is lossless.
        pts: The source's times.
        size: Width and height of the pictures, where all of them are made anew.

    Raises:
        MediaError: It cannot hold the source, or pictures of that size; the message names what can.
    """
    _check_streams(info, destination)
    kind, animated = _kind(info, destination, len(pts))
    _check_size(kind, size, destination)
    layout, exact, notes = _layout(info, kind, animated, destination)
    files, folder = _files(info, kind, animated, destination, len(pts))
    lossy = kind == "webp" and _lossy_webp(info)
    delays, plays, more = _timing(info, kind, pts, destination) if animated else ((), 0, ())
    if animated and kind == "gif":
        _check_colors(info, destination)
    return StillPlan(
        kind=kind,
        animated=animated,
        pix_fmt=layout,
        files=files,
        folder=folder,
        exact=exact,
        quality=quality if lossy else None,
        delays=delays,
        plays=plays,
        notes=(*notes, *more, *_said(kind, animated, lossy and quality is not None, size is not None)),
        size=size,
    )


def _refuse(destination: Path, expected: str, got: str, hint: str) -> MediaError:
    return MediaError(str(destination), expected=expected, got=got, hint=hint)


def _check_size(kind: str, size: tuple[int, int] | None, destination: Path) -> None:
    most = _LONGEST.get(kind)
    if size is not None and most is not None and max(size) > most:
        raise _refuse(destination, f"{kind} pictures of at most {most} pixels a side", f"{size[0]}x{size[1]}", "a .png")


def _check_streams(info: ClipInfo, destination: Path) -> None:
    """Refuse to lose a stream, a turn or a shape of pixels."""
    others = [s for s in info.streams if s.index != info.video_index]
    expected = f"a container that holds all of {info.path.name}"
    if others:
        lost = ", ".join(f"stream {s.index}, {s.kind} {s.codec}".strip() for s in others[:3])
        raise _refuse(destination, expected, f"images and animations hold pictures alone, not {lost}", "an .mkv output")
    if is_stills(info.path):
        return
    if info.rotation or info.mirrored:
        got = f"{destination.suffix} cannot say that the picture is to be turned by {info.rotation} degrees or mirrored"
        raise _refuse(destination, expected, got, "an output in .mp4, .mov or .mkv")
    if info.sar != 1:
        got = f"{destination.suffix} cannot say that the pixels are {info.sar.numerator}:{info.sar.denominator}"
        raise _refuse(destination, expected, got, "an output in .mp4 or .mov")


def _kind(info: ClipInfo, destination: Path, count: int) -> tuple[str, bool]:
    """The kind of what is written, and whether it is an animation."""
    suffix = destination.suffix.lower()
    if suffix in (".gif", ".apng"):
        return suffix[1:], True
    kind = image_kind(destination)
    if kind is None:
        return images(info.path).headers[0].kind, False
    if is_pattern(destination):
        return kind, False
    moves = is_animation(info.path) or count > 1
    if moves and kind in ("png", "webp"):
        return ("apng", True) if kind == "png" else ("webp", True)
    if count > 1:
        got = f"{count} pictures for one {kind} image"
        hint = f"-o {destination.with_name('%05d' + destination.suffix)}"
        raise _refuse(destination, "a file name for every picture", got, hint)
    return kind, False


def _layout(info: ClipInfo, kind: str, animated: bool, destination: Path) -> tuple[str, bool, tuple[str, ...]]:
    """The layout, whether it holds every sample, and a note where samples are converted."""
    source, held = picture_format(info.pix_fmt), (_ANIMATIONS if animated else HOLDS)[kind]
    if kind == "jpg":
        if not _from_jpeg(info) or info.pix_fmt not in held:
            expected = "JPEG images of common sampling as the source, whose own tables are used again"
            raise _refuse(destination, expected, f"{info.pix_fmt} of {info.path.name}", _MANY)
        return info.pix_fmt, True, ()
    roles = {p.role for p in source.planes}
    deep = source.depth > 8
    limited = source.family == "gray" and info.color.full_range is False
    exact = source.family in ("rgb", "gray") and source.depth in (8, 16) and not limited
    wanted = (("rgb24", "rgb48le"), ("rgba", "rgba64le"))["a" in roles][deep]
    if source.family == "gray":
        gray = ("ya16le" if deep else "ya8") if "a" in roles else ("gray16le" if deep else "gray")
        wanted = gray if gray in held else wanted
    if wanted not in held:
        got = f"{wanted}, which {kind} does not hold without loss"
        raise _refuse(destination, f"a kind of image that holds {info.pix_fmt}: png", got, _MANY)
    note = f"samples are converted to {wanted}, from {info.pix_fmt}, and rounded once"
    return wanted, exact, () if exact else (note,)


def _from_jpeg(info: ClipInfo) -> bool:
    return is_stills(info.path) and not is_animation(info.path) and images(info.path).headers[0].kind == "jpg"


def _files(info: ClipInfo, kind: str, animated: bool, destination: Path, count: int) -> tuple[tuple[Path, ...], bool]:
    """The files to be, and whether they make up a folder."""
    if animated or not (is_pattern(destination) or image_kind(destination) is None):
        return (destination,), False
    sources = images(info.path).files if is_stills(info.path) and not is_animation(info.path) else ()
    if is_pattern(destination):
        folder = destination.parent
        numbers = [number_of(f) for f in sources] or range(1, count + 1)
        names = [pattern_name(destination, n) for n in numbers]
    else:
        folder = destination
        names = [f.name for f in sources]
    _check_folder(folder, names, destination)
    if sources and folder.exists() and folder.resolve() == sources[0].parent.resolve():
        raise _refuse(destination, "a folder beside or away from the source's", "the folder of the source", "-o clean/")
    return tuple(folder / name for name in names), True


def _check_folder(folder: Path, names: list[str], destination: Path) -> None:
    """Refuse a folder that holds anything but an earlier result, for it is replaced as a whole."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise _refuse(destination, "a folder to be", f"the file {folder}", "another name")
    foreign = sorted(p.name for p in folder.iterdir() if p.name not in set(names))
    if foreign:
        got = f"{folder} holds {foreign[0]}" + (f" and {len(foreign) - 1} more" if len(foreign) > 1 else "")
        raise _refuse(
            destination,
            "a new or empty folder, or one that holds an earlier result alone: it is replaced as a whole",
            got,
            f"-o {folder / 'clean'}",
        )


def _lossy_webp(info: ClipInfo) -> bool:
    """Whether the source is WebP coded with loss."""
    if not is_stills(info.path):
        return False
    if is_animation(info.path):
        return not animation(info.path).lossless
    found = images(info.path)
    facts = webp_facts(found.files[0].read_bytes()) if found.headers[0].kind == "webp" else None
    return facts is not None and not facts.lossless


def _timing(
    info: ClipInfo, kind: str, pts: tuple[int, ...], destination: Path
) -> tuple[tuple[tuple[int, int], ...], int, tuple[str, ...]]:
    """Delays and plays of an animation: the source's own where it is of the same kind."""
    if is_animation(info.path):
        found = animation(info.path)
        if found.kind == kind:
            return _own_delays(found.said), found.plays, ()
        plays, durations = found.plays, found.durations
    else:
        plays = 0
        last = max(1, round(1 / info.rate / info.time_base))
        durations = (*(b - a for a, b in pairwise(pts)), last)
    seconds = [d * info.time_base for d in durations]
    notes = ("the first picture is shown at once, not after a delay",) if pts[0] > 0 else ()
    if kind == "apng" and all(s.numerator <= _TOP and s.denominator <= _TOP for s in seconds):
        return tuple((s.numerator, s.denominator) for s in seconds), plays, notes
    unit = {"gif": 100, "webp": 1000, "apng": _TOP}[kind]
    ends = [round(end * unit) for end in accumulate(seconds)]
    ticks = [b - a for a, b in zip([0, *ends], ends, strict=False)]
    if min(ticks) < 1 or max(ticks) > (TOP_DELAY if kind == "webp" else _TOP):
        raise _refuse(destination, f"frames of 1 tick of 1/{unit} s or more", f"{min(seconds)} s", "an .apng output")
    exact = all(Fraction(t, unit) == s for t, s in zip(ticks, seconds, strict=True))
    rounded = () if exact else (f"times are rounded to {kind}'s ticks of 1/{unit} s; their order is kept",)
    return tuple((t, unit) for t in ticks), plays, notes + rounded


def _own_delays(said: object) -> tuple[tuple[int, int], ...]:
    if isinstance(said, PngAnimation):
        return said.delays
    unit = 100 if isinstance(said, GifFacts) else 1000
    return tuple((d, unit) for d in getattr(said, "delays", ()))


def _check_colors(info: ClipInfo, destination: Path) -> None:
    """A GIF holds 256 colours a frame: only what had no more may become one."""
    if is_stills(info.path):
        if is_animation(info.path) and animation(info.path).kind == "gif":
            return
        if not is_animation(info.path) and all(h.indexed for h in images(info.path).headers):
            return
    raise _refuse(
        destination,
        "a source of at most 256 colours a frame: a GIF, or images with palettes",
        f"{info.pix_fmt} of {info.path.name}",
        f"-o {destination.with_suffix('.apng')} or .webp, which hold every colour",
    )


def _said(kind: str, animated: bool, lossy: bool, remade: bool) -> tuple[str, ...]:
    """Notes about loss."""
    if kind == "jpg" and remade:
        return ("JPEG: written with the source's sampling, quantised at least as finely as quality 95; .png keeps all",)
    if kind == "gif" and remade:
        return ("GIF: every frame gets a palette of its own, of at most 256 colours; .apng or .webp keep all",)
    if kind == "jpg":
        return ("JPEG: changed images are made anew with their own quantisation tables and sampling, and lose again",)
    if lossy:
        which = "all frames are" if animated else "changed images are"
        return (f"WebP coded with loss, as the source: {which} coded anew; --set encode.lossless=true keeps samples",)
    return ()


def converted(native: NativeFrame, info: ClipInfo, pix_fmt: str, exact: bool) -> tuple[np.ndarray, ...]:
    """A picture's planes in the layout of a plan.

    Args:
        native: The picture.
        info: The clip.
        pix_fmt: The plan's layout.
        exact: Whether samples are only put in order, never computed.
    """
    if pix_fmt == info.pix_fmt:
        return native.planes
    source, target = picture_format(info.pix_fmt), picture_format(pix_fmt)
    given = {p.role: plane for p, plane in zip(source.planes, native.planes, strict=True)}
    if not exact:
        given = _computed(native, info, source, target)
    return tuple(given.get(p.role, given.get("y")) for p in target.planes)  # pyright: ignore[reportReturnType]


def _computed(
    native: NativeFrame, info: ClipInfo, source: PictureFormat, target: PictureFormat
) -> dict[str, np.ndarray]:
    peak, dtype = (1 << target.depth) - 1, np.uint8 if target.depth == 8 else np.uint16
    rgb = np.rint(np.clip(to_rgb(native, info), 0.0, 1.0).astype(np.float64) * peak).astype(dtype)
    given = dict(zip("rgb", rgb, strict=True)) | {"y": rgb[1]}
    for layout, plane in zip(source.planes, native.planes, strict=True):
        if layout.role == "a":
            given["a"] = np.rint(plane.astype(np.float64) * (peak / ((1 << source.depth) - 1))).astype(dtype)
    return given
