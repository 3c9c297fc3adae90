"""Nothing gets in or out: no network, no code from data, no path outside the output folder."""

import ast
import json
import re
from pathlib import Path

import pytest

from tests import media_made
from tests.faults.runs import ROOT, allowed, child, command, job
from vidinternal.core.errors import UsageError
from vidinternal.engines.inputs import destinations, expand

PACKAGE = ROOT / "vidinternal"

WATCHED = """
import atexit, json, vidinternal.cli.main, vidinternal.runner.run
SEEN = []
NEVER = ("socket.connect", "socket.bind", "socket.sendto", "socket.getaddrinfo", "urllib.Request",
         "http.client.connect", "ftplib.connect", "smtplib.connect", "webbrowser.open", "pickle.find_class",
         "marshal.loads", "os.system", "subprocess.Popen", "os.exec", "os.posix_spawn", "os.fork", "pty.spawn",
         "ctypes.dlopen")
def watch(event, arguments):
    if event in NEVER and not importing():
        SEEN.append([event, repr(arguments)[:200]])
        if event.startswith(("socket", "urllib", "http", "ftplib", "smtplib")):
            raise PermissionError("this run has no network")
    if event == "compile" and not importing():
        SEEN.append([event, repr(arguments)[:200]])
def importing():
    frame = sys._getframe()
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
def told():
    with open(PLACE, "w") as file:
        json.dump(SEEN, file)
def go():
    sys.addaudithook(watch)
    atexit.register(told)
"""
IN_THE_RUN = """
import vidinternal.runner.run as module
real = module._run
def watched(*given):
    go()
    return real(*given)
module._run = watched
"""


def watched_run(folder: Path, *sets: str) -> list[list[str]]:
    """Run a clip in a process that notes what it must not do; what it noted."""
    work = job(folder, *sets)
    seen = folder / "events"
    done = child(f"PLACE = {str(seen)!r}\n{WATCHED}{IN_THE_RUN}", *command(work))
    assert done.returncode == 0, done.stderr
    assert work.inputs.destination.is_file()
    return json.loads(seen.read_text(encoding="utf-8"))


def test_a_run_neither_connects_nor_runs_code_or_programs_from_data(tmp_path: Path) -> None:
    events = watched_run(tmp_path, "inpaint.method=internal", "inpaint.iterations=3", "encode.codec=ffv1")
    # libraries make small helpers of their own text the first time they are used; nothing of that is read from a file
    own = [e for e in events if e[0] != "compile" or ".safetensors" in e[1] or str(tmp_path) in e[1]]
    assert own == []


def test_the_watch_notices(tmp_path: Path) -> None:
    code = f"PLACE = {str(tmp_path / 'events')!r}\n{WATCHED}" + (
        "go()\nimport socket, pickle, os\n"
        "try:\n    socket.create_connection(('127.0.0.1', 9), 1)\nexcept OSError as e:\n    print(e)\n"
        "pickle.loads(pickle.dumps(os.getcwd))\nos.system('true')\ncompile('1', 'x', 'eval')\nraise SystemExit(0)\n"
    )
    done = child(code)
    assert done.returncode == 0, done.stderr
    noticed = {e[0] for e in json.loads((tmp_path / "events").read_text(encoding="utf-8"))}
    assert {"pickle.find_class", "os.system", "compile"} <= noticed
    assert noticed & {"socket.connect", "socket.getaddrinfo"}


def test_the_demo_needs_no_network_at_all(tmp_path: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    source = re.search(r"^SOURCE := (.+)$", makefile, re.MULTILINE)
    asked = re.search(r"vidinternal run (\w+) \$\(SOURCE\) -o \$\(CLEAN\) --set '(.+?)'", makefile)
    assert source is not None and asked is not None
    line = ["run", asked[1], source[1], "-o", str(tmp_path / "clean.mp4"), "--set", asked[2]]
    quick = ["--set", "inpaint.method=telea", "--set", "inpaint.copies=0"]
    # with a network namespace that has no way out where the machine gives one; without sockets in any case
    before = ("unshare", "-rn") if allowed("unshare", "-rn", "true") else ()
    code = f"PLACE = {str(tmp_path / 'events')!r}\n{WATCHED}{IN_THE_RUN}"
    done = child(code, *line, *quick, before=before)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "clean.mp4").is_file()
    noticed = {e[0].split(".")[0] for e in json.loads((tmp_path / "events").read_text(encoding="utf-8"))}
    assert not noticed & {"socket", "urllib", "http"}


def trees() -> list[tuple[Path, ast.Module]]:
    return [(p, ast.parse(p.read_text(encoding="utf-8"))) for p in sorted(PACKAGE.rglob("*.py"))]


