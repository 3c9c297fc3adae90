"""Places at URLs: whole or not there, told when they cannot be used, and a batch on an S3 server of our own."""

import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import fsspec
import pytest
from moto.server import ThreadedMotoServer

from tests import media_made
from vidinternal.core.errors import MediaError, ResourceError, UsageError
from vidinternal.core.timecode import parse_region
from vidinternal.engines import remote_output
from vidinternal.engines.base import Outcome
from vidinternal.engines.folders import Choice
from vidinternal.engines.many import Many, Piece, run_many
from vidinternal.engines.remote import Place, is_url, remote_clips
from vidinternal.engines.remote_output import locked_url
from vidinternal.engines.staging import StagedJob, _fetched, _passing_weights, _put_group, run_staged, stage_folder
from vidinternal.engines.url_jobs import Named, url_jobs
from vidinternal.runner.job import Job, JobResult
from vidinternal.stages.base import JobInputs

SETS = ("encode.codec=ffv1", "shots.detector=none", "inpaint.method=harmonic")


@pytest.fixture
def memory() -> Iterator[Place]:
    yield Place("memory://bucket/season")
    system = fsspec.filesystem("memory")
    system.store.clear()
    system.pseudo_dirs[:] = [""]


def upload(place: Place, **files: bytes) -> None:
    for name, data in files.items():
        system, path = place.below(name).open()
        system.makedirs(path.rpartition("/")[0], exist_ok=True)
        system.pipe_file(path, data)


def test_what_is_a_url() -> None:
    assert is_url("s3://b/x") and is_url("file:///x") and not is_url("C:/x") and not is_url(Path("a/b"))


