"""Dolby Vision and HDR10+ are told before any work, and never lost in silence."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

from tests import media_made
from vidinternal.core.errors import MediaError
from vidinternal.core.timecode import parse_region
from vidinternal.media.dynamic_hdr import check_dynamic, dynamic_hdr
from vidinternal.media.probe import probe
from vidinternal.media.source_facts import source_facts
from vidinternal.runner.job import Job
from vidinternal.runner.run import run_job
from vidinternal.stages.base import JobInputs

MASTER = "log-level=none:master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"


def packed(*fields: tuple[int, int]) -> bytes:
    """``(value, bits)`` in order, the last byte filled up."""
    text = "".join(format(value, f"0{bits}b") for value, bits in fields)
    text += "0" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big")


def escaped(unit: bytes) -> bytes:
    """A NAL unit in which no start code occurs."""
    out, zeros = bytearray(), 0
    for byte in unit:
        if zeros >= 2 and byte <= 3:
            out.append(3)
            zeros = 0
        out.append(byte)
        zeros = 0 if byte else zeros + 1
    return bytes(out)


def hdr10_plus() -> bytes:
    """An SEI unit with one window and no curve (SMPTE ST 2094-40)."""
    light = [(1000, 17)] * 3 + [(500, 17), (0, 4), (0, 10)]
    body = bytes.fromhex("b5003c000104") + packed((1, 8), (1, 2), (400, 27), (0, 1), *light, (0, 3))
    return escaped(bytes([39 << 1, 1, 4, len(body)]) + body + b"\x80")


def rpu(profile: int) -> bytes:
    """The beginning of a Dolby Vision unit; what follows is nonsense."""
    return escaped(bytes([62 << 1, 1, 0x19]) + packed((2, 6), (18, 11), (profile, 4), (0, 3)) + bytes(40) + b"\x80")


def film(folder: Path, unit: bytes | None, name: str = "film.mkv") -> Path:
    """An HDR10 film in HEVC, with a unit in every packet."""
    plain = media_made.clip(
        folder / f"plain{Path(name).suffix}",
        codec="libx265",
        frames=3,
        size=(64, 48),
        pix_fmt="yuv420p10le",
        color=media_made._HDR,
        options={"x265-params": MASTER},
        time_base=Fraction(1, 90000) if name.endswith(".ts") else None,
    )
    path = folder / name
    prefix: Callable[[bytes], bytes] = (
        (lambda u: b"\0\0\0\1" + u) if name.endswith(".ts") else (lambda u: len(u).to_bytes(4, "big") + u)
    )
    with av.open(str(plain)) as source, av.open(str(path), "w") as result:
        stream = source.streams.video[0]
        copy: Any = result.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if not packet.size:
                continue
            data = bytes(packet)
            if unit is not None:
                data = data + prefix(unit) if unit[0] >> 1 == 62 else prefix(unit) + data
            other = av.Packet(data)
            other.stream, other.time_base = copy, packet.time_base
            other.pts, other.dts, other.duration = packet.pts, packet.dts, packet.duration
            other.is_keyframe = packet.is_keyframe
            result.mux(other)
    return path


@pytest.mark.parametrize("name", ["film.mkv", "film.mp4", "film.ts"])
@pytest.mark.parametrize(
    ("unit", "kinds"),
    [(None, ()), (hdr10_plus(), ("HDR10+",)), (rpu(1), ("Dolby Vision",)), (rpu(0), ("Dolby Vision profile 5",))],
    ids=["hdr10", "hdr10+", "dolby", "dolby5"],
)
def test_it_is_told_by_its_bytes(unit: bytes | None, kinds: tuple[str, ...], name: str, tmp_path: Path) -> None:
    assert dynamic_hdr(probe(film(tmp_path, unit, name))) == kinds


def test_other_codecs_have_none(tmp_path: Path) -> None:
    assert dynamic_hdr(probe(media_made.awkward("ten_bit", tmp_path))) == ()


@pytest.mark.parametrize(
    ("unit", "kind"), [(hdr10_plus(), r"HDR10\+"), (rpu(1), "Dolby Vision")], ids=["plus", "dolby"]
)
def test_it_is_refused_unless_dropped(unit: bytes, kind: str, tmp_path: Path) -> None:
    info = probe(film(tmp_path, unit))
    with pytest.raises(MediaError, match=f"(?s){kind}.*decode.dynamic_hdr=drop"):
        check_dynamic(info, drop=False)
    (note,) = check_dynamic(info, drop=True)
    assert "dropped" in note


def test_pictures_that_need_it_are_refused_in_any_case(tmp_path: Path) -> None:
    info = probe(film(tmp_path, rpu(0)))
    for drop in (False, True):
        with pytest.raises(MediaError, match="only a Dolby Vision decoder"):
            check_dynamic(info, drop=drop)


def test_a_run_refuses_before_work_or_keeps_the_hdr10_beneath(tmp_path: Path) -> None:
    clip = film(tmp_path, hdr10_plus())
    inputs = JobInputs(clip, tmp_path / "out.mkv", None, (parse_region("20,12,14,10"),))
    sets = ("inpaint.method=harmonic", "inpaint.copies=0", "encode.codec=hevc")
    with pytest.raises(MediaError, match=r"HDR10\+"):
        run_job(Job("inpaint", inputs, sets=sets))
    assert not inputs.destination.exists()
    record = run_job(Job("inpaint", inputs, sets=(*sets, "decode.dynamic_hdr=drop"))).record
    assert any("HDR10+ data is dropped" in note for note in record["notes"])
    result = probe(inputs.destination)
    assert dynamic_hdr(result) == ()
    assert source_facts(result).mastering == source_facts(probe(clip)).mastering is not None
    assert result.color == probe(clip).color
