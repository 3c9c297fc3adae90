"""What a container or codec has no place for, found before the work by writing the clip's first picture into one.

A list kept by hand would be wrong with the next version of FFmpeg, and a loss that is found out after hours of work is
found out too late. One picture, the header, every tag and chapter and the first packets of every other stream are
written to a scratch file and compared with the source: what does not come back from there will not come back from the
result either. Only what stands beside samples, bytes and times can be forgiven so.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import av.error

from vidinternal.core.clip import ClipInfo, ReadPolicy
from vidinternal.core.errors import MediaError
from vidinternal.media.codecs import EncoderPlan
from vidinternal.media.decode import ClipReader
from vidinternal.media.fit_planes import Fitter
from vidinternal.media.kept import Item, kept_items, without_added
from vidinternal.media.mux import Output, open_output
from vidinternal.media.packets import other_streams
from vidinternal.media.picture import stretched
from vidinternal.media.probe import probe
from vidinternal.media.source_facts import source_facts
from vidinternal.media.stream import open_video, reason
from vidinternal.media.verify import SIDE_DATA, stream_items

_PACKETS = 2
_LOOK_AHEAD = 4000
# AVI has no times: it counts pictures and bytes of sound.
_WITHOUT_TIMES = ("avi",)

_NO_VALUE = ("as in the source", "all equal")


@dataclass(frozen=True)
class Losses:
    """What the result cannot have.

    Attributes:
        names: Names of the items, for :func:`vidinternal.media.verify.verify`.
        notes: What a person should know before the work starts.
    """

    names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def rehearse(info: ClipInfo, plan: EncoderPlan, suffix: str) -> Losses:
    """Find out what a container and codec will not keep of a clip.

    Args:
        info: The source.
        plan: How it will be written.
        suffix: Suffix of the file to be.

    Raises:
        MediaError: The scratch file cannot be written, or the source not be read.
    """
    with tempfile.TemporaryDirectory(prefix="vidinternal-") as folder:
        path = Path(folder) / f"rehearsal{suffix}"
        try:
            _write(path, info, plan)
        except (av.error.FFmpegError, OSError) as error:
            raise MediaError(
                f"{info.path}: its first picture cannot be written as {plan.codec} into {suffix}",
                expected="a codec and container that take the clip",
                got=reason(error),
            ) from error
        written = probe(path, ReadPolicy(max_pixels=info.policy.max_pixels))
        items = [*kept_items(info, written, int(plan.soft is not None), plan.size), *_beside(info, written, plan)]
    lost = [i for i in items if not i.ok]
    told = [f"{suffix} cannot keep: {_words(i)}" for i in lost if i.expected not in ("", "none", "absent")]
    return Losses(tuple(i.name for i in lost), tuple(told))


def _words(item: Item) -> str:
    return item.name if item.expected in _NO_VALUE or not item.got else f"{item.name} ({item.expected})"


def _write(path: Path, info: ClipInfo, plan: EncoderPlan) -> None:
    facts = source_facts(info)
    first = stretched(next(ClipReader(info).frames(0, 1)), plan.pictures(info))
    with open_video(info.path, info.video_index) as (source, _):
        output = open_output(str(path), source, info, plan, facts=facts)
        with output.container:
            frame = Fitter(info, plan, facts.interlaced)(first)
            for packet in [*output.video.encode(frame), *output.video.encode(None)]:
                output.container.mux(packet)
            for packet in _first_packets(source, output):
                output.container.mux(packet)


def _first_packets(source: Any, output: Output) -> Iterator[Any]:
    """A few packets of every stream that is copied; those that begin late are left out."""
    seen = dict.fromkeys(output.copies, 0)
    streams = [source.streams[i] for i in output.copies]
    for packet in islice(source.demux(streams), _LOOK_AHEAD) if streams else ():
        if not packet.size or seen[packet.stream_index] >= _PACKETS:
            continue
        seen[packet.stream_index] += 1
        if packet.dts is None and packet.stream.type != "video":
            packet.dts = packet.pts
        packet.stream = output.copies[packet.stream_index]
        yield packet
        if all(count >= _PACKETS for count in seen.values()):
            return


def _beside(info: ClipInfo, written: ClipInfo, plan: EncoderPlan) -> Iterator[Item]:
    """What the first packets lose that is neither bytes nor, where the container has any, times."""
    timeless = plan.container in _WITHOUT_TIMES
    kinds = (SIDE_DATA, *((": times", ": durations", ": decoding times") if timeless else ()))
    mine = tuple(without_added(other_streams(written, _PACKETS), int(plan.soft is not None)))
    items, _ = stream_items(mine, other_streams(info, _PACKETS), plan.container)
    yield from (i for i in items if i.name.endswith(kinds))
