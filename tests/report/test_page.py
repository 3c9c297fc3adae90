import json
import sys

import pytest

from vidinternal.core.errors import UsageError
from vidinternal.report.page import for_script, pieces, require_libraries


def test_json_cannot_end_its_script_and_comes_back_as_it_was() -> None:
    value = {"</script><script>alert(1)</script>": "<!-- & \udcff '\""}
    text = str(for_script(value))
    assert not set("<>&") & set(text) and text.isascii()
    assert json.loads(text) == value


def test_what_the_user_brings_is_escaped_wherever_it_stands() -> None:
    rows = [{"name": "<b>\u202e\udcff", "status": "failed", "state": "bad", "error": "<i>\nline 2"}]
    rest = {"expected": None, "frames": None, "seconds": 0.0, "notes": 0, "link": "", "before": "", "after": ""}
    context = {"title": "<u>&", "told": "'\"", "tiles": [], "notes": ["<s>"], "columns": [], "folder": "x"}
    text = "".join(pieces("batch.html", ("batch.js",), {**context, "rows": [rows[0] | rest]}))
    for raw in ("<b>", "<i>", "<u>", "<s>", "\u202e", "\udcff"):
        assert raw not in text
    for told in ("&lt;b&gt;\\u202e\\xff", "&lt;i&gt;\nline 2", "&lt;u&gt;&amp;", "&lt;s&gt;"):
        assert told in text


def test_what_a_template_asks_for_and_is_not_given_is_an_error() -> None:
    import jinja2

    with pytest.raises(jinja2.UndefinedError):
        list(pieces("batch.html", ("batch.js",), {}))


@pytest.mark.parametrize("library", ["jinja2", "matplotlib"])
def test_without_its_libraries_the_error_names_the_extra(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    require_libraries()
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(UsageError, match=r"vidinternal\[report\]"):
        require_libraries()
