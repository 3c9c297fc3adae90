"""Pipelines, settings, regions, times and budgets, whole and broken."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

PIECES = (
    *("{", "}", "[", "]", ":", "- ", "#", "&a ", "*a", "!!python/object/apply:os.system ", "!!binary ", "!!set ", "? "),
    *(
        "|",
        ">",
        "'",
        '"',
        "\\",
        "\t",
        "\n",
        "\r",
        "\0",
        "\ufeff",
        "\ud800",
        "\u2028",
        "\u0661",
        "²",
        "%YAML 1.1\n---\n",
    ),
    *("~", "null", "yes", ".nan", "-.inf", "0x", "0o17", "1e999", "9" * 5000, "-1", "1_000", "2001-99-99", "12:30:45"),
    *(
        "<<: ",
        "=",
        "@",
        "-",
        ",",
        ".",
        ";",
        "*",
        "(",
        ")",
        "s",
        "m",
        "h",
        "::",
        "true",
        "stage: ",
        "method: ",
        "version: ",
    ),
)
REGIONS = ("0,0,8,8", "40,400,560,60@00:00:02-00:00:05", "1,2,3,4@10-20", "1,2,3,4@-5", "5,5,5,5@1:02.5-")
TIMES = ("120", "1:02.5", "00:01:02.500", "59:59")
BUDGETS = ("90", "90s", "10m", "1.5h", "1h30m")
SETS = (
    *("masks.dilate=4", "inpaint.method=telea", "flow.strides=[1, 3]", "encode.crf=18", "decode.damage=repair"),
    *("shots.memory=2.5", "encode.codec=hevc", "inpaint.copies=0"),
)


def mutate_text(text: str, random: np.random.Generator, others: Sequence[str]) -> str:
    """Break a text in one to four ways: pieces put in, cut out, repeated, nested deeply, mixed with another."""
    for _ in range(int(random.integers(1, 5))):
        at, to = sorted(int(k) for k in random.integers(0, len(text) + 1, 2))
        way = int(random.integers(7))
        if way == 0:
            text = text[:at] + PIECES[int(random.integers(len(PIECES)))] + text[at:]
        elif way == 1:
            text = text[:at] + text[min(to, at + 12) :]
        elif way == 2:
            text = text[:to] + text[at:]
        elif way == 3:
            text = text[:at] + PIECES[int(random.integers(len(PIECES)))] + text[to:]
        elif way == 4:
            text = text[:at] + others[int(random.integers(len(others)))] + text[at:]
        elif way == 5:
            text = text[:at] + "[{("[int(random.integers(3))] * int(random.integers(1, 3000)) + text[at:]
        else:
            text = text[:at] + chr(int(random.integers(1, 0x3000))) + text[at + 1 :]
    return text[:200_000]
