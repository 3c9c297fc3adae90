from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av.error
import pytest

from tests.media_made import Recipe, make
from vidinternal.core.clip import ReadPolicy
from vidinternal.core.errors import MediaError
from vidinternal.media import packets
from vidinternal.media.packets import other_streams, picture_bytes
from vidinternal.media.probe import probe
from vidinternal.media.stream import GIVE_UP

RICH = Recipe("rich.mkv", audio_tracks=2, subtitles=1, attachment=True)


def test_every_other_stream_is_there_in_the_files_order(tmp_path: Path) -> None:
    info = probe(make(RICH, tmp_path))
    trails = other_streams(info)
    assert [(t.kind, t.codec) for t in trails] == [
        (s.kind, s.codec) for s in info.streams if s.index != info.video_index
    ]
    assert {t.kind for t in trails} == {"audio", "subtitle", "attachment"}
    for trail in trails:
        assert (len(trail.ticks) == 0) == (trail.kind == "attachment")
        assert list(trail.times()) == sorted(trail.times())


def test_equal_files_have_equal_trails_and_other_content_does_not(tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()
    first, again = probe(make(RICH, tmp_path)), probe(make(RICH, tmp_path / "again"))
    assert other_streams(first) == other_streams(again)
    payloads = [t.payload for t in other_streams(first)]
    assert len(set(payloads)) == len(payloads)


def test_a_clip_of_pictures_alone_has_none(tmp_path: Path) -> None:
    assert other_streams(probe(make(Recipe("plain.mkv"), tmp_path))) == ()


def test_packets_that_cannot_be_read_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = probe(make(RICH, tmp_path))
    stream = SimpleNamespace(index=1, type="audio", time_base=None)

    def broken(_streams: object) -> Iterator[object]:
        raise av.error.InvalidDataError(1, "rubbish")

    @contextmanager
    def opened(*_: object) -> Iterator[object]:
        yield SimpleNamespace(streams=[stream], demux=broken), None

    monkeypatch.setattr(packets, "open_video", opened)
    with pytest.raises(MediaError, match="packets to the end"):
        other_streams(info)


class Torn:
    """A container that cannot give some packets: it fails so often before the third."""

    def __init__(self, real: Any, failures: int) -> None:
        self.streams, self._real, self._left, self._given = real.streams, real, failures, 0

    def demux(self, *streams: Any) -> Iterator[Any]:
        for packet in self._real.demux(*streams):
            if self._given == 2 and self._left:
                self._left -= 1
                raise av.error.InvalidDataError(1, "rubbish")
            self._given += 1
            yield packet


@pytest.mark.parametrize(("failures", "ends"), [(1, False), (3, False), (10 * GIVE_UP, True)])
def test_a_damaged_container_is_read_on_only_where_damage_may_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failures: int, ends: bool
) -> None:
    path = make(RICH, tmp_path)
    strict, tolerant = probe(path), probe(path, ReadPolicy(damage="keep"))
    whole, sizes, real = other_streams(strict), picture_bytes(strict), packets.open_video

    @contextmanager
    def opened(*arguments: Any) -> Iterator[Any]:
        with real(*arguments) as (container, stream):
            yield Torn(container, failures), stream

    monkeypatch.setattr(packets, "open_video", opened)
    for read in (other_streams, picture_bytes):
        with pytest.raises(MediaError, match="packets to the end"):
            read(strict)
    # each failure takes the packet with it that was to come
    given = sum(len(t.ticks) for t in other_streams(tolerant))
    assert given == (2 if ends else sum(len(t.ticks) for t in whole) - failures)
    assert len(picture_bytes(tolerant)) == (2 if ends else len(sizes) - failures)
