"""Safe YAML with the line of every value kept, so that errors can say where."""

from __future__ import annotations

from typing import Any

import yaml

from vidinternal.core.errors import PipelineError, UserError

MOST_CHARACTERS = 1 << 18
"""Longest document that is read."""
MOST_VALUES = 20_000
"""Most keys and items of a document, those that an alias repeats counted every time."""

KeyPath = tuple[str | int, ...]
"""Path of a value, e.g. ``("stages", 3, "dilate")``."""


def parse(text: str, where: str, error_type: type[UserError] = PipelineError) -> tuple[Any, dict[KeyPath, int]]:
    """Safe-load YAML.

    Args:
        text: The document.
        where: Its name in errors.
        error_type: What is raised.

    Returns:
        The value, and the 1-based line of every key and item by its path.

    Raises:
        UserError: Of that type: the text is not YAML, has a key twice, asks for a type beyond plain YAML, or is far
            larger or deeper than anything that a person writes.
    """
    if len(text) > MOST_CHARACTERS:
        raise error_type(where, expected=f"at most {MOST_CHARACTERS} characters", got=str(len(text)))
    lines: dict[KeyPath, int] = {}
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is not None:
            _walk(node, (), lines, where, error_type)
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error)
        raise error_type(f"{where}{line}", expected="plain YAML", got=str(problem)) from error
    except RecursionError as error:
        raise error_type(where, expected="plain YAML", got="values inside values without end") from error
    except (ValueError, TypeError, OverflowError) as error:  # dates and numbers that only look like ones
        raise error_type(where, expected="plain YAML", got=str(error)) from error
    return value, lines


def _walk(node: yaml.Node, path: KeyPath, lines: dict[KeyPath, int], where: str, error_type: type[UserError]) -> None:
    if len(lines) > MOST_VALUES:
        raise error_type(where, expected=f"at most {MOST_VALUES} values", got="more, or an alias inside itself")
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _walk(item, (*path, index), lines, where, error_type)
    elif isinstance(node, yaml.MappingNode):
        for key, item in node.value:
            place = (*path, str(key.value))
            line = key.start_mark.line + 1
            if place in lines:
                raise error_type(f"{where}:{line}", expected="every key once", got=f"'{key.value}' again")
            lines[place] = line
            _walk(item, place, lines, where, error_type)


def line_of(path: KeyPath, lines: dict[KeyPath, int]) -> int | None:
    """The line of a path, or of the nearest enclosing value that has one."""
    for cut in range(len(path), -1, -1):
        if path[:cut] in lines:
            return lines[path[:cut]]
    return None
