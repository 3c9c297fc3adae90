"""Safe YAML with the line of every value kept: :mod:`vidinternal.core.yaml_lines` under the name that pipelines use."""

from vidinternal.core.yaml_lines import KeyPath, line_of, parse

__all__ = ["KeyPath", "line_of", "parse"]