FORBIDDEN_MODULES = {
    *("pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"),
    *("socket", "ssl", "http", "urllib.request", "ftplib", "smtplib", "requests", "httpx", "aiohttp", "urllib3"),
}
FORBIDDEN_CALLS = {
    *(
        "eval",
        "exec",
        "compile",
        "__import__",
        "os.system",
        "os.popen",
        "torch.load",
        "torch.save",
        "np.load",
        "yaml.load",
    ),
    *("torch.hub.load", "subprocess.getoutput", "subprocess.getstatusoutput", "tempfile.mktemp"),
    *("shutil.unpack_archive", "yaml.unsafe_load", "yaml.full_load"),
}


def offences(tree: ast.Module) -> list[str]:
    """Imports and calls that data could turn into code, or a run into traffic."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [a.name for a in node.names if a.name in FORBIDDEN_MODULES]
        elif isinstance(node, ast.ImportFrom) and node.module in FORBIDDEN_MODULES:
            found.append(node.module)
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            shell = any(k.arg == "shell" and ast.unparse(k.value) != "False" for k in node.keywords)
            unpacks = name.endswith((".extractall", ".extract")) and not isinstance(node.func, ast.Name)
            plain = any(k.arg == "allow_pickle" and ast.unparse(k.value) == "False" for k in node.keywords)
            forbidden = name in FORBIDDEN_CALLS and not (name == "np.load" and plain)
            found += [name] if forbidden or shell or unpacks else []
    return found


# the name of this machine in the lock of a workspace is all that is asked of it
ALLOWED = {"runner/workspace.py": ["socket"]}


def test_no_module_evaluates_unpickles_connects_or_hands_text_to_a_shell() -> None:
    found = {str(p.relative_to(PACKAGE)): offences(tree) for p, tree in trees()}
    assert {k: v for k, v in found.items() if v and v != ALLOWED.get(k)} == {}


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "from urllib.request import urlopen\nurllib.request.urlopen('x')",
        "eval('1')",
        "subprocess.run('ls', shell=True)",
        "torch.load('x')",
        "yaml.load(text)",
        "archive.extractall(folder)",
    ],
)
def test_the_rule_fires(line: str) -> None:
    assert offences(ast.parse(line))


@pytest.mark.parametrize("name", ["..", "...", "....mp4", "-o.mp4", "a;b.mp4", "$(id).mp4", "a\nb.mp4", "~.mp4"])
def test_a_name_never_leads_out_of_the_output_folder(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "in" / "sub"
    folder.mkdir(parents=True)
    clip = folder / (name if name.endswith(".mp4") else f"{name}x.mp4")
    clip.touch()
    found_in_folders = [] if clip.name.startswith(".") else [str(tmp_path / "in")]
    for given in (*found_in_folders, str(clip), str(folder / ".." / "sub" / clip.name)):
        for _, destination in destinations(expand([given]), tmp_path / "out", folder=True):
            assert (tmp_path / "out").resolve() in destination.resolve().parents


def test_links_in_a_folder_name_their_target_and_their_place_not_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "secret.mp4").touch()
    (tmp_path / "in" / "link.mp4").symlink_to(tmp_path / "secret.mp4")
    (tmp_path / "in" / "away").symlink_to(tmp_path)
    for _, destination in destinations(expand([str(tmp_path / "in")]), tmp_path / "out", folder=True):
        assert (tmp_path / "out").resolve() in destination.resolve().parents


def test_a_link_in_the_output_folder_that_leads_to_the_source_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.mp4").symlink_to(tmp_path / "a.mp4")
    with pytest.raises(UsageError, match="source"):
        destinations(expand([str(tmp_path / "a.mp4")]), tmp_path / "out", folder=True)


def test_an_archive_given_as_a_mask_is_refused_and_nothing_is_unpacked(tmp_path: Path) -> None:
    import zipfile

    from vidinternal.core.errors import MaskError
    from vidinternal.media.mask_source import open_masks

    with zipfile.ZipFile(tmp_path / "masks.zip", "w") as archive:
        archive.writestr("../outside.png", b"x")
    before = sorted(tmp_path.iterdir()), sorted(tmp_path.parent.iterdir())
    with pytest.raises(MaskError):
        open_masks(tmp_path / "masks.zip")
    assert (sorted(tmp_path.iterdir()), sorted(tmp_path.parent.iterdir())) == before


def test_attachments_and_titles_of_a_source_are_never_files(tmp_path: Path) -> None:
    work = job(tmp_path, attachment=True, metadata={"title": "../../escape", "filename": "/etc/passwd"})
    from vidinternal.runner.run import run_job

    run_job(work)
    names = {p.name for p in tmp_path.rglob("*") if p.is_file() and ".vidinternal" not in p.parts}
    assert names == {"clip.mkv", "clean.mkv"}
    assert media_made.RECIPES
