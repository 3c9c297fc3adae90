from pathlib import Path
from urllib.parse import unquote_to_bytes

import cv2
import numpy as np
import pytest

from tests.report.pages import Page
from vidinternal.report.batch_page import Line, clip_page, link, read_summary, small, summary, write_batch_page
from vidinternal.report.encoded import webp
from vidinternal.report.page import for_script

NAMES = ["plain.mkv", "sub/<script>alert('1')</script>&.mkv", "a b\udcff#?.mkv", "x" * 250 + ".mkv"]


def clip_of(batch: Path, name: str) -> Path:
    """A page of a clip, as far as the page of a batch looks at it."""
    page = clip_page(batch, name)
    page.parent.mkdir(parents=True, exist_ok=True)
    thumbnail = webp(np.full((90, 400, 3), 120, np.uint8))
    head = f'<script type="application/json" id="summary">{for_script(summary(12, (thumbnail, thumbnail)))}</script>'
    page.write_text(head, encoding="utf-8")
    return page


def test_every_clip_has_a_row_that_leads_to_its_page(tmp_path: Path) -> None:
    batch = tmp_path / "out" / "all clips.html"
    pages = [clip_of(batch, name) for name in NAMES]
    lines = [Line(name, "done", expected=20.0 + k, seconds=k, notes=k) for k, name in enumerate(NAMES)]
    write_batch_page([*lines, Line("bad.mkv", "failed", error="it <broke>\n  got: x")], batch, "inpaint → out")
    page = Page(batch)
    page.needs_nothing()
    assert page.raw.count("<script>") == 1
    found = {bytes(batch.parent) + b"/" + unquote_to_bytes(a) for a in page.links if a.endswith(".html")}
    assert found == {bytes(p) for p in pages} and all(p.is_file() for p in pages)
    for told in ("4 of 5", "it <broke>\n  got: x", "20.0 dB", "sub/<script>alert('1')</script>&.mkv", "a b\\xff#?.mkv"):
        assert told in page.text
    assert page.raw.count('<img src="data:image/webp;base64,') == 8


def test_a_clip_without_a_page_has_a_row_without_a_link(tmp_path: Path) -> None:
    batch = tmp_path / "all.html"
    clip_of(batch, "failed.mkv")
    write_batch_page([Line("waiting.mkv", "waiting"), Line("failed.mkv", "failed", error="no")], batch)
    assert [a for a in Page(batch).links if not a.startswith("data:")] == []
    write_batch_page([], batch)
    assert "0 of 0" in Page(batch).text


@pytest.mark.parametrize("text", ["", "<script", '<script type="application/json" id="summary">[1]</script>'])
def test_a_file_that_is_no_page_of_ours_says_nothing(text: str, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    assert read_summary(path) == {}
    path.write_text(text, encoding="utf-8")
    assert read_summary(path) == {}


def test_thumbnails_are_small_and_keep_their_shape() -> None:
    read = cv2.imdecode(np.frombuffer(small(webp(np.zeros((90, 400, 3), np.uint8))), np.uint8), cv2.IMREAD_COLOR)
    assert read is not None and read.shape == (40, 180, 3)
    assert small(b"no picture") == b"no picture"


def test_pages_of_clips_stay_inside_their_folder_and_differ(tmp_path: Path) -> None:
    batch = tmp_path / "report.html"
    longest = ["y" * 252 + ".a", "y" * 252 + ".b"]
    pages = {clip_page(batch, name) for name in (*NAMES, *longest)}
    assert len(pages) == len(NAMES) + 2
    assert all(tmp_path / "report.clips" in p.parents for p in pages)
    assert all(len(bytes(Path(p.name))) <= 255 for p in pages)
    assert link(batch, tmp_path / "report.clips" / "sub" / "x.html") == "../../report.html"
