"""What a batch refuses before anything is begun."""

from pathlib import Path

import pytest

from vidinternal.core.errors import UsageError
from vidinternal.engines.many import Piece, check_beside
from vidinternal.engines.staging import StagedJob
from vidinternal.runner.job import Job
from vidinternal.stages.base import JobInputs


def pieces(pipeline: str, *names: str, private: bool = False) -> list[Piece]:
    folder = Path("out")
    made = [Job(pipeline, JobInputs(Path("in") / n, folder / n), private=private) for n in names]
    return [Piece(name, job) for name, job in zip(names, made, strict=True)]


@pytest.mark.parametrize("pipeline", ["remove_subtitles", "dehaze"])
def test_files_beside_results_never_collide(pipeline: str) -> None:
    with pytest.raises(UsageError, match=r"(?s)a\.mkv and a\.mp4.*--exclude 'a\.mp4'"):
        check_beside(pieces(pipeline, "a.mkv", "b.mkv", "a.mp4"))
    check_beside(pieces(pipeline, "a.mkv", "b.mkv", "sub/a.mp4", "a.b.mkv"))
    check_beside(pieces(pipeline, "a.mkv", "a.mp4", private=True))  # writes none


def test_where_nothing_is_written_beside_suffixes_tell_results_apart() -> None:
    check_beside(pieces("inpaint", "a.mkv", "a.mp4"))
    check_beside(pieces("upscale", "a.png", "a.jpg"))


def test_files_beside_results_at_a_url_never_collide() -> None:
    def at(name: str) -> Piece:
        inputs = JobInputs(Path("in") / name, Path(name))
        return Piece(name, StagedJob("dehaze", inputs, output_url=f"s3://bucket/out/{name}"))

    with pytest.raises(UsageError, match=r"a\.mkv and a\.mp4"):
        check_beside([at("a.mkv"), at("a.mp4")])
    check_beside([at("a.mkv"), at("c.d/a.mp4")])
