"""The command line's contract: verbs, exit codes, JSON, no traceback, nothing heavy for ``--help``."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests import media_made
from vidinternal.cli.main import app

VERBS = ("run", "check", "pipelines", "stages", "methods", "compare", "verify", "bench", "doctor")


def vidinternal(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "vidinternal.cli.main", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return media_made.clip(tmp_path / "clip.mkv", size=(64, 48), frames=6)


def test_help_lists_every_verb_and_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom typer.testing import CliRunner\nfrom vidinternal.cli.main import app\n"
        "print(CliRunner().invoke(app, ['--help']).output)\n"
        "print('HEAVY', sorted({'torch', 'av', 'cv2', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "HEAVY []" in done.stdout
    for verb in VERBS:
        assert verb in done.stdout


def test_run_says_where_the_result_is_and_nothing_on_stderr(clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "clean.mkv"
    done = vidinternal("run", "inpaint", clip, "-o", out, "--region", "9,9,12,8", "--set", "inpaint.method=telea")
    assert done.returncode == 0, done.stderr
    assert str(out) in done.stdout
    assert done.stderr == ""
    assert out.is_file()


def test_json_is_json(clip: Path, tmp_path: Path) -> None:
    few = ("--set", "inpaint.iterations=5")
    done = vidinternal("run", "inpaint", clip, "-o", tmp_path / "c.mkv", "--region", "9,9,12,8", "--json", *few)
    (row,) = json.loads(done.stdout)
    assert row["status"] == "done"
    assert Path(row["record"]).is_file()


def test_an_interrupted_run_says_how_to_go_on_and_leaves_with_130(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("vidinternal.engines.local.run_batch", interrupt)
    done = CliRunner().invoke(app, ["run", "inpaint", str(clip), "-o", str(tmp_path / "c.mkv"), "--region", "9,9,12,8"])
    assert done.exit_code == 130
    assert "to go on: vidinternal" in done.stderr


def test_a_folder_goes_on_after_a_failed_clip_and_leaves_with_one(clip: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    clip.rename(folder / "good.mkv")
    (folder / "bad.mkv").write_text("nothing")
    done = vidinternal(
        "run", "inpaint", folder, "-o", tmp_path / "out", "--region", "9,9,12,8", "--set", "inpaint.method=telea"
    )
    assert done.returncode == 1
    assert (tmp_path / "out" / "good.mkv").is_file()
    assert "bad.mkv" in done.stderr
    assert "1 of 2 clips failed" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--region", "9,9,12,8", "--set", "masks.dilat=2"], "did you mean 'dilate'"),
        (["--region", "9,9,12"], "X,Y,W,H"),
        ([], "--mask PATH"),
        (["--region", "9,9,12,8", "--engine", "lokal"], "local"),
        (["--region", "9,9,12,8", "--device", "tpu"], "auto, cpu or cuda"),
        (["--region", "9,9,12,8", "--budget", "soon"], "--budget"),
    ],
)
def test_wrong_usage_leaves_with_two_and_no_traceback(
    clip: Path, tmp_path: Path, arguments: list[str], part: str
) -> None:
    done = vidinternal("run", "inpaint", clip, "-o", tmp_path / "c.mkv", *arguments)
    assert done.returncode == 2
    assert part in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "c.mkv").exists()


def test_dry_run_says_what_would_be_filled_and_writes_nothing(clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "c.mkv"
    base = ("run", "inpaint", clip, "-o", out, "--region", "9,9,12,8@1-4", "--dry-run", "--set", "inpaint.method=telea")
    done = vidinternal(*base)
    assert done.returncode == 0, done.stderr
    assert "frames 1-3" in done.stdout
    assert "never seen" in done.stdout
    assert not out.exists()
    (plan,) = json.loads(vidinternal(*base, "--json").stdout)
    assert plan["windows"][0]["frames"] == 3
    assert 0 <= plan["windows"][0]["never_seen"] <= 1


def test_check_tells_line_expectation_and_nearest_name(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("version: 1\nname: p\nstages:\n  - stage: decod\n")
    done = vidinternal("check", path)
    assert done.returncode == 2
    assert ":4:" in done.stderr
    assert "did you mean 'decode'" in done.stderr
    assert vidinternal("check").returncode == 0
    assert json.loads(vidinternal("check", "--schema").stdout)["title"]


@pytest.mark.parametrize("verb", ["pipelines", "stages", "methods", "doctor"])
def test_what_there_is_as_text_and_json(verb: str) -> None:
    text, data = vidinternal(verb), vidinternal(verb, "--json")
    assert text.returncode == data.returncode == 0, text.stderr + data.stderr
    rows = json.loads(data.stdout)
    assert rows
    assert rows[0]["name"] in text.stdout


def test_methods_shows_one_with_its_settings_and_names_the_nearest() -> None:
    assert "radius" in vidinternal("methods", "telea").stdout
    wrong = vidinternal("methods", "tela")
    assert wrong.returncode == 2
    assert "did you mean 'telea'" in wrong.stderr


def test_compare_of_a_clip_with_itself(clip: Path) -> None:
    done = vidinternal("compare", clip, clip, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)
