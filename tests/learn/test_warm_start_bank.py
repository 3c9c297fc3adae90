"""Laws of the weight bank: whole or not there, whoever writes, dies or tampers."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from vidinternal.core.durable import PART
from vidinternal.core.errors import MediaError, UsageError
from vidinternal.learn.warm_start import bank as module
from vidinternal.learn.warm_start.bank import Bank, Entry

GROUP = "w0123456789abcdef"
OTHER = "wfedcba9876543210"


def entry(window: int = 0, group: str = GROUP) -> Entry:
    return Entry(group, window, "dip_vid", "net/1", (48, 64), (0.25, 0.75))


def weights(value: float, count: int = 10) -> dict[str, torch.Tensor]:
    return {"a.weight": torch.full((count,), value), "b": torch.arange(3)}


def put(bank: Bank, window: int, group: str = GROUP, count: int = 10) -> Entry:
    kept = bank.put(entry(window, group), weights(float(window), count))
    assert kept is not None
    return kept


def age(bank: Bank, kept: Entry, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(bank.folder / "entries" / f"{kept.name}.json", (then, then))


def test_what_is_put_comes_back_and_says_what_it_is(tmp_path: Path) -> None:
    bank = Bank(tmp_path / "deep" / "bank")
    assert bank.entries() == ()
    assert not bank.folder.exists()  # looking makes nothing
    kept = put(bank, 3)
    found = Bank(bank.folder).entries()
    assert found == (kept,)
    assert (found[0].method, found[0].signature, found[0].size) == ("dip_vid", "net/1", (48, 64))
    assert found[0].description == (0.25, 0.75)
    loaded = bank.load(found[0])
    assert all(torch.equal(loaded[k], v) for k, v in weights(3.0).items())


def test_groups_are_by_window_and_entries_by_age(tmp_path: Path) -> None:
    bank = Bank(tmp_path)
    for window, group in ((11, GROUP), (2, OTHER), (4, GROUP)):
        put(bank, window, group)
    assert [e.window for e in bank.entries()] == [11, 2, 4]
    assert [e.window for e in bank.group(GROUP)] == [4, 11]
    assert bank.group("w" + "0" * 16) == ()


def test_the_first_to_write_a_name_wins(tmp_path: Path) -> None:
    bank = Bank(tmp_path)
    first = put(bank, 1)
    second = bank.put(entry(1), weights(99.0))
    assert second == first
    assert float(bank.load(first)["a.weight"][0]) == 1.0


_WRITER = """
import sys, torch
from pathlib import Path
from vidinternal.learn.warm_start.bank import Bank, Entry
bank = Bank(Path(sys.argv[1]), int(sys.argv[3]))
for k in range(25):
    made = Entry(sys.argv[2], k, "dip_vid", "net/1", (48, 64), (0.5,))
    bank.put(made, {"w": torch.full((1000,), float(k))})
    print(k, flush=True)
