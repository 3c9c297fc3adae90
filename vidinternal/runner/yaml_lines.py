"""Safe YAML with the line of every value kept, so that errors can say where."""

from __future__ import annotations

from typing import Any

import yaml

from vidinternal.core.errors import PipelineError

KeyPath = tuple[str | int, ...]
"""Path of a value, e.g. ``("stages", 3, "dilate")``."""


def parse(text: str, where: str) -> tuple[Any, dict[KeyPath, int]]:
    """Safe-load YAML.

    Args:
        text: The document.
        where: Its name in errors.

    Returns:
        The value, and the 1-based line of every key and item by its path.

    Raises:
        PipelineError: The text is not YAML, has a key twice, or asks for a type beyond plain YAML.
    """
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error)
        raise PipelineError(f"{where}{line}", expected="plain YAML", got=str(problem)) from error
    lines: dict[KeyPath, int] = {}
    if node is not None:
        _walk(node, (), lines, where)
    return value, lines


def _walk(node: yaml.Node, path: KeyPath, lines: dict[KeyPath, int], where: str) -> None:
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _walk(item, (*path, index), lines, where)
    elif isinstance(node, yaml.MappingNode):
        for key, item in node.value:
            place = (*path, str(key.value))
            line = key.start_mark.line + 1
            if place in lines:
                raise PipelineError(f"{where}:{line}", expected="every key once", got=f"'{key.value}' again")
            lines[place] = line
            _walk(item, place, lines, where)


def line_of(path: KeyPath, lines: dict[KeyPath, int]) -> int | None:
    """The line of a path, or of the nearest enclosing value that has one."""
    for cut in range(len(path), -1, -1):
        if path[:cut] in lines:
            return lines[path[:cut]]
    return None
