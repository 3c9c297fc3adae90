"""What stands beside the samples and the packets: size, colour, turn, fields, HDR, chapters, tags; is it kept?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from fractions import Fraction
from itertools import zip_longest
from typing import Any

from av.stream import Disposition, Stream

from vidinternal.core.clip import ClipInfo
from vidinternal.media.mux import STATISTICS, is_cover, kept_tags
from vidinternal.media.picture import picture_format
from vidinternal.media.source_facts import Mastering, SourceFacts, source_facts
from vidinternal.media.stream import fraction, open_video

_UNSET = {None: "unspecified", 0: "unspecified", 2: "unspecified"}
_UPRIGHT = (65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)
# What muxers write where a stream has no name.
_DEFAULT_HANDLERS = {"videohandler", "soundhandler", "subtitlehandler", "datahandler"}
# SMPTE ST 2086 counts chromaticity in 1/50000; SVT-AV1 takes it in decimals and stores binary fractions.
_CHROMATICITY = Fraction(1, 5000)
UNNAMED_DATA = ("", "none", "bin_data")
"""Codec names of streams in which MP4 and MOV keep chapter titles and time codes; they are written anew."""


@dataclass(frozen=True)
class Item:
    """One thing that was compared.

    Attributes:
        name: What.
        ok: Whether the result has what was expected.
        expected: What the source has, as the container of the result can tell it.
        got: What the result has.
        note: What a person should know: how it was compared, or that the container has no place for it.
        forgiven: Whether it differs and the container or codec cannot help it.
    """

    name: str
    ok: bool
    expected: str
    got: str
    note: str = ""
    forgiven: bool = False

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


def same(name: str, expected: Any, got: Any, note: str = "") -> Item:
    """An item whose values must be equal."""
    return Item(name, expected == got, str(expected), str(got), note)


def kept_items(
    source: ClipInfo, result: ClipInfo, added: int = 0, size: tuple[int, int] | None = None
) -> tuple[Item, ...]:
    """Compare everything but samples, times and packets.

    Args:
        source: The source.
        result: What was made of it.
        added: How many of the last subtitle tracks of the result are not the source's.
        size: Width and height of the result's pictures, where they are not the source's.

    Raises:
        MediaError: A file cannot be read.
    """
    facts = source_facts(source), source_facts(result)
    width, height = size or (source.width, source.height)
    items = [same("picture size", f"{width}x{height}", f"{result.width}x{result.height}")]
    items += _color(source, result)
    items.append(same("shape of pixels", source.sar, result.sar))
    items.append(same("turn of the picture", source.rotation, result.rotation))
    items += _facts(*facts)
    pair = open_video(source.path, source.video_index), open_video(result.path, result.video_index)
    with pair[0] as (old, _), pair[1] as (new, _):
        items += _chapters(old.chapters(), new.chapters())
        items += _tags("", kept_tags(old.metadata), kept_tags(new.metadata))
        own = without_added(new.streams, added)
        for name, before, after in _paired(old.streams, source, own, new.streams[result.video_index]):
            items += _stream(name, before, after)
    return tuple(items)


def _color(source: ClipInfo, result: ClipInfo) -> Iterator[Item]:
    family = picture_format(source.pix_fmt).family
    yield _tag_item("primaries", source.color.primaries, result.color.primaries)
    yield _tag_item("transfer", source.color.transfer, result.color.transfer)
    if family == "rgb":  # a matrix and a range mean nothing there
        return
    # A codec has to say something where the source says nothing: YUV then means limited range, grey means full.
    usual = "full" if family == "gray" else "limited"
    was, now = ({None: usual, True: "full", False: "limited"}[i.color.full_range] for i in (source, result))
    yield same("colour tag full_range", was, now)
    if family == "gray":
        return
    yield _tag_item("matrix", source.color.matrix, result.color.matrix)
    # Where H.264 and HEVC say nothing, their decoders tell what that means by the standard: left.
    place, got = source.color.chroma_location, result.color.chroma_location
    yield _tag_item("chroma_location", place or (1 if got == 1 else 0), got)


def _tag_item(name: str, expected: int, got: int) -> Item:
    return same(f"colour tag {name}", _UNSET.get(expected, expected), _UNSET.get(got, got))


def _facts(old: SourceFacts, new: SourceFacts) -> Iterator[Item]:
    yield same("mirroring of the picture", old.display_matrix or _UPRIGHT, new.display_matrix or _UPRIGHT)
    yield same("flag of two fields", old.interlaced or "none", new.interlaced or "none")
    equal = _near(old.mastering, new.mastering)
    yield Item("HDR mastering display", equal, _mastering(old.mastering), _mastering(new.mastering))
    yield same("HDR light levels", old.light or "none", new.light or "none")


def _numbers(master: Mastering) -> list[Fraction]:
    return [*(v for point in master.primaries for v in point), *master.white, *master.luminance]


def _near(old: Mastering | None, new: Mastering | None) -> bool:
    if old is None or new is None:
        return old == new
    return all(abs(a - b) <= _CHROMATICITY for a, b in zip(_numbers(old), _numbers(new), strict=True))


def _mastering(master: Mastering | None) -> str:
    return "none" if master is None else " ".join(f"{float(v):g}" for v in _numbers(master))


def _chapters(old: list[Any], new: list[Any]) -> Iterator[Item]:
    yield same("chapters", len(old), len(new))
    for number, (before, after) in enumerate(zip(old, new, strict=False), 1):
        spans = [tuple(c[k] * (fraction(c["time_base"]) or 0) for k in ("start", "end")) for c in (before, after)]
        tick = max(fraction(c["time_base"]) or Fraction(0) for c in (before, after))
        close = all(abs(a - b) <= tick for a, b in zip(*spans, strict=True))
        titles = [c["metadata"].get("title", "") for c in (before, after)]
        words = [f"{float(a):.3f}-{float(b):.3f} s {title!r}" for (a, b), title in zip(spans, titles, strict=True)]
        yield Item(f"chapter {number}", close and titles[0] == titles[1], words[0], words[1])


def _tags(owner: str, old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Item]:
    before, after = ({k.lower(): v for k, v in _told(tags).items()} for tags in (old, new))
    for key in dict.fromkeys((*before, *after)):
        yield same(f"{owner}tag {key}", before.get(key, ""), after.get(key, ""))


def _told(tags: Mapping[str, str]) -> dict[str, str]:
    """Tags without those that mean nothing: a muxer's own names and numbers, and a language that is not known."""
    return {
        key: value
        for key, value in tags.items()
        if not key.lower().startswith(STATISTICS)
        and not (key.lower() == "handler_name" and value.lower() in _DEFAULT_HANDLERS)
        and not (key.lower() == "language" and value.lower() == "und")
    }


