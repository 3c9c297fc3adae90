"""Images and animations made on the spot."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from vidinternal.core.clip import ClipInfo
from vidinternal.media.decode import ClipReader
from vidinternal.media.picture import NativeFrame
from vidinternal.media.probe import probe
from vidinternal.media.stills import gif_file
from vidinternal.media.stills.gif_file import GifFacts, GifPatch
from vidinternal.media.stills.write import look_up

WIDTH, HEIGHT = 48, 40
HOLE = (slice(12, 24), slice(10, 30))
"""Rows and columns that :func:`edited` changes."""


def picture(index: int, depth: int = 8) -> np.ndarray:
    """A picture of few colours that moves: ``H W 3``."""
    rng = np.random.default_rng(7)
    tiles = rng.integers(0, 1 << depth, (5, 6, 3))
    full = np.kron(tiles, np.ones((8, 8, 1), int)).astype(np.uint8 if depth == 8 else np.uint16)
    return np.roll(full, 2 * index, axis=1)


def see_through(index: int) -> np.ndarray:
    """The picture with a transparent corner: ``H W 4``."""
    alpha = np.full((HEIGHT, WIDTH, 1), 255, np.uint8)
    alpha[: 6 + index, :9] = 0
    return np.concatenate([picture(index), alpha], axis=2)


def write_sequence(folder: Path, count: int = 4, name: str = "{:03d}.png", **options: object) -> Path:
    """RGB images."""
    folder.mkdir()
    for index in range(count):
        Image.fromarray(picture(index)).save(folder / name.format(index + 1), **options)  # pyright: ignore[reportArgumentType]
    return folder


def write_animation(path: Path, alpha: bool, **options: object) -> Path:
    """Four frames, by Pillow."""
    frames = [Image.fromarray((see_through if alpha else picture)(k)) for k in range(4)]
    kind = {".gif": "GIF", ".webp": "WEBP"}.get(path.suffix, "PNG")
    frames[0].save(path, kind, save_all=True, append_images=frames[1:], **options)  # pyright: ignore[reportArgumentType]
    return path


def write_gif(path: Path, alpha: bool, delays: tuple[int, ...] = (4, 0, 7, 3), loops: int | None = 2) -> Path:
    """Four frames whose samples are exactly those drawn; Pillow would choose other colours."""
    patches = []
    for index, delay in enumerate(delays):
        drawn = see_through(index)
        palette = np.unique(drawn[..., :3].reshape(-1, 3), axis=0)
        indices = look_up(drawn[..., :3], palette)
        assert indices is not None
        hidden = len(palette) if alpha else None
        if alpha:
            indices[drawn[..., 3] == 0] = len(palette)
            palette = np.concatenate([palette, palette[:1]])
        patches.append(GifPatch((0, 0), indices, palette, hidden, alpha, delay))
    path.write_bytes(gif_file.write_gif(GifFacts(WIDTH, HEIGHT, (), loops, (b"made for a test",)), patches))
    return path


def frames_of(path: Path | ClipInfo) -> list[NativeFrame]:
    return list(ClipReader(path if isinstance(path, ClipInfo) else probe(path)).frames())


def edited(info: ClipInfo, changed: tuple[int, ...] = (1, 2), value: int = 77) -> list[NativeFrame]:
    """The clip's pictures with one colour in the hole of some; alpha stays."""
    made = []
    for native in frames_of(info):
        planes = []
        for k, plane in enumerate(native.planes):
            copy = plane.copy()
            if native.index in changed and not (len(native.planes) in (2, 4) and k == len(native.planes) - 1):
                copy[HOLE] = value + 20 * k
            planes.append(copy)
        made.append(NativeFrame(tuple(planes), native.pts, native.duration, native.index))
    return made


def same_samples(one: list[NativeFrame], other: list[NativeFrame]) -> bool:
    """Whether every sample of every frame is equal."""
    pairs = zip(one, other, strict=True)
    return all(np.array_equal(a, b) for p, q in pairs for a, b in zip(p.planes, q.planes, strict=True))
