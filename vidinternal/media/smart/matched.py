"""An encoder whose pictures may stand between copied groups of pictures of the same stream.

Its H.264 and H.265 pictures bring parameter sets of their own, with ids that the source leaves free, so that the header
of the file holds both and neither replaces the other: nothing has to change in the copied packets, and MP4's ``avc1``
and ``hvc1``, which allow no sets among the pictures, stay true. In MPEG-2, which has no such ids, pictures stand behind
the source's own sequence header.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import av
import av.error
from av.codec.context import Flags
from av.video.frame import PictureType

from vidinternal.core.clip import ClipInfo
from vidinternal.media.codecs import EncoderPlan
from vidinternal.media.fit_planes import Fitter
from vidinternal.media.mux import encoder_tick
from vidinternal.media.picture import NativeFrame
from vidinternal.media.smart.gops import Mpeg2Grammar, NalGrammar, Track, UnsafeError
from vidinternal.media.smart.mpeg2_headers import Mpeg2Head, reheaded
from vidinternal.media.smart.nal import joined, sei_unit, units
from vidinternal.media.smart.parameter_sets import free_ids, kind_of, parse_sps, renumbered, set_key, stays_within
from vidinternal.media.stream import reason

_PROFILES = {66: "baseline", 77: "main", 100: "high", 110: "high10", 122: "high422", 244: "high444"}
_LOSSLESS_PROFILE = 244
# Before it, x264 wrote 4:4:4 in a way that FFmpeg tells by the build it names once, at the start of the stream.
_RIGHT_444 = 151
_MPEG2_LONGEST = 600
_MESSAGES = {"h264": b"\x06", "hevc": b"\x4e\x01"}
_OWN_MESSAGES = {"h264": 6, "hevc": 39}


@dataclass(frozen=True)
class Piece:
    """One re-encoded picture.

    Attributes:
        pts: Its time in the clip's ticks.
        key: Whether it begins a group.
        data: Its packet.
    """

    pts: int
    key: bool
    data: bytes


@dataclass(frozen=True)
class Match:
    """How the encoder is set up.

    Attributes:
        info: The clip.
        plan: How the whole would be written.
        options: Its options.
        tick: Seconds per tick that the encoder counts in.
        rate: Pictures per second that it is told.
        ids: Ids of its parameter sets; None for MPEG-2.
        sets: Its parameter sets, under these ids.
    """

    info: ClipInfo
    plan: EncoderPlan
    options: Mapping[str, str]
    tick: Fraction
    rate: Fraction
    ids: tuple[int, int] | None = None
    sets: tuple[bytes, ...] = ()


def match(info: ClipInfo, plan: EncoderPlan, track: Track, room: int) -> Match:
    """Set up an encoder whose pictures fit into a stream, and make sure that they do.

    Args:
        info: The clip.
        plan: How the whole would be written.
        track: The stream.
        room: How many pictures may be sent before one that is shown earlier.

    Raises:
        UnsafeError: No encoder of this FFmpeg keeps to what the stream promises.
    """
    try:
        if isinstance(track.grammar, Mpeg2Grammar):
            return _match_mpeg2(info, plan, track, room)
        return _match_units(info, plan, track, room)
    except (av.error.FFmpegError, ValueError) as error:
        raise UnsafeError(f"{plan.encoder} does not take the source's settings ({_said(error)})") from error


def _said(error: Exception) -> str:
    return reason(error).splitlines()[0]


def _match_units(info: ClipInfo, plan: EncoderPlan, track: Track, room: int) -> Match:
    grammar = track.grammar
    if not isinstance(grammar, NalGrammar):
        raise TypeError("a stream of units has their grammar")
    sources, ids = grammar.sequences, free_ids(tuple(grammar.sets), grammar.codec)
    source = sources[0]
    if ids is None:
        raise UnsafeError("the stream leaves no id free for a parameter set")
    if grammar.codec == "h264":
        _check_h264(plan, source.profile, old_444=source.chroma == 3 and 0 < grammar.build < _RIGHT_444)
    why = ""
    for references in dict.fromkeys((0, source.references, source.references - 1, 1)):
        params: dict[str, object] = {"keyint": max(len(g) for g in track.gops), "open-gop": 0}
        if references > 0:
            params["ref"] = references
        if room == 0:
            params["bframes"] = 0
        elif room == 1 or (grammar.codec == "h264" and source.references < 4):
            params["b-pyramid"] = "none" if grammar.codec == "h264" else 0
        tick = info.time_base
        if grammar.codec == "h264":
            params |= {"sps-id": ids[0], "level": source.level, "dpb-size": source.references}
            tick, fixed = _h264_tick(info, track, source.tick)
            params |= {"force-cfr": 1} if fixed else {}
            options = _with(plan, "x264-params", params) | {"profile": _PROFILES[source.profile]}
        else:
            options = _with(plan, "x265-params", {**params, "info": 0, "min-keyint": 1})
        rate = info.rate if tick == info.time_base else 1 / tick
        setup = Match(info, plan, options | {"forced-idr": "1"}, tick, rate, ids)
        setup = replace(setup, sets=_own_sets(setup, grammar.codec))
        own = next(parse_sps(s, grammar.codec) for s in setup.sets if (set_key(s, grammar.codec) or ("",))[0] == "sps")
        why = min((stays_within(own, s, grammar.codec) for s in sources), key=bool)
        if not why and own.size != source.size and grammar.codec == "h264":
            why = "the encoder cuts the picture another way"
        if not why:
            return setup
    raise UnsafeError(why)


def _check_h264(plan: EncoderPlan, profile: int, *, old_444: bool) -> None:
    if profile not in _PROFILES:
        raise UnsafeError(f"x264 does not write the source's profile {profile}")
    if plan.lossless and profile != _LOSSLESS_PROFILE:
        raise UnsafeError("the source's profile has no lossless pictures")
    if old_444:
        raise UnsafeError("an old x264 wrote the source's 4:4:4 in a way of its own")


def _with(plan: EncoderPlan, name: str, params: Mapping[str, object]) -> dict[str, str]:
    own = ":".join(f"{key}={value}" for key, value in params.items())
    return {**plan.options, name: ":".join(filter(None, (plan.options.get(name), own)))}


def _h264_tick(info: ClipInfo, track: Track, told: tuple[int, int, bool] | None) -> tuple[Fraction, bool]:
    """The tick that the source's own header tells, where every picture has one of its own; and if the rate is fixed."""
    if not told or not told[0] or not told[1]:
        return info.time_base, False
    tick = Fraction(2 * told[0], told[1])
    ticks = [round(pts * info.time_base / tick) for pts in sorted(track.pts)]
    if any(a >= b for a, b in itertools.pairwise(ticks)):
        return info.time_base, False
    return tick, told[2]


