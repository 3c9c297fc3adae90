"""The check of licences and advisories fires, and says when it could not look."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def check() -> ModuleType:
    import sys

    spec = importlib.util.spec_from_file_location("check_dependencies", ROOT / ".ci" / "check_dependencies.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("expression", "fine"),
    [
        ("MIT", True),
        ("BSD-3-Clause AND 0BSD AND Zlib", True),
        ("Apache-2.0 WITH LLVM-exception", True),
        ("GPL-3.0-only OR MIT", True),
        ("(MIT AND GPL-2.0-only)", False),
        ("LGPL-2.1-or-later", False),
        ("MPL-2.0", False),
        ("not told", False),
        ("Proprietary", False),
    ],
)
def test_expressions(check: ModuleType, expression: str, fine: bool) -> None:
    assert check.permissive(expression) is fine


def test_everything_needed_at_run_time_is_permissive(check: ModuleType) -> None:
    names = set(check.closure("vidinternal"))
    assert {"torch", "av", "numpy", "safetensors", "sympy"} <= names
    assert "pytest" not in names
    assert check.check_licences(names) == []
    assert check.EXCEPTIONS.keys() <= names


def test_a_licence_that_is_not_permissive_is_found(check: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "licence", lambda _: "GPL-3.0-only")
    assert [f.package for f in check.check_licences(["torch"])] == ["torch"]


def test_an_old_version_is_found(check: ModuleType) -> None:
    listed = [{"package": "torch", "fixed": "2.6.0", "id": "CVE-1", "what": "x"}]
    assert check.check_advisories({"torch": "2.5.1"}, listed)[0].package == "torch"
    assert check.check_advisories({"torch": "2.13.0+cpu"}, listed) == []


@pytest.mark.parametrize("installed", [False, True])
def test_what_could_not_be_looked_at_is_said(
    check: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], installed: bool
) -> None:
    monkeypatch.setattr(check.util, "find_spec", lambda _: object() if installed else None)
    monkeypatch.setattr(check, "_ask", lambda _: ([], ""))  # a service that finds nothing against a known bad release
    assert check.main([]) == 0
    assert "COULD NOT LOOK" in capsys.readouterr().out
    assert check.main(["--online"]) == 2


def test_what_the_service_says_is_found(check: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check.util, "find_spec", lambda _: object())
    monkeypatch.setattr(check, "_ask", lambda pins: ([check.Finding("jinja2", "3.1.2 has CVE-2")], ""))
    assert check.main([]) == 1
