"""Clips and results at URLs: what lies there, fetched whole into the workspace, and put there all at once.

Any file system that fsspec knows; ``s3://`` needs ``pip install 'vidinternal[cloud]'``. An object store shows an object
when its upload is complete; elsewhere a file is written beside its place and renamed.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from vidinternal.core.durable import PART, aside, into_place, make_folder
from vidinternal.core.errors import MediaError, ResourceError, UsageError
from vidinternal.engines.folders import VIDEO_SUFFIXES, Choice
from vidinternal.engines.sidecar import MASK, VIDEOS
from vidinternal.media.stills.image_sequence import IMAGE_SUFFIXES

RENAMING = frozenset({"file", "local", "memory", "sftp", "ssh", "smb", "hdfs", "webhdfs", "dir"})
"""File systems that show a file while it is being written, and rename; the others are object stores."""
SIDECARS = (".vidinternal.yaml", ".yaml")


def is_url(text: str | Path) -> bool:
    """Whether a text is a URL such as ``s3://bucket/season1/`` rather than a path."""
    return "://" in str(text)


@dataclass(frozen=True)
class Place:
    """A file or folder somewhere.

    Attributes:
        url: As it is given; a folder may end with ``/``.
    """

    url: str

    def open(self) -> tuple[Any, str]:
        """The file system and the path in it.

        Raises:
            UsageError: Nobody knows such file systems, or the package for it is missing.
        """
        import fsspec  # noqa: PLC0415 - an extra

        try:
            return fsspec.core.url_to_fs(self.url)
        except (ImportError, ValueError) as error:
            raise UsageError(
                self.url, expected="a URL that fsspec can open", got=str(error), hint="pip install 'vidinternal[cloud]'"
            ) from error

    def below(self, relative: str | PurePosixPath) -> Place:
        """A place in this folder."""
        return Place(f"{self.url.rstrip('/')}/{PurePosixPath(relative)}")

    def key(self) -> str | None:
        """What tells whether a file is what it was (ETag, or size and time); None where there is none."""
        system, path = self.open()
        try:
            system.invalidate_cache()
            info = system.info(path)
        except (OSError, ValueError):
            return None
        told = [info.get(name) for name in ("ETag", "etag", "md5", "crc32c", "version_id", "ino")]
        times = [str(info.get(name)) for name in ("mtime", "LastModified", "created")]
        return hashlib.sha256(repr((info.get("size"), told, times)).encode()).hexdigest()[:16]

    def fetch(self, to: Path) -> Path:
        """Copy a file, or a folder of files, to this machine; it appears whole.

        Raises:
            MediaError: It cannot be read, or came short.
        """
        system, path = self.open()
        make_folder(to.parent)
        written = aside(to)
        try:
            if system.isdir(path):
                system.get(path.rstrip("/") + "/", f"{written}/", recursive=True)
            else:
                system.get_file(path, str(written))
                size = system.info(path).get("size")
                if size is not None and written.stat().st_size != size:
                    raise OSError(f"{written.stat().st_size} of {size} bytes came")
            into_place(written, to)
        except (OSError, ValueError) as error:
            raise MediaError(self.url, expected="a file that can be read", got=_reason(error)) from error
        finally:
            written.unlink(missing_ok=True) if not written.is_dir() else None
        return to

    def put(self, source: Path) -> None:
        """Copy a file here; nobody sees it before it is whole.

        Raises:
            ResourceError: It cannot be written.
        """
        system, path = self.open()
        try:
            if _renames(system):
                written = f"{path.rpartition('/')[0]}/.{PurePosixPath(path).name}.{source.stat().st_ino:x}{PART}"
                system.makedirs(path.rpartition("/")[0], exist_ok=True)
                system.put_file(str(source), written)
                system.mv(written, path)
            else:
                system.put_file(str(source), path)
        except (OSError, ValueError) as error:
            raise ResourceError(self.url, expected="a place that can be written to", got=_reason(error)) from error

    def write_text(self, text: str, *, new: bool = False) -> bool:
        """Write a small file; with ``new`` only where there is none: whether it was written."""
        system, path = self.open()
        with suppress(OSError, NotImplementedError):
            system.makedirs(path.rpartition("/")[0], exist_ok=True)
        try:
            if new and _renames(system) and system.exists(path):
                return False
            system.pipe_file(path, text.encode(), **({"mode": "create"} if new else {}))
        except FileExistsError:
            return False
        except (OSError, ValueError) as error:
            raise ResourceError(self.url, expected="a place that can be written to", got=_reason(error)) from error
        return True

    def read_text(self) -> str | None:
        """A small file; None where there is none."""
        system, path = self.open()
        system.invalidate_cache()
        try:
            return system.cat_file(path).decode()
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise MediaError(self.url, expected="a file that can be read", got=_reason(error)) from error

    def remove(self) -> None:
        """Remove a file if it is there."""
        system, path = self.open()
        with suppress(FileNotFoundError):
            system.rm_file(path)

    def names(self) -> dict[str, str]:
        """All files below this folder: paths from here, and their URLs.

        Raises:
            UsageError: It cannot be listed.
        """
        system, path = self.open()
        root = path.rstrip("/")
        try:
            system.invalidate_cache()
            found = [root] if system.isfile(root) else sorted(system.find(root))
        except (OSError, ValueError) as error:
            raise UsageError(
                f"input '{self.url}'", expected="a place that can be listed", got=_reason(error)
            ) from error
        if found == [root]:
            return {PurePosixPath(root).name: self.url}
        return {name[len(root) :].lstrip("/"): system.unstrip_protocol(name) for name in found}


