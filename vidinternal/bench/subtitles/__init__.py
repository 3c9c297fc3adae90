"""Bench ``subtitles``: burnt-in text found and removed, from file to file, against a hidden truth."""

from vidinternal.bench.subtitles.bench import run

__all__ = ["run"]
