"""Arrays of frames, a file for each frame: a window of whole frames is never in memory at once."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from vidinternal.core.durable import make_folder, replacing

Arrays = Mapping[str, np.ndarray]
"""What is kept of one frame, by name."""
Planes = tuple[np.ndarray, ...]
"""Planes of a frame in the order of its format."""


class FrameStore(Mapping[int, Arrays]):
    """Arrays by index of the frame; read when asked for, one frame at a time.

    Args:
        folder: Where they are kept, made when something is put; None keeps them in memory. What a run that was killed
            has put there is there again.
        only: The frames that count, where the folder may hold others; all when None.
    """

    def __init__(self, folder: Path | None = None, only: Iterable[int] | None = None) -> None:
        self.folder = folder
        self._held: dict[int, Arrays] = {}
        there = [int(p.stem) for p in folder.glob("*.safetensors") if p.stem.isdigit()] if folder is not None else []
        wanted = None if only is None else set(only)
        self._there = {i for i in there if wanted is None or i in wanted}

    def put(self, index: int, arrays: Arrays) -> None:
        """Keep what belongs to a frame, in place of what is there.

        Raises:
            OSError: There is no room or permission.
        """
        plain = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        if self.folder is None:
            self._held[index] = plain
        else:
            make_folder(self.folder)
            with replacing(self._path(self.folder, index)) as part:
                save_file(plain, part)
        self._there.add(index)

    def __getitem__(self, index: int) -> Arrays:
        if index not in self._there:
            raise KeyError(index)
        return self._held[index] if self.folder is None else load_file(self._path(self.folder, index))

    def __iter__(self) -> Iterator[int]:
        return iter(sorted(self._there))

    def __len__(self) -> int:
        return len(self._there)

    def copy_to(self, folder: Path) -> None:
        """Put everything into another folder as well, without a second copy on the disk where it has links.

        Raises:
            OSError: There is no room or permission.
        """
        if self._there:
            folder.mkdir(parents=True, exist_ok=True)
        for index in self:
            target = self._path(folder, index)
            if self.folder is None:
                save_file(dict(self._held[index]), target)
                continue
            try:
                target.hardlink_to(self._path(self.folder, index))
            except OSError:  # another disk, or one without links
                shutil.copyfile(self._path(self.folder, index), target)

    @staticmethod
    def _path(folder: Path, index: int) -> Path:
        return folder / f"{index:08d}.safetensors"


def put_planes(store: FrameStore, index: int, planes: Planes) -> None:
    """Keep the planes of a frame under their numbers."""
    store.put(index, {str(k): plane for k, plane in enumerate(planes)})


class WholeFrames(Mapping[int, tuple[tuple[int, int, np.ndarray], ...]]):
    """Planes of whole frames in the form of patches: each lies at the upper left corner.

    Args:
        store: Planes under their numbers, from :func:`put_planes`.
    """

    def __init__(self, store: FrameStore) -> None:
        self.store = store

    def __getitem__(self, index: int) -> tuple[tuple[int, int, np.ndarray], ...]:
        arrays = self.store[index]
        return tuple((0, 0, arrays[str(k)]) for k in range(len(arrays)))

    def __iter__(self) -> Iterator[int]:
        return iter(self.store)

    def __len__(self) -> int:
        return len(self.store)
