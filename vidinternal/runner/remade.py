"""Runs in which every picture was made anew: their accounts, what they tell a person, and what they take on a disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vidinternal.core.clip import ClipInfo
from vidinternal.media.orientation import shown_size
from vidinternal.media.picture import picture_format, plane_shape
from vidinternal.stages.made import Made

if TYPE_CHECKING:
    from vidinternal.core.clip import Window
    from vidinternal.runner.run import Run
    from vidinternal.runner.spec import PipelineSpec
    from vidinternal.stages.base import Stage

_ASIDE = ("description",)  # for the weight bank
_NAMED = 8
"""Windows named in a note."""


def maker_of(spec: PipelineSpec) -> Stage | None:
    """The stage of a pipeline that makes every picture anew; None where there is none."""
    return next((s for s in spec.stages if s.remakes), None)


def made_facts(run: Run, window: Window) -> dict[str, Any] | None:
    """The account of a window whose pictures were all made anew; its layers and weights are not read."""
    stage = maker_of(run.spec)
    if stage is None or "made" not in stage.writes:
        return None
    made: Made = run.read("made", window)
    owned = run.windows().owned(window)
    facts = {name: value for name, value in made.facts.items() if name not in _ASIDE}
    return {"frames": [owned.start, owned.stop], "hole_pixels": 0, "expected_psnr": None, **facts}


def remade_notes(run: Run, shots: Sequence[Mapping[str, Any]]) -> list[str]:
    """What a person should know: the size, how steady the pictures are, and what the method told, each once."""
    stage = maker_of(run.spec)
    if stage is None:
        return []
    windows = [facts for shot in shots for facts in shot["windows"]]
    notes = []
    was, now = ("x".join(map(str, shown_size(clip))) for clip in (run.info, run.out))
    if was != now:
        notes.append(f"every picture is {now}, from {was}")
    notes += _steadiness(windows)
    told: dict[str, list[int]] = {}
    for number, facts in enumerate(windows, 1):
        for note in facts.get("notes", ()):
            told.setdefault(note, []).append(number)
    return notes + [_where(note, numbers, len(windows)) for note, numbers in told.items()]


def _where(note: str, numbers: Sequence[int], count: int) -> str:
    if count == 1 or len(numbers) == count:
        return note
    names = ", ".join(map(str, numbers[:_NAMED])) + (f" and {len(numbers) - _NAMED} more" if numbers[_NAMED:] else "")
    return f"window{'s' * (len(numbers) > 1)} {names}: {note}"


def _steadiness(windows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Warping error of source and result, the mean of all windows by their frames."""
    means = {}
    for name in ("source", "before", "after"):
        known = [(f["flicker"][name], f["frames"][1] - f["frames"][0]) for f in windows if _flickers(f, name)]
        if known:
            means[name] = sum(value * frames for value, frames in known) / sum(frames for _, frames in known)
    if "before" not in means:
        return []
    parts = [f"{1e3 * means['before']:.3f} x 10^-3"]
    parts += [f"of the source {1e3 * means['source']:.3f}"] if "source" in means else []
    parts += [f"after the deflicker {1e3 * means['after']:.3f}"] if "after" in means else []
    return [f"steadiness, warping error: {', '.join(parts)}"]


def _flickers(facts: Mapping[str, Any], name: str) -> bool:
    return isinstance((facts.get("flicker") or {}).get(name), int | float)


def frame_bytes(out: ClipInfo) -> int:
    """Bytes of a whole frame as it is kept in the workspace."""
    fmt = picture_format(out.pix_fmt)
    shapes = [plane_shape(layout, out.width, out.height) for layout in fmt.planes]
    return sum(rows * columns for rows, columns in shapes) * (1 if fmt.depth == 8 else 2)


def layer_bytes(spec: PipelineSpec, out: ClipInfo) -> int:
    """Most bytes of a frame's layers as they are kept: three channels of 16 bits each."""
    stage = maker_of(spec)
    layers = getattr(getattr(stage, "card", None), "layers", ())
    return len(layers) * 3 * 2 * out.width * out.height