def _own_sets(setup: Match, codec: str) -> tuple[bytes, ...]:
    context = _opened(setup)
    found = units(context.extradata or b"", 0)
    named = tuple(u for u in found if set_key(u, "h264" if codec == "h264" else "hevc"))
    if codec == "h264" or setup.ids is None:
        return named
    ids = setup.ids
    return tuple(renumbered(u, ids) for u in named)


def _match_mpeg2(info: ClipInfo, plan: EncoderPlan, track: Track, room: int) -> Match:
    head = track.grammar.head if isinstance(track.grammar, Mpeg2Grammar) else None
    if head is None:
        raise UnsafeError("the stream has no sequence header")
    chroma = 2 if plan.pix_fmt == "yuv422p" else 1
    if head.shape != (info.width, info.height, chroma):
        raise UnsafeError("the stream's header tells another size or chroma than its pictures have")
    options = {
        **plan.options,
        "g": str(min(_MPEG2_LONGEST, max(len(g) for g in track.gops))),
        "flags": plan.options.get("flags", "") + "+cgop",
        "sc_threshold": "1000000000",  # without it the encoder refuses to keep groups closed
    }
    if room == 0 or head.low_delay:
        options["bf"] = "0"
    tick = encoder_tick(info, plan)
    setup = Match(info, plan, options, tick, 1 / tick)
    _opened(setup)
    return setup


