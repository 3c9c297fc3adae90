import pytest

from vidinternal.core.errors import PipelineError
from vidinternal.runner.yaml_lines import line_of, parse


def test_every_value_has_its_line() -> None:
    value, lines = parse("a: 1\nb:\n  - c: 2\n  - d: 3\n", "x.yaml")
    assert value == {"a": 1, "b": [{"c": 2}, {"d": 3}]}
    assert lines["b", 1, "d"] == 4
    assert line_of(("b", 1, "missing"), lines) == 4


@pytest.mark.parametrize(
    ("text", "line"),
    [("a: 1\na: 2\n", 2), ("a: [1,\n", 2), ("a: !!python/object/apply:os.system ['true']\n", 1)],
)
def test_doubles_broken_text_and_foreign_types_are_refused_with_their_line(text: str, line: int) -> None:
    with pytest.raises(PipelineError, match=f"x.yaml:{line}"):
        parse(text, "x.yaml")