def test_files_go_and_come_whole(memory: Place, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    memory.below("x/a").put(tmp_path / "a")
    assert memory.names() == {"x/a": "memory:///bucket/season/x/a"}
    assert memory.below("x/a").fetch(tmp_path / "in" / "b").read_bytes() == b"abc"
    key = memory.below("x/a").key()
    assert key is not None and memory.below("x/b").key() is None
    (tmp_path / "a").write_bytes(b"abcd")
    memory.below("x/a").put(tmp_path / "a")
    assert memory.below("x/a").key() != key
    memory.below("x/a").remove()
    memory.below("x/a").remove()
    assert memory.below("x/a").read_text() is None


def test_a_copy_that_breaks_off_leaves_nothing_under_the_name(
    memory: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").write_bytes(b"abc" * 1000)
    system, path = memory.below("a").open()
    real = type(system).put_file

    def breaks(self: Any, source: str, to: str, **given: Any) -> None:
        Path(source).write_bytes(b"abc")
        real(self, source, to, **given)
        raise OSError("the network is gone")

    monkeypatch.setattr(type(system), "put_file", breaks)
    with pytest.raises(ResourceError, match="network is gone"):
        memory.below("a").put(tmp_path / "a")
    assert not system.exists(path)
    monkeypatch.undo()
    upload(memory, b=b"abc")
    monkeypatch.setattr(type(system), "get_file", lambda self, path, to, **_: Path(to).write_bytes(b"ab"))
    with pytest.raises(MediaError, match="2 of 3 bytes came"):
        memory.below("b").fetch(tmp_path / "b")
    assert not (tmp_path / "b").exists() and not list(tmp_path.glob(".*"))


def test_what_cannot_be_used_is_told(memory: Place, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"vidinternal\[cloud\]"):
        Place("nonsense://x/y").open()
    with pytest.raises(MediaError, match="can be read"):
        memory.below("none").fetch(tmp_path / "none")
    with pytest.raises(UsageError, match="no match"):
        remote_clips(memory.url, Choice())


def test_clips_with_what_belongs_to_them(memory: Place) -> None:
    names = ("a.mp4", "a.mask.png", "s/b.mkv", "s/b.yaml", "s/b.mask/1.png", "s/b.mask/2.png", ".h/c.mp4", "n.txt")
    upload(memory, **dict.fromkeys(names, b"x"))
    found = {str(c.relative): c for c in remote_clips(memory.url, Choice())}
    assert set(found) == {"a.mp4", "s/b.mkv"}
    assert found["a.mp4"].mask.endswith("season/a.mask.png") and not found["a.mp4"].sidecar
    assert found["s/b.mkv"].mask.endswith("season/s/b.mask/") and found["s/b.mkv"].sidecar.endswith("s/b.yaml")
    assert [str(c.relative) for c in remote_clips(memory.url, Choice(["*.mkv"]))] == ["s/b.mkv"]
    upload(memory, **{"a.mask.mkv": b"x"})
    with pytest.raises(UsageError, match="one mask by its name"):
        remote_clips(memory.url, Choice())


def test_jobs_know_where_things_are_and_where_they_go(memory: Place, tmp_path: Path) -> None:
    sidecar = b"mask: other.png\nbudget: 5m\n"
    upload(memory, **{"a.mp4": b"x", "s/a.mp4": b"y", "s/a.yaml": sidecar, "a.mask.png": b"z"})
    template = Job("inpaint", JobInputs(Path(), Path()), workspace=tmp_path)
    rows = {name: job for name, job, _ in url_jobs(Named([memory.url], "memory://out"), Choice(), template)}
    plain, own = rows["a.mp4"], rows["s/a.mp4"]
    assert isinstance(plain, StagedJob) and isinstance(own, StagedJob)
    assert plain.output_url == "memory://out/a.mp4" and plain.mask_url.endswith("season/a.mask.png")
    assert own.mask_url.endswith("season/s/other.png") and own.budget == 300.0
    assert plain.inputs.source != own.inputs.source
    local = url_jobs(Named([memory.url], str(tmp_path / "out")), Choice(), template)[1][1]
    assert local.inputs.destination == tmp_path / "out" / "s" / "a.mp4"
    with pytest.raises(UsageError, match="different name"):
        url_jobs(Named([memory.url, memory.url], "memory://out"), Choice(), template)


@pytest.mark.parametrize("said", ["events: e.json", "subtitles: s.srt", "hints: h.yaml"])
def test_files_that_no_clip_at_a_url_brings_along_are_refused(said: str, memory: Place, tmp_path: Path) -> None:
    upload(memory, **{"a.mp4": b"x", "a.yaml": said.encode()})
    template = Job("inpaint", JobInputs(Path(), Path()), workspace=tmp_path)
    with pytest.raises(UsageError, match="no file beside it but a mask") as told:
        url_jobs(Named([memory.url], "memory://out"), Choice(), template)
    assert f"--{said.partition(':')[0]} FILE" in told.value.message and "a.yaml" in told.value.message


def test_pictures_that_hints_name_are_refused_at_a_url(memory: Place, tmp_path: Path) -> None:
    upload(memory, **{"a.mp4": b"x", "a.yaml": b"objects: mask=m.png@0\n"})
    template = Job("remove_object", JobInputs(Path(), Path()), workspace=tmp_path)
    with pytest.raises(UsageError, match="--object KIND=FILE@FRAME"):
        url_jobs(Named([memory.url], "memory://out"), Choice(), template)
    upload(memory, **{"a.yaml": b"objects: box=1,2,3,4@0\n"})
    ((_, made, _),) = url_jobs(Named([memory.url], "memory://out"), Choice(), template)
    assert made.inputs.objects == ("box=1,2,3,4@0",)


@pytest.mark.parametrize("named", ["/masks/m.png", "../m.png", "deep/../../m.png"])
def test_a_mask_that_lies_elsewhere_is_refused(named: str, memory: Place, tmp_path: Path) -> None:
    upload(memory, **{"a.mp4": b"x", "a.yaml": f"mask: {named}\n".encode()})
    template = Job("inpaint", JobInputs(Path(), Path()), workspace=tmp_path)
    with pytest.raises(UsageError, match="in the clip's folder or below it") as told:
        url_jobs(Named([memory.url], "memory://out"), Choice(), template)
    assert named in told.value.message


def test_what_lies_beside_a_result_goes_with_it_and_before_it(memory: Place, tmp_path: Path) -> None:
    upload(memory, **{"a.mkv": b"clip"})
    inputs = JobInputs(tmp_path / "own" / "in" / "a.mkv", tmp_path / "own" / "out" / "a.mkv")
    out = "memory://bucket/clean/a.mkv"
    job = StagedJob("dehaze", inputs, source_url=memory.below("a.mkv").url, output_url=out)
    put: list[str] = []
    beside = ("a.sheet.png", "a.airlight/000000.png", ".vidinternal/run.json", "a.mkv")

    def attempt(given: Job, *_: Any) -> Outcome:
        folder = given.inputs.destination.parent
        for name in beside:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(name.encode())
        put.extend(Place("memory://bucket/clean").names())
        return Outcome(inputs.source, JobResult("done", given.inputs.destination, {}, folder / "run.json"))

    assert run_staged(job, None, None, attempt).result is not None
    assert not put
    assert set(Place("memory://bucket/clean").names()) == {"a.sheet.png", "a.airlight/000000.png", "a.mkv"}
    assert not (tmp_path / "own").exists()


def test_what_is_there_is_not_fetched_again_unless_it_changed(memory: Place, tmp_path: Path) -> None:
    upload(memory, a=b"one")
    url, to = memory.below("a").url, tmp_path / "a"
    _fetched(url, to)
    to.write_bytes(b"marked")
    _fetched(url, to)
    assert to.read_bytes() == b"marked"
    upload(memory, a=b"four")
    _fetched(url, to)
    assert to.read_bytes() == b"four"


def test_weights_pass_from_machine_to_machine(memory: Place, tmp_path: Path) -> None:
    for name in ("entries/wa-0000.json", "weights/wa-0000-d.safetensors", "entries/wb-0000.json"):
        (tmp_path / "one" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "one" / name).write_text(name)
    _put_group(memory.url, tmp_path / "one", "wa")
    two, wanted = tmp_path / "two", {"entries/wa-0000.json", "weights/wa-0000-d.safetensors"}

    def found() -> set[str]:
        return {str(p.relative_to(two)) for p in two.rglob("*") if p.is_file()}

    with _passing_weights(memory.url, two, ["wa", "wnone"]) as hold:
        assert found() == {*wanted, f"pins/{hold}.json"}
        assert json.loads((two / "pins" / f"{hold}.json").read_text())["names"] == ["wa-0000"]
        (two / "pins" / f"{hold}-wmine.json").write_text("{}")  # what the job leaves stays until it is at its URL
    assert found() == wanted
    (two / "weights" / "wa-0000-d.safetensors").unlink()  # removed for want of room: half a group is none
    with _passing_weights(memory.url, two, ["wa"]):
        assert found() >= wanted
    with _passing_weights("", two, ["wb"]) as hold:
        assert not hold and found() == wanted


def test_a_lock_with_signs_of_life_refuses_and_a_dead_one_does_not(
    memory: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_output, "BEAT", 0.05)
    monkeypatch.setattr(remote_output, "SILENT", 0.5)
    with locked_url(memory), pytest.raises(UsageError, match="no other batch at work"), locked_url(memory):
        raise AssertionError("it was let in")
    assert memory.below(".vidinternal/batch.lock").read_text() is None
    dead = {"pid": 1 << 30, "host": "elsewhere", "since": "then", "command": "run", "sign_of_life": 3}
    for text in (json.dumps(dead), "nonsense"):
        memory.below(".vidinternal/batch.lock").write_text(text)
        with locked_url(memory):
            pass


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    fsspec.filesystem("s3", skip_instance_cache=False).mkdir("bucket")
    yield Place("s3://bucket")
    fsspec.filesystem("s3").clear_instance_cache()
    server.stop()


def test_a_batch_from_and_to_an_s3_server(bucket: Place, tmp_path: Path) -> None:
    for seed, name in enumerate(("a.mkv", "sub/b.mkv")):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        bucket.below(f"in/{name}").put(media_made.clip(tmp_path / "in" / name, size=(48, 32), frames=6, seed=seed))
    template = Job("inpaint", JobInputs(Path(), Path(), regions=(parse_region("12,8,16,10"),)), SETS, device="cpu")
    template = Job(**{**template.__dict__, "workspace": tmp_path / "stage"})
    out = bucket.below("out").url

    def go() -> dict[str, str]:
        rows = url_jobs(Named([bucket.below("in").url], out), Choice(), template)
        place = stage_folder(tmp_path / "stage", "results", out)
        account = run_many([Piece(*row) for row in rows], Many(place, jobs=1, url=out))
        assert not account.trouble
        return {row.name: row.status for row in account.rows}

    assert go() == {"a.mkv": "done", "sub/b.mkv": "done"}
    shown = [n for n in bucket.below("out").names() if ".vidinternal" not in n]
    assert shown == ["a.mkv", "batch.json", "sub/b.mkv"]
    assert ".vidinternal/batch.lock" not in bucket.below("out").names()
    local = run_many(
        [
            Piece(
                n,
                Job(
                    **{
                        **template.__dict__,
                        "workspace": None,
                        "inputs": JobInputs(tmp_path / "in" / n, tmp_path / "out" / n, regions=template.inputs.regions),
                    }
                ),
            )
            for n in ("a.mkv", "sub/b.mkv")
        ],
        Many(tmp_path / "out", jobs=1),
    )
    assert {row.status for row in local.rows} == {"done"}
    for name in ("a.mkv", "sub/b.mkv"):
        got = bucket.below(f"out/{name}").fetch(tmp_path / "got" / PurePosixPath(name).name)
        assert got.read_bytes() == (tmp_path / "out" / name).read_bytes()
    assert go() == {"a.mkv": "already done", "sub/b.mkv": "already done"}
    bucket.below("in/a.mkv").put(media_made.clip(tmp_path / "in" / "a.mkv", size=(48, 32), frames=6, seed=9))
    assert go() == {"a.mkv": "done", "sub/b.mkv": "already done"}