def without_added(streams: Any, added: int) -> list[Any]:
    """Streams, or packets of streams, without the last so many of subtitles."""
    texts = [s for s in streams if getattr(s, "kind", getattr(s, "type", "")) == "subtitle"]
    dropped = texts[len(texts) - added :] if added else []
    return [s for s in streams if not any(s is d for d in dropped)]


def _paired(
    old: Any, source: ClipInfo, new: list[Stream], video: Stream
) -> Iterator[tuple[str, Stream | None, Stream | None]]:
    """Name and both streams, the processed video first; streams that are written anew are left out."""
    yield "video: ", old[source.video_index], video
    sides = [
        [s for s in streams if s.index != index and not _written_anew(s)]
        for streams, index in ((old, source.video_index), (new, video.index))
    ]
    for kind in dict.fromkeys(s.type for side in sides for s in side):
        mine, theirs = ([s for s in side if s.type == kind] for side in sides)
        for place, (before, after) in enumerate(zip_longest(mine, theirs)):
            yield f"{kind} {place}: ", before, after


def _written_anew(stream: Stream) -> bool:
    return stream.type == "data" and (stream.name or "") in UNNAMED_DATA


def _stream(name: str, old: Stream | None, new: Stream | None) -> Iterator[Item]:
    if old is None or new is None:
        yield same(f"{name}stream", "absent" if old is None else "present", "absent" if new is None else "present")
        return
    yield from _tags(name, kept_tags(old.metadata), kept_tags(new.metadata))
    yield same(f"{name}disposition", _disposition(old), _disposition(new))
    if old.type == "attachment":
        was, now = (len(bytes(getattr(s, "data", None) or b"")) for s in (old, new))
        yield same(f"{name}size", was, now)


def _disposition(stream: Stream) -> str:
    if is_cover(stream):
        return "attached_pic"
    return "+".join(f.name.lower() for f in Disposition if f.name and stream.disposition & f) or "none"