def _renames(system: Any) -> bool:
    protocols = (system.protocol,) if isinstance(system.protocol, str) else system.protocol
    return bool(RENAMING & set(protocols))


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


@dataclass(frozen=True)
class RemoteClip:
    """A clip at a URL.

    Attributes:
        relative: Its path below the folder given.
        url: Where it is.
        sidecar: URL of its sidecar file, or empty.
        mask: URL of the mask found by its name, or empty.
    """

    relative: PurePosixPath
    url: str
    sidecar: str = ""
    mask: str = ""


def remote_clips(url: str, choice: Choice) -> list[RemoteClip]:
    """The videos below a URL, or the one at it, with what belongs to each by its name.

    Raises:
        UsageError: There is none, or one has two sidecars or masks.
    """
    names = Place(url).names()
    found = []
    for name, where in names.items():
        path = PurePosixPath(name)
        if any(part.startswith(".") or part.endswith(MASK) for part in path.parts):
            continue
        if path.suffix.lower() not in VIDEO_SUFFIXES or path.stem.endswith(MASK) or not choice.takes(path):
            continue
        stem = path.with_suffix("")
        masks = [f"{stem}{MASK}{s}" for s in dict.fromkeys((*VIDEOS, *sorted(IMAGE_SUFFIXES)))]
        folder = f"{stem}{MASK}/"
        own = [names[m] for m in masks if m in names]
        own += [_folder_of(names, folder)] if any(n.startswith(folder) for n in names) else []
        sidecars = [names[f"{stem}{s}"] for s in SIDECARS if f"{stem}{s}" in names]
        for kind, several in (("mask", own), ("sidecar file", sidecars)):
            if len(several) > 1:
                raise UsageError(where, expected=f"one {kind} by its name", got=", ".join(several))
        found.append(RemoteClip(path, where, "".join(sidecars), "".join(own)))
    if not found:
        raise UsageError(f"input '{url}'", expected="a folder with videos", got="no match")
    return found


def _folder_of(names: dict[str, str], folder: str) -> str:
    name = next(n for n in names if n.startswith(folder))
    return names[name][: len(names[name]) - len(name) + len(folder)]
