from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults.runs import job
from vidinternal.core.errors import ResourceError, UsageError
from vidinternal.report.writing import check_report, shown, write_whole


def test_a_path_that_no_page_can_have_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    work = job(tmp_path)
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder.html").mkdir()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UsageError, match=r"ending in \.html"):
        check_report(tmp_path / "page.pdf", [work])
    with pytest.raises(UsageError, match="got:      a folder"):
        check_report(tmp_path / "folder.html", [work])
    with pytest.raises(ResourceError, match="a page that can be written"):
        check_report(tmp_path / "file" / "page.html", [work])
    mine = replace(work, inputs=replace(work.inputs, destination=tmp_path / "x.html"))
    with pytest.raises(UsageError, match="the run reads or writes"):
        check_report(tmp_path / "x.html", [mine])
    assert sorted(tmp_path.rglob("*")) == before
    check_report(tmp_path / "new" / "page.html", [work])
    assert list((tmp_path / "new").iterdir()) == []


def test_a_page_is_whole_or_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "page.html"
    assert write_whole(path, ["<p>", "\udcff</p>"]) == path.stat().st_size
    assert path.read_text(encoding="utf-8") == "<p>\\udcff</p>"

    def broken() -> Iterator[str]:
        yield "half"
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        write_whole(path, broken())
    assert path.read_text(encoding="utf-8") == "<p>\\udcff</p>"
    assert [p.name for p in path.parent.iterdir()] == ["page.html"]


def test_what_a_killed_run_left_of_a_page_is_cleared_away_and_nothing_else(tmp_path: Path) -> None:
    left, other = tmp_path / ".p[1]*.html.12345678.part", tmp_path / ".p1x.html.12345678.part"
    for path in (left, other):
        path.write_text("half", encoding="utf-8")
    write_whole(tmp_path / "p[1]*.html", ["whole"])
    assert {p.name for p in tmp_path.iterdir()} == {"p[1]*.html", other.name}


def test_a_disk_that_fails_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ResourceError, match="got:      ") as refused:
        write_whole(tmp_path / "file" / "page.html", ["x"])
    assert refused.value.exit_code == 1


def test_names_are_shown_as_they_are_where_they_print() -> None:
    assert shown("Grüße 你好.mkv") == "Grüße 你好.mkv"
    assert shown("\udcff.mkv") == "\\xff.mkv"
    assert shown("a\u202eb\n") == "a\\u202eb\\n"
