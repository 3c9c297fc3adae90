"""The import rules hold, and every one of them fires when it is broken."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter on the package in a folder, with the rules in the same folder."""
    program = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    command = [sys.executable, "-c", program, "--config", "pyproject.toml", "--no-cache", "--no-logo"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the package to break."""
    shutil.copytree(ROOT / "vidinternal", tmp_path / "vidinternal", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def write(file: Path, line: str) -> None:
    file.parent.mkdir(exist_ok=True)
    (file.parent / "__init__.py").touch()
    file.write_text(f"{line}\n", encoding="utf-8")


def test_the_rules_hold() -> None:
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 kept, 0 broken" in done.stdout


@pytest.mark.parametrize(
    ("file", "line", "broken"),
    [
        ("ops/upwards.py", "import vidinternal.runner.run", "layers"),
        ("core/upwards.py", "import vidinternal.ops.warp", "layers"),
        ("media/sideways.py", "import vidinternal.methods", "layers"),
        ("media/downwards.py", "import vidinternal.ops.warp", "media knows files and core types only"),
        ("stages/opens.py", "import av", "only media opens video containers"),
        ("ops/opens.py", "import decord", "only media opens video containers"),
        ("unlisted/thing.py", "", "layers"),
    ],
)
def test_a_forbidden_import_breaks_a_rule(tree: Path, file: str, line: str, broken: str) -> None:
    write(tree / "vidinternal" / file, line)
    done = lint(tree)
    assert done.returncode == 1, done.stdout + done.stderr
    assert any(row.startswith(broken) and row.endswith("BROKEN") for row in done.stdout.splitlines())
    culprit = file.split("/", maxsplit=1)[0] if not line else file.removesuffix(".py").replace("/", ".")
    assert culprit in done.stdout


def test_a_method_must_not_lean_on_another(tree: Path) -> None:
    for name, line in (("first", "import vidinternal.methods.second.method"), ("second", "")):
        write(tree / "vidinternal" / "methods" / name / "method.py", line)
    done = lint(tree)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "methods stand alone BROKEN" in done.stdout
    assert "vidinternal.methods.first is not allowed to import vidinternal.methods.second" in done.stdout
