from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import av.error
import pytest

from tests.media_made import Recipe, make
from vidinternal.core.errors import MediaError
from vidinternal.media import packets
from vidinternal.media.packets import other_streams
from vidinternal.media.probe import probe

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
