"""What surrounds the code: sample clips, pinned versions, commands, images."""

import hashlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from vidinternal.media.decode import ClipReader
from vidinternal.media.mask_source import check_fits, open_masks
from vidinternal.media.probe import frame_pts, probe

ROOT = Path(__file__).resolve().parents[1]
CLIPS = ROOT / "clips"
MAY_BE_SHIPPED = {"CC0-1.0", "CC-BY-4.0", "CC-BY-3.0", "public domain"}


def manifest() -> list[dict[str, str]]:
    return yaml.safe_load((CLIPS / "MANIFEST.yaml").read_text(encoding="utf-8"))["clips"]


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    found = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {name.lower().replace("_", "-"): version for name, version in found}


@pytest.mark.parametrize("entry", manifest(), ids=lambda e: e["file"])
def test_a_clip_is_what_the_manifest_says(entry: dict[str, str]) -> None:
    data = (CLIPS / entry["file"]).read_bytes()
    assert hashlib.sha256(data).hexdigest() == entry["sha256"]
    assert entry["licence"] in MAY_BE_SHIPPED
    if entry["licence"].startswith("CC-BY"):
        assert re.search(r"\(c\) .+creativecommons\.org/licenses", entry["credit"])
    assert all(entry[key] for key in ("what", "origin", "made", "made_from"))


def test_no_file_in_clips_is_missing_from_the_manifest() -> None:
    listed = {e["file"] for e in manifest()} | {"MANIFEST.yaml", "make_clips.py"}
    assert {p.name for p in CLIPS.iterdir() if p.is_file()} == listed
    assert sum((CLIPS / name).stat().st_size for name in listed) < 2_500_000


def test_the_captioned_clip_its_mask_and_its_truth_belong_together() -> None:
    captioned, truth = probe(CLIPS / "flower_captions.mp4"), probe(CLIPS / "flower.mp4")
    assert frame_pts(captioned) == frame_pts(truth)
    masks = open_masks(CLIPS / "flower_captions_mask.mkv")
    count = len(ClipReader(captioned))
    drawn = masks.read(0, count, check_fits(masks, captioned, count, fit=False))
    share = drawn.mean(axis=(1, 2))
    # a logo throughout, captions that come and go
    assert 0.001 < share.min() < share.max() < 0.05
    assert share.max() > 5 * share.min()


def test_every_requirement_is_pinned_inside_its_range() -> None:
    from packaging.requirements import Requirement

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = [Requirement(r) for r in project["dependencies"] + extras["test"] + extras["report"] + extras["dev"]]
    assert pins()["torch"]
    for requirement in wanted:
        if requirement.marker is None or requirement.marker.evaluate():
            assert requirement.specifier.contains(pins()[requirement.name.lower()]), requirement
    assert Requirement(extras["vision"][0]).specifier.contains(pins()["torchvision"])


@pytest.mark.parametrize("target", ["demo", "test", "test-browser", "lint", "bench"])
def test_make_has_the_targets(target: str) -> None:
    done = subprocess.run(
        ["make", "--dry-run", "--always-make", target], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "constraints.txt" in done.stdout


def test_make_refuses_an_old_python() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    check = re.search(r"-c '(import sys; .+?)'", text)
    assert check is not None
    old = f"import sys; sys.version_info = (3, 10, 4); {check[1].removeprefix('import sys; ')}"
    refused = subprocess.run([sys.executable, "-c", old], capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "3.11" in refused.stderr


def test_ci_runs_lint_and_the_readmes_test_command() -> None:
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    text = script.read_text(encoding="utf-8")
    assert "set -euo pipefail" in text
    assert text.index("make lint") < text.index("make test\n") < text.index("make test-browser\n")
    assert text.index("apt-get -qq install") < text.index("make lint")


@pytest.mark.parametrize("name", ["Dockerfile", "Dockerfile.cuda"])
def test_an_image_takes_the_same_steps_and_is_not_root(name: str) -> None:
    text = (ROOT / "docker" / name).read_text(encoding="utf-8")
    assert re.search(r"^FROM python:3\.11\.\d+-slim-\w+$", text, re.MULTILINE)
    assert re.search(r"^RUN make setup", text, re.MULTILINE)
    assert text.rindex("USER 1000:1000") < text.index("RUN make setup") < text.index('ENTRYPOINT ["vidinternal"]')
    assert (ROOT / "docker" / f"{name}.dockerignore").is_file()