def _opened(setup: Match) -> Any:
    info, plan = setup.info, setup.plan
    context: Any = av.CodecContext.create(plan.encoder, "w")
    context.width, context.height, context.pix_fmt = info.width, info.height, plan.pix_fmt
    context.time_base, context.framerate = setup.tick, setup.rate
    context.color_primaries, context.color_trc = info.color.primaries, info.color.transfer
    context.colorspace, context.color_range = plan.matrix, plan.range_code
    if info.sar != 1:
        context.sample_aspect_ratio = info.sar
    options = dict(setup.options)
    if info.color.chroma_location:
        options["chroma_sample_location"] = str(info.color.chroma_location)
    context.options = options
    if setup.ids is not None:
        context.flags |= Flags.global_header
    context.open()
    return context


def pieces(
    setup: Match,
    track: Track,
    natives: Iterable[NativeFrame],
    keys: Collection[int],
    kept: Mapping[int, Any],
    length_size: int,
) -> Iterator[Piece]:
    """Encode consecutive pictures into packets that fit into a stream; the first begins a group.

    Args:
        setup: The encoder.
        track: The stream.
        natives: The pictures.
        keys: Indices of those that shall begin a group.
        kept: Time of a picture -> what :func:`kept_of` found beside it in the source.
        length_size: Bytes of the lengths before units; 0 for start codes.
    """
    context, fit = _opened(setup), Fitter(setup.info, setup.plan)
    grammar, times = track.grammar, {}
    counted = setup.ids is None

    def packed(packets: Iterable[Any]) -> Iterator[Piece]:
        for packet in packets:
            pts = times.pop(packet.pts)
            data, key = bytes(packet), bool(packet.is_keyframe)
            if isinstance(grammar, NalGrammar):
                found = _own_units(data, grammar, setup, key=key, in_band=not length_size)
                messages = kept.get(pts)
                if messages:
                    place = next(k for k, u in enumerate(found) if not set_key(u, grammar.codec))
                    found.insert(place, sei_unit(_MESSAGES[grammar.codec], messages))
                data = joined(found, length_size)
            elif grammar.head is not None:
                data = reheaded(data, grammar.head.sequence, kept.get(pts, Mpeg2Head()))
            yield Piece(pts, key, data)

    for number, native in enumerate(natives):
        frame = fit(native)
        frame.pts = number if counted else round(native.pts * setup.info.time_base / setup.tick)
        frame.time_base = setup.tick
        times[frame.pts] = native.pts
        if native.index in keys:
            frame.pict_type = PictureType.I
        yield from packed(context.encode(frame))
    yield from packed(context.encode(None))


def _own_units(data: bytes, grammar: NalGrammar, setup: Match, *, key: bool, in_band: bool) -> list[bytes]:
    """The encoder's units of a picture: no word about itself, ids of its own, sets where they belong among pictures."""
    found = [u for u in units(data, 0) if kind_of(u, grammar.codec) != _OWN_MESSAGES[grammar.codec]]
    found = [u for u in found if set_key(u, grammar.codec) is None]
    if grammar.codec == "hevc" and setup.ids is not None:
        ids = setup.ids
        found = [renumbered(u, ids) for u in found]
    return [*setup.sets, *grammar.told, *found] if key and in_band else found


def kept_of(track: Track, data: bytes) -> Any:
    """What of a packet of the source belongs to its picture whatever encodes it; None where nothing does.

    Args:
        track: The stream.
        data: The packet.
    """
    if isinstance(track.grammar, NalGrammar):
        return track.grammar.carried(data) or None
    return track.grammar.kept(data)
