"""A subtitle track that the source does not have: added to the result, and looked for in it again.

MP4 and MOV keep timed text (``mov_text``), Matroska SubRip, WebM WebVTT. The track is the last of the file; it is on by
default only where the source has no subtitles of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from av.packet import Packet
from av.stream import Disposition, Stream

from vidinternal.core.errors import MediaError, UsageError
from vidinternal.core.srt import Cue
from vidinternal.media.languages import ISO_639_1, QUICKTIME
from vidinternal.media.stream import fraction, open_video

_CODECS = {"mp4": "mov_text", "mov": "mov_text", "matroska": "subrip", "webm": "webvtt"}
_TICK = Fraction(1, 1000)
_LANGUAGE = re.compile(r"([a-z]{2,3})(?:-[a-z0-9]{2,8})*", re.IGNORECASE)
# What FFmpeg makes the default style of a timed-text track from.
_STYLE = b"""[Script Info]
ScriptType: v4.00+
PlayResX: 384
PlayResY: 288

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, \
StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding
Style: Default,Sans,16,&Hffffff,&Hffffff,&H0,&H0,0,0,0,0,100,100,0,0,1,1,0,2,10,10,10,0

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""


@dataclass(frozen=True)
class SoftTrack:
    """A subtitle track to add.

    Attributes:
        cues: Its texts, in seconds from the first frame.
        language: ISO 639-2 code, or empty where not known.
    """

    cues: tuple[Cue, ...] = ()
    language: str = ""


@dataclass(frozen=True)
class AnyTrack:
    """A subtitle track that was added, where nobody can tell any more what it was to say."""


def soft_codec(container: str, destination: Path) -> str:
    """The codec of text tracks in a container.

    Raises:
        MediaError: It has none that is known to be kept.
    """
    if container not in _CODECS:
        raise MediaError(
            str(destination),
            expected="a container with text tracks, for --soft-subs",
            got=destination.suffix or "no suffix",
            hint=f"an output that ends in .mkv, .mp4, .mov or .webm: {destination.with_suffix('.mkv')}",
        )
    return _CODECS[container]


def language_code(text: str) -> str:
    """ISO 639-2 code of a language given as ``en``, ``eng`` or ``en-GB``.

    Raises:
        UsageError: It is no such tag.
    """
    match = _LANGUAGE.fullmatch(text.strip())
    code = match[1].lower() if match else ""
    if len(code) == 2:
        code = ISO_639_1.get(code, "")
    if not code:
        raise UsageError("--language", expected="a language as en, eng or en-GB", got=repr(text))
    return code


def add_soft(container: Any, track: SoftTrack, name: str, source: Any) -> Stream:
    """Add the track to an output whose header is not written yet.

    Args:
        container: The output.
        track: The track.
        name: FFmpeg's name of the container.
        source: The open source, whose own subtitles decide whether this track is on by default.
    """
    codec = _CODECS[name]
    if codec == "mov_text":
        stream = container.add_stream(codec)
        stream.codec_context.subtitle_header = _STYLE
        stream.codec_context.time_base = stream.time_base = _TICK
    else:
        stream = container.add_mux_stream(codec, time_base=_TICK)
    if track.language:
        stream.metadata["language"] = QUICKTIME.get(track.language, track.language) if name == "mov" else track.language
    stream.disposition = Disposition(0) if source.streams.subtitles else Disposition.default
    return stream


def soft_packets(track: SoftTrack, stream: Stream, origin: Fraction) -> Iterator[tuple[Fraction, Packet]]:
    """The packets of the track with their times in seconds.

    Args:
        track: The track.
        stream: Where they go.
        origin: Seconds at which the container shows the first frame.
    """
    codec = "mov_text" if stream.codec_context is not None else ""
    tick = fraction(stream.time_base) or _TICK
    for cue in track.cues:
        packet = Packet(payload(cue.text, codec))
        packet.pts = packet.dts = round((origin + cue.start) / tick)
        packet.duration = max(1, round((origin + cue.end) / tick) - packet.pts)
        packet.time_base, packet.stream, packet.is_keyframe = tick, stream, True
        yield origin + cue.start, packet


def payload(text: str, codec: str) -> bytes:
    """The bytes of a text in a packet."""
    plain = "\n".join(line.strip() for line in text.splitlines() if line.strip()).encode()
    return len(plain).to_bytes(2, "big") + plain if codec == "mov_text" else plain


def added_tracks(result: Path, source: Path, track: SoftTrack | AnyTrack | None) -> int:
    """How many of the last subtitle tracks of a result are not to be looked for in its source: 0 or 1."""
    return int(_more(result, source) > 0) if isinstance(track, AnyTrack) else int(track is not None)


def _more(result: Path, source: Path) -> int:
    """Subtitle tracks that a result has more than its source."""
    with open_video(result) as (new, _), open_video(source) as (old, _):
        return len(new.streams.subtitles) - len(old.streams.subtitles)


def kept_track(result: Path, source: Path, track: SoftTrack | AnyTrack, origin: Fraction) -> tuple[str, str]:
    """What was promised of the track and what the file holds, in words that are equal where all of it is kept.

    Args:
        result: The file.
        source: What it was made from.
        track: What was to be added.
        origin: Seconds at which the first frame is shown.
    """
    if isinstance(track, AnyTrack):
        return "one text track more than the source", _told_of(result, _more(result, source))
    with open_video(result) as (container, _):
        name = container.format.name.split(",")[0]
        streams = container.streams.subtitles
        wanted = _words([(c.start + origin, c.end + origin, c.text) for c in track.cues], track.language)
        if not streams:
            return wanted, "no subtitle track"
        stream = streams[-1]
        spoken = stream.metadata.get("language", "")
        found: list[tuple[Fraction, Fraction, str]] = []
        for packet in container.demux(stream):
            data = bytes(packet)
            text = (data[2 : 2 + int.from_bytes(data[:2], "big")] if "mp4" in name or "mov" in name else data).decode()
            if packet.size and text and packet.pts is not None:
                tick = fraction(packet.time_base) or _TICK
                found.append((packet.pts * tick, (packet.pts + (packet.duration or 0)) * tick, text))
    own = {QUICKTIME.get(track.language, track.language), track.language or "und"}
    return wanted, _words(found, track.language if spoken in own else spoken)


def _told_of(result: Path, more: int) -> str:
    """The last of so many tracks more than the source has."""
    if more != 1:
        count = abs(more) or "no"
        return f"{count} subtitle track{'s' * (abs(more) > 1)} {'fewer' if more < 0 else 'more'} than the source"
    with open_video(result) as (container, _):
        stream = container.streams.subtitles[-1]
        codec = stream.codec_context.codec.canonical_name
        if codec not in _CODECS.values():
            return f"one track more than the source, of {codec}, which is not how texts are added"
        sizes = [p.size for p in container.demux(stream) if p.pts is not None]
        spoken = any(size > (2 if codec == "mov_text" else 0) for size in sizes)
        return "one text track more than the source" if spoken else "one track more than the source, without a text"


def _words(cues: list[tuple[Fraction, Fraction, str]], language: str) -> str:
    told = "|".join(f"{round(a * 1000)}-{round(b * 1000)} {payload(t, '').decode()}" for a, b, t in cues)
    return f"{len(cues)} texts, {language or 'no language'}: {told}"
