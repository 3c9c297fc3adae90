from pathlib import Path

import pytest

from tests.bench.test_base import result
from vidinternal.bench.readme import drawings, main, updated
from vidinternal.core.errors import UsageError

DOCUMENT = "# Title\n\n<!-- bench:inpaint -->\nold table\n<!-- /bench:inpaint -->\n\nThe rest.\n"


def test_the_newest_table_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    result().save(tmp_path)
    once = updated(DOCUMENT, tmp_path)
    assert "old table" not in once
    assert "| a | 23.46 | 0 |" in once
    assert once.startswith("# Title\n\n<!-- bench:inpaint -->\n")
    assert once.endswith("<!-- /bench:inpaint -->\n\nThe rest.\n")
    assert updated(once, tmp_path) == once


def test_a_document_is_rewritten_in_place(tmp_path: Path) -> None:
    result().save(tmp_path)
    document = tmp_path / "README.md"
    document.write_text(DOCUMENT, encoding="utf-8")
    main(document, tmp_path)
    assert "23.46" in document.read_text(encoding="utf-8")


def test_a_document_without_markers_or_results_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="bench:NAME"):
        updated("no markers", tmp_path)
    with pytest.raises(UsageError, match="results of bench 'inpaint'"):
        updated(DOCUMENT, tmp_path)


def test_curves_are_drawn_of_the_newest_result(tmp_path: Path) -> None:
    result().save(tmp_path)
    document = tmp_path / "README.md"
    document.write_text(DOCUMENT + "\n![what it says](bench_inpaint.png)\n", encoding="utf-8")
    main(document, tmp_path)
    assert (tmp_path / "bench_inpaint.png").read_bytes().startswith(b"\x89PNG")


def test_a_drawing_that_no_bench_makes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="inpaint, quality, scaling"):
        drawings("![x](bench_modes.png)", tmp_path)