"""


def writer(folder: Path, group: str, limit: int = 1 << 30) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", _WRITER, str(folder), group, str(limit)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    running = [writer(tmp_path, g) for g in (GROUP, GROUP, OTHER)]
    assert [p.communicate() and p.returncode for p in running] == [0, 0, 0]
    bank = Bank(tmp_path)
    assert [[e.window for e in bank.group(g)] for g in (GROUP, OTHER)] == [list(range(25))] * 2
    assert all(float(bank.load(e)["w"][0]) == e.window for e in bank.entries())
    assert not bank.damaged


def test_processes_that_write_into_a_full_bank_keep_it_within_its_bound(tmp_path: Path) -> None:
    limit = 50_000
    running = [writer(tmp_path, g, limit) for g in (GROUP, OTHER)]
    assert [p.communicate() and p.returncode for p in running] == [0, 0]
    bank = Bank(tmp_path, limit)
    assert bank.size() <= limit
    assert bank.entries()
    assert all(bank.whole(e) for e in bank.entries())
    assert not bank.damaged


def test_a_writer_that_is_killed_leaves_nothing_that_is_read(tmp_path: Path) -> None:
    process = writer(tmp_path, GROUP)
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) >= 3:
            break
    process.kill()
    process.wait()
    process.stdout.close()
    bank = Bank(tmp_path)
    found = bank.entries()
    assert len(found) >= 4
    assert all(bank.whole(e) for e in found)
    assert not bank.damaged
    put(bank, 100)
    assert len(bank.entries()) == len(found) + 1


def test_what_a_killed_writer_left_is_swept_once_it_is_old(tmp_path: Path) -> None:
    bank = Bank(tmp_path, 10_000)
    put(bank, 1)
    old, new = (tmp_path / "weights" / f"{OTHER}-000{k}-{GROUP}.safetensors" for k in (1, 2))
    for stray in (old, new):
        stray.write_bytes(b"x" * 9000)
    then = time.time() - 2 * module.STRAY_SECONDS
    os.utime(old, (then, then))
    put(bank, 2, count=100)
    assert not old.exists()
    assert new.exists()  # its writer may be about to speak of it
    assert [e.window for e in bank.entries()] == [1, 2]


def test_whoever_writes_alone_sweeps_at_once(tmp_path: Path) -> None:
    Bank(tmp_path / "none").sweep(older=0.0)  # nothing there, nothing made
    assert not (tmp_path / "none").exists()
    bank = Bank(tmp_path)
    kept = put(bank, 1)
    left = [
        tmp_path / "entries" / f".{kept.name}.json.0{PART}",
        tmp_path / "weights" / f"{OTHER}-0001-{GROUP}.safetensors",
    ]
    for stray in left:
        stray.write_bytes(b"x")
    bank.sweep()
    assert all(stray.exists() for stray in left)
    bank.sweep(older=0.0)
    assert not any(stray.exists() for stray in left)
    assert bank.whole(kept) and bank.entries() == (kept,)


@pytest.mark.parametrize("harm", ["flip", "shorten", "remove", "index", "renamed", "type"])
def test_a_damaged_entry_is_passed_over_and_told(tmp_path: Path, harm: str) -> None:
    bank = Bank(tmp_path)
    good, bad = put(bank, 1), put(bank, 2)
    file, index = tmp_path / "weights" / bad.file, tmp_path / "entries" / f"{bad.name}.json"
    data = file.read_bytes()
    if harm == "flip":
        file.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    elif harm == "shorten":
        file.write_bytes(data[:-4])
    elif harm == "remove":
        file.unlink()
    elif harm == "index":
        index.write_text(index.read_text().replace("net/1", "net/2"))
    elif harm == "renamed":
        index.rename(index.with_name(f"{OTHER}-0002.json"))
    else:
        index.write_text(json.dumps(["no", "object"]))
    bank = Bank(tmp_path)
    whole = [e for e in bank.entries() if bank.whole(e)]
    assert whole == [good]
    assert bank.damaged == [f"{OTHER}-0002" if harm == "renamed" else bad.name]


@pytest.mark.parametrize("harm", [lambda d: d[:-1] + bytes([d[-1] ^ 1]), lambda d: d[:-4], lambda _d: b""])
def test_weights_that_were_damaged_after_they_were_listed_are_refused(tmp_path: Path, harm: Any) -> None:
    bank = Bank(tmp_path)
    listed = put(bank, 1)
    file = tmp_path / "weights" / listed.file
    file.write_bytes(harm(file.read_bytes()))
    with pytest.raises(MediaError, match="as they were put into the bank"):
        bank.load(listed)
    file.unlink()
    with pytest.raises(MediaError, match="No such file"):
        bank.load(listed)


def test_what_has_not_been_used_for_longest_goes_first(tmp_path: Path) -> None:
    bank = Bank(tmp_path)
    kept = [put(bank, k, count=100) for k in range(4)]
    for k, made in enumerate(kept):
        age(bank, made, 1000 - 100 * k)
    bank.load(kept[0])  # now the last to be used
    bank.pin("job", [kept[1].name])
    small = Bank(tmp_path, kept[0].bytes * 3)
    put(small, 9, count=100)
    assert [e.window for e in small.entries()] == [0, 1, 9]
    assert len(list((tmp_path / "weights").iterdir())) == 3
    small.unpin("job")
    put(small, 10, count=100)
    assert [e.window for e in small.entries()] == [0, 9, 10]


def test_a_pin_of_a_job_that_was_given_up_lapses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bank = Bank(tmp_path)
    old = put(bank, 1, count=100)
    age(bank, old, 1000)
    bank.pin("job", [old.name])
    monkeypatch.setattr(module, "PIN_SECONDS", -1.0)
    small = Bank(tmp_path, old.bytes)
    put(small, 2, count=100)
    assert [e.window for e in small.entries()] == [2]


def test_weights_larger_than_the_bank_are_not_kept(tmp_path: Path) -> None:
    bank = Bank(tmp_path, 100)
    assert bank.put(entry(), weights(1.0)) is None
    assert bank.entries() == ()


def test_a_group_moves_to_another_bank(tmp_path: Path) -> None:
    bank = Bank(tmp_path / "one")
    made = [put(bank, k) for k in range(3)]
    put(bank, 0, OTHER)
    assert bank.export(GROUP, tmp_path / "two") == 3
    assert bank.export(GROUP, tmp_path / "two") == 0
    other = Bank(tmp_path / "two")
    assert list(other.group(GROUP)) == made
    assert other.group(OTHER) == ()
    assert all(torch.equal(other.load(e)["a.weight"], bank.load(e)["a.weight"]) for e in made)


def test_names_that_lead_elsewhere_are_refused(tmp_path: Path) -> None:
    bank = Bank(tmp_path)
    for name in ("../../etc", "wABCDEF0123456789", "w0123", "0123456789abcdef"):
        with pytest.raises(UsageError, match="16 hex digits"):
            bank.group(name)
        with pytest.raises(UsageError, match="16 hex digits"):
            bank.put(entry(0, name), weights(1.0))
    with pytest.raises(UsageError, match="letters, digits"):
        bank.pin("../job", [])
    assert bank.get("../../etc/passwd") is None


def test_a_file_is_no_bank(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"")
    with pytest.raises(UsageError, match="expected: a folder"):
        Bank(path)
