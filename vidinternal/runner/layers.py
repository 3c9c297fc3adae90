"""The layers of a run beside its output: 16-bit PNG images, one for each frame, or one file for a single picture."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vidinternal.core.durable import PART, aside, into_place, replacing, to_disk
from vidinternal.core.errors import MediaError
from vidinternal.media.part_file import as_media_error
from vidinternal.media.stills.write import encode_png
from vidinternal.runner.beside import place_of
from vidinternal.runner.remade import maker_of
from vidinternal.stages.made import Made

if TYPE_CHECKING:
    from vidinternal.runner.run import Run

_LAYOUTS = {1: "gray16le", 2: "ya16le", 3: "rgb48le", 4: "rgba64le"}
_OURS = re.compile(r"\d{6,}\.png")


def layer_places(run: Run) -> dict[str, Path]:
    """Where each layer goes: a folder of numbered images beside the output, or one image where there is one frame."""
    stage = maker_of(run.spec)
    if stage is None or run.job.private:
        return {}
    names: tuple[str, ...] = tuple(getattr(getattr(stage, "card", None), "layers", ()))
    single = len(run.handles["frames"]) == 1
    place = run.job.inputs.destination
    return {name: place_of(place, f"{name}.png" if single else name) for name in names}


def write_layers(run: Run) -> list[str]:
    """Write every layer, each as a whole in one step; a note that tells where, and what gave way.

    A folder of that name that holds anything but an earlier run's layer is kept under another name. A private run
    writes none.

    Raises:
        MediaError: A layer cannot be written.
    """
    notes: list[str] = []
    places = layer_places(run)
    for name, place in places.items():
        with as_media_error(place):
            _sweep(place)
            if place.suffix == ".png" and len(run.handles["frames"]) == 1:
                _, first = next(_images(run, name))
                if place.is_dir():
                    notes.append(_put_aside(place))
                with replacing(place) as part:
                    part.write_bytes(first)
            else:
                notes += _write_folder(run, name, place)
    if places:
        notes.append(f"layers, 16 bits a sample: {', '.join(str(p) for p in places.values())}")
    return notes


def _images(run: Run, name: str) -> Iterator[tuple[int, bytes]]:
    """Every frame of a layer as a PNG file, in order; one in memory at a time."""
    windows = run.windows()
    for window in windows.windows:
        made: Made = run.read("made", window)
        for index in windows.owned(window):
            arrays = made.layers.get(index)
            if arrays is None or name not in arrays:
                raise MediaError(f"layer '{name}'", expected=f"a picture for frame {index}", got="none")
            layer = arrays[name]
            yield index, encode_png(tuple(np.ascontiguousarray(c) for c in layer), _LAYOUTS[len(layer)])


def _write_folder(run: Run, name: str, place: Path) -> list[str]:
    notes: list[str] = []
    part = aside(place)
    try:
        part.mkdir(parents=True)
        for index, png in _images(run, name):
            (part / f"{index:06d}.png").write_bytes(png)
        if place.exists() and not _is_ours(place):
            notes.append(_put_aside(place))
        if place.exists():
            old = aside(place)
            place.rename(old)
            into_place(part, place)
            shutil.rmtree(old, ignore_errors=True)
        else:
            into_place(part, place)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return notes


def _is_ours(place: Path) -> bool:
    return place.is_dir() and all(_OURS.fullmatch(p.name) for p in place.iterdir())


def _put_aside(place: Path) -> str:
    number = 1
    while (kept := place.with_name(f"{place.name}.{number}")).exists():
        number += 1
    place.rename(kept)
    to_disk(place.parent)
    return f"{place.name} was there with other content: kept as {kept.name}"


def _sweep(place: Path) -> None:
    """Remove what a killed run left of this very layer."""
    for left in place.parent.glob(f".{place.name}.*{PART}"):
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)
