"""The options of the search for burnt-in text, as typed."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests import media_made
from vidinternal.cli.main import app
from vidinternal.core.errors import UserError

QUICK = ("--set", "inpaint.method=telea", "--set", "inpaint.copies=0", "--set", "masks.detector=temporal")
EVENTS = '{{"events": [\n{{"kind": "text", "start": {start}, "end": {end}, "{key}": [9, 9, 30, 12], "text": "Hi"}}\n]}}'


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    options = {"preset": "ultrafast", "g": "3"}
    return media_made.clip(
        tmp_path / "clip.mkv", size=(64, 48), frames=6, codec="libx264", options=options, smooth=True
    )


def run(clip: Path, *arguments: str, pipeline: str = "remove_subtitles") -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "vidinternal.cli.main",
        "run",
        pipeline,
        str(clip),
        "-o",
        str(clip.parent / "out.mkv"),
    ]
    return subprocess.run([*command, *QUICK[:4], *arguments], capture_output=True, text=True, check=False)


def events(clip: Path, start: int = 1, end: int = 4, key: str = "box") -> str:
    path = clip.parent / "given.json"
    path.write_text(EVENTS.format(start=start, end=end, key=key))
    return str(path)


def test_a_clip_without_burnt_in_text_comes_out_as_it_is_and_one_line_says_so(clip: Path) -> None:
    done = run(clip, *QUICK[4:])
    assert done.returncode == 0, done.stderr
    assert "nothing to remove" in done.stdout
    assert "0 samples changed" in done.stdout
    assert media_made.packets(clip.parent / "out.mkv") == media_made.packets(clip)


def test_an_events_file_with_reversed_times_is_refused_with_its_line(clip: Path) -> None:
    done = run(clip, *QUICK[4:], "--events", events(clip, 4, 1))
    assert done.returncode == 2
    assert "given.json:2" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (clip.parent / "out.mkv").exists()


def refusal(clip: Path, *arguments: str, pipeline: str = "remove_subtitles") -> UserError:
    """What the command refuses; in this process, which is quicker."""
    typed = ["run", pipeline, str(clip), "-o", str(clip.parent / "out.mkv"), *QUICK[:4], *arguments]
    done = CliRunner().invoke(app, typed)
    if isinstance(done.exception, UserError):
        return done.exception
    raise AssertionError(done.output)


def test_an_unknown_key_names_the_nearest(clip: Path) -> None:
    done = CliRunner().invoke(
        app,
        [
            "run",
            "remove_subtitles",
            str(clip),
            "-o",
            str(clip.parent / "out.mkv"),
            *QUICK,
            "--events",
            events(clip, key="boxx"),
        ],
    )
    assert done.exit_code == 2
    assert "did you mean 'box'" in done.output


@pytest.mark.parametrize("arguments", [("--soft-subs", "--language", "klingon"), ("--soft-subs", "--language", "")])
def test_what_is_no_language_is_refused(arguments: tuple[str, ...], clip: Path) -> None:
    assert "en, eng or en-GB" in refusal(clip, *QUICK[4:], *arguments).message
