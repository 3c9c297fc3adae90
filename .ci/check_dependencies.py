"""Licences and known vulnerabilities of everything that is installed; ``make lint`` runs it.

Licences: every package that vidinternal needs at run time, with its extras that are installed, must be permissive by
its own metadata (PEP 639 ``License-Expression``, else ``License`` or classifiers). Packages that only tests and lint
rules use are listed when they are not, and allowed: they are not shipped with anything.

Vulnerabilities: always against ``.ci/advisories.json``, a short list kept with the code; and, where ``pip-audit`` is
installed (``pip install 'vidinternal[audit]'``) and reaches its service, against the public advisories. It says plainly
when it could not look there: pip-audit itself calls packages that its service does not know "not vulnerable", so it is
first asked about a release that is known to be.

Exit codes: 0 nothing found; 1 a licence or a vulnerability; 2 with ``--online``, the advisories could not be reached.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

PERMISSIVE = frozenset(
    {
        *("0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0", "HPND", "ISC", "MIT", "MIT-0"),
        *("MIT-CMU", "NCSA", "PSF-2.0", "Python-2.0", "Unlicense", "Zlib", "LLVM-exception"),
    }
)
"""SPDX identifiers, and the one exception, that ask for nothing but credit."""
SPOKEN = {
    "apache 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "bsd": "BSD-3-Clause",
    "bsd license": "BSD-3-Clause",
    "3-clause bsd license": "BSD-3-Clause",
    "bsd 2-clause license": "BSD-2-Clause",
    "isc license": "ISC",
    "isc license (iscl)": "ISC",
    "mit license": "MIT",
    "python software foundation license": "PSF-2.0",
}
"""How packages without SPDX identifiers name theirs."""
EXCEPTIONS = {
    "tqdm": "MPL-2.0 AND MIT: MPL covers its own files alone; it is used as published and not copied",
    "certifi": "MPL-2.0: a list of certificates that ray and s3fs check connections by; used as published",
    "python-dateutil": "Apache-2.0 or BSD-3-Clause at choice, which its metadata calls dual",
}
"""Run-time packages that are not purely permissive, each with the reason it is allowed all the same."""
BUNDLED = {
    "av": "FFmpeg with x264 and x265, GPL; the package's own code is BSD. Linked by its authors, not by us",
    "decord2": "FFmpeg, LGPL",
    "opencv-python": "FFmpeg, LGPL; Qt, LGPL",
}
"""What is known of libraries inside wheels, of which metadata says nothing."""
CANARY = "jinja2==3.1.2"
"""A release that is known to be vulnerable; a service that does not say so was not reached."""
ROOT = "vidinternal"


@dataclass(frozen=True)
class Finding:
    """One thing to put right.

    Attributes:
        package: Its name.
        text: What is wrong with it.
    """

    package: str
    text: str


def identifiers(expression: str) -> list[list[str]]:
    """Read an SPDX expression as alternatives of identifiers that hold together."""
    plain = re.sub(r"[()]", " ", expression)
    return [re.split(r"\s+(?:AND|WITH)\s+", part.strip()) for part in re.split(r"\s+OR\s+", plain)]


def licence(found: metadata.PackageMetadata) -> str:
    """What a package says of its licence: an SPDX expression, or its own words where it has none."""
    if found.get("License-Expression"):
        return found["License-Expression"]
    words = (found.get("License") or "").strip()
    if words and "\n" not in words and len(words) < 80:
        return SPOKEN.get(words.lower(), words)
    classifiers = [c.split("::")[-1].strip() for c in found.get_all("Classifier") or () if c.startswith("License ::")]
    return " AND ".join(SPOKEN.get(c.lower(), c) for c in classifiers) or "not told"


def permissive(expression: str) -> bool:
    """Whether at least one alternative of the expression is permissive throughout."""
    return any(all(name in PERMISSIVE for name in names) for names in identifiers(expression))


def closure(root: str) -> Iterator[str]:
    """Names of all installed packages that ``root`` needs at run time, itself left out; extras count if installed."""
    waiting, seen = [(root, frozenset({"vision", "ocr", "ray", "report"}))], {canonicalize_name(root)}
    while waiting:
        name, extras = waiting.pop()
        for line in metadata.requires(name) or ():
            requirement = Requirement(line)
            wanted = [{"extra": e} for e in (extras or ("",))]
            if requirement.marker and not any(requirement.marker.evaluate(e) for e in wanted):
                continue
            needed = canonicalize_name(requirement.name)
            if needed in seen or not _installed(needed):
                continue
            seen.add(needed)
            yield needed
            waiting.append((needed, frozenset(requirement.extras)))


def _installed(name: str) -> bool:
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def check_licences(names: Iterable[str]) -> list[Finding]:
    """Findings for packages that are neither permissive nor a known exception."""
    told = {name: licence(metadata.metadata(name)) for name in names}
    return [
        Finding(name, f"licence {said!r} is not permissive")
        for name, said in sorted(told.items())
        if not permissive(said) and name not in EXCEPTIONS
    ]


def check_advisories(installed: Mapping[str, str], listed: Iterable[Mapping[str, str]]) -> list[Finding]:
    """Findings for installed versions older than the one an advisory was fixed in."""
    return [
        Finding(a["package"], f"{installed[a['package']]} has {a['id']} ({a['what']}), fixed in {a['fixed']}")
        for a in listed
        if a["package"] in installed and Version(installed[a["package"]]) < Version(a["fixed"])
    ]


def check_online(installed: Mapping[str, str]) -> tuple[list[Finding], str]:
    """Ask pip-audit.

    Returns:
        What it found; and why it could not look, empty where it could.
    """
    if util.find_spec("pip_audit") is None:
        return [], "pip-audit is not installed (pip install 'vidinternal[audit]')"
    if not _ask([CANARY])[0]:
        return [], f"its advisory service was not reached: it knows nothing against {CANARY}"
    return _ask([f"{name}=={version}" for name, version in installed.items() if name != ROOT])


def _ask(pins: list[str]) -> tuple[list[Finding], str]:
    command = [sys.executable, "-m", "pip_audit", "--no-deps", "--disable-pip", "--progress-spinner=off"]
    command += ["--format=json", "--timeout=10", "-r", "/dev/stdin"]
    done = subprocess.run(command, input="\n".join(pins), capture_output=True, text=True, check=False)
    try:
        told = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        return [], f"pip-audit failed: {(done.stderr.strip().splitlines() or ['no output'])[-1]}"
    found = [
        Finding(d["name"], f"{d['version']} has {v['id']}, fixed in {', '.join(v['fix_versions']) or 'no release'}")
        for d in told
        for v in d.get("vulns", ())
    ]
    skipped = [d["name"] for d in told if "skip_reason" in d]
    return found, f"not known to its service: {', '.join(skipped)}" if skipped else ""


def lines(runtime: list[str], others: Iterable[str], listed: Mapping[str, Any]) -> Iterator[str]:
    """What was looked at, and what is known and allowed."""
    yield f"licences: {len(runtime)} run-time packages looked at"
    yield from (f"  allowed: {name}: {EXCEPTIONS[name]}" for name in runtime if name in EXCEPTIONS)
    yield from (f"  inside its wheel: {name}: {BUNDLED[name]}" for name in runtime if name in BUNDLED)
    yield from (f"  only for development: {f.package}: {f.text}" for f in check_licences(sorted(others)))
    yield f"vulnerabilities: {len(listed['advisories'])} kept advisories, as of {listed['as_of']}"


def main(arguments: list[str]) -> int:
    """Check, tell, and return the exit code."""
    installed = {canonicalize_name(d.metadata["Name"]): d.version for d in metadata.distributions()}
    runtime = sorted(closure(ROOT))
    listed = json.loads(Path(__file__).with_name("advisories.json").read_text(encoding="utf-8"))
    tools = {a["package"] for a in listed["advisories"] if a.get("tool")}
    shipped = {k: v for k, v in installed.items() if k not in tools}
    findings = check_licences(runtime) + check_advisories(shipped, listed["advisories"])
    online, why = check_online(shipped)
    told = [*lines(runtime, installed.keys() - set(runtime) - {ROOT}, listed)]
    told.append(f"  public advisories: COULD NOT LOOK: {why}" if why else "  public advisories: looked at all of them")
    for finding in check_advisories({k: v for k, v in installed.items() if k in tools}, listed["advisories"]):
        told.append(f"  warning: {finding.package}: {finding.text}; it installs packages and is no part of the program")
    told += [f"FOUND {finding.package}: {finding.text}" for finding in findings + online]
    sys.stdout.write("\n".join(told) + "\n")
    if findings or online:
        return 1
    return 2 if why and "--online" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
