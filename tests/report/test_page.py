import base64
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from vidinternal.core.errors import UsageError
from vidinternal.report.page import render_page, write_page


def record() -> dict[str, Any]:
    window = {"method": "internal", "stopped": "budget"}
    return {
        "pipeline": "inpaint",
        "source": {"path": "a <b>.mp4"},
        "output": {"path": "clean.mp4"},
        "made": "2026-01-02T03:04:05+00:00",
        "seconds": 12.3,
        "device": "cpu",
        "seed": 0,
        "notes": ["mind <script>this</script>"],
        "shots": [
            {
                "shot": 0,
                "frames": [0, 20],
                "masked_pixels": 99,
                "expected_psnr": 27.125,
                "seam_codes": None,
                "windows": [window, {"method": "internal", "skipped": "nothing masked"}],
            }
        ],
        "timings": {"decode": 1.0, "inpaint": 3.0},
        "versions": {"torch": "2.13.0"},
        "citations": {"zhang2019internal": "@inproceedings{zhang2019internal, title = {A}}"},
    }


class Tags(HTMLParser):
    """Checks that tags are balanced and gathers attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "img", "link"):
            self.open.append(tag)
        self.links += [v for k, v in attrs if k in ("src", "href") and v]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_well_formed_and_needs_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "run.html"
    write_page(record(), {"before & after": b"not really png"}, path)
    text = path.read_text(encoding="utf-8")
    tags = Tags()
    tags.feed(text)
    assert tags.open == []
    assert tags.links == [f"data:image/png;base64,{base64.b64encode(b'not really png').decode()}"]
    assert "http" not in re.sub(r"@\w+\{.*", "", text)


def test_the_record_is_told_and_escaped() -> None:
    text = render_page(record(), {})
    assert "27.12" in text or "27.13" in text
    assert "75 %" in text
    assert "internal, internal" in text
    assert "zhang2019internal" in text
    assert "<script>" not in text and "&lt;script&gt;" in text
    assert "a &lt;b&gt;.mp4" in text


def test_what_was_verified_is_told_where_there_was_a_file() -> None:
    told = {"verified": "20 frames, every time equal", "bitrate": "93 kbit/s of video, source 99 kbit/s (-6 %)"}
    text = render_page(record() | told, {})
    assert "Verified: 20 frames, every time equal." in text
    assert "Bitrate: 93 kbit/s of video, source 99 kbit/s (-6 %)." in text
    assert "Verified" not in render_page(record() | {"verified": "", "bitrate": ""}, {})


def test_a_run_without_timings_or_papers_has_a_page() -> None:
    bare = record() | {"timings": {"decode": 0.0}, "citations": {}, "notes": [], "shots": []}
    text = render_page(bare, {})
    assert "Papers" not in text


def test_without_jinja_the_error_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(UsageError, match=r"vidinternal\[report\]"):
        write_page(record(), {}, tmp_path / "x.html")
    assert not (tmp_path / "x.html").exists()
