"""One process at a time works on a job's folder, whatever the file system and whoever died."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import InputError
from orchestrator.machine import leases, lock_file
from orchestrator.machine.leases import Lease, Owner, alone, owner_of, take
from orchestrator.machine.owners import DEAD_SECONDS, own_note, read_note
from tests.machine.takers import FLOCKS, Taker, hammer, preloaded, takers

ELSEWHERE = {"host": "elsewhere", "boot": "another", "pid_space": "pid:[1]"}
DEAD = {"started": 1e9}  # another process had this one's number
LOCAL = ("ENOLCK", "granted")  # where no machine hears of another one's locks
KINDS = ("kernel", *LOCAL)
ROUNDS = 12


def lease(folder: Path) -> Lease:
    found = take(folder)
    assert isinstance(found, Lease), f"held by {found}"
    return found


def write(path: Path, age: float = 0.0, /, **changes: Any) -> str:
    """A lock file that somebody left; returns its token."""
    note = replace(own_note(), **changes)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(note.text)
    os.utime(path, (time.time() - age,) * 2)
    return note.token


@pytest.fixture
def environment(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], dict[str, str]]:
    if shutil.which("cc") is None:
        pytest.skip("there is no C compiler (cc) that makes the library")
    return lambda flock: preloaded(flock, tmp_path_factory.mktemp("flock"))


@pytest.fixture(scope="module")
def crews() -> Iterator[dict[str, list[Taker]]]:
    """By what flock does: twelve processes, which are started once."""
    with contextlib.ExitStack() as started:
        started.callback(lambda: [taker.kill() for crew in found.values() for taker in crew])
        found: dict[str, list[Taker]] = {}
        yield found


@pytest.fixture
def twelve(
    crews: dict[str, list[Taker]], environment: Callable[[str], dict[str, str]], flock: str
) -> Iterator[list[Taker]]:
    if flock not in crews:
        env = environment(flock)
        crews[flock] = [Taker(env) for _ in range(12)]
    yield crews[flock]
    for taker in crews[flock]:
        taker.ask("host", socket.gethostname())


def flock_fails(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def flock(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


@pytest.mark.parametrize("flock", FLOCKS)
def test_whoever_has_it_is_named_and_a_killed_one_s_is_taken_over(
    tmp_path: Path, environment: Callable[[str], dict[str, str]], flock: str
) -> None:
    with takers(environment(flock), [""] * 3) as (first, second, third):
        assert first.ask("take", tmp_path) == ["lease", False]
        name = f"process {first.process.pid} on host {socket.gethostname()} since "
        for taker in (first, second):
            assert taker.ask("owner", tmp_path).startswith(name)
            kind, owner = taker.ask("take", tmp_path)
            assert kind == "owner"
            assert owner.startswith(name)
        os.kill(first.process.pid, 9)
        first.process.wait()
        assert second.ask("owner", tmp_path) is None
        assert second.ask("take", tmp_path) == ["lease", True]
        assert second.ask("beat") is True
        second.ask("release")
        assert not tmp_path.exists()
        assert third.ask("take", tmp_path) == ["lease", False], "it was given back"


@pytest.mark.parametrize("flock", KINDS)
def test_of_twelve_at_once_one_gets_a_dead_one_s(tmp_path: Path, twelve: list[Taker]) -> None:
    for job in map(str, range(ROUNDS)):
        write(tmp_path / job / "lock", **DEAD)
        for taker in twelve:
            taker.begin("take", tmp_path / job)
        answers = [taker.answer() for taker in twelve]
        (winner,) = [number for number, answer in enumerate(answers) if answer == ["lease", True]]
        pid = twelve[winner].process.pid
        others = answers[:winner] + answers[winner + 1 :]
        assert [owner.split(" on ")[0] for _, owner in others] == [f"process {pid}"] * 11
        assert names(tmp_path / job) == ["lock"]
        assert twelve[winner].ask("beat") is True


@pytest.mark.parametrize("flock", LOCAL)
def test_of_twelve_hosts_at_once_one_gets_what_a_dead_host_left(tmp_path: Path, twelve: list[Taker]) -> None:
    for number, taker in enumerate(twelve):
        taker.ask("host", f"host{number}")
    for job in map(str, range(ROUNDS)):
        write(tmp_path / job / "lock", DEAD_SECONDS + 60, **ELSEWHERE)
        for taker in twelve:
            taker.begin("take", tmp_path / job)
        kinds = [taker.answer()[0] for taker in twelve]
        assert (kinds.count("lease"), kinds.count("owner")) == (1, 11)
        assert names(tmp_path / job) == ["lock"]


@pytest.mark.parametrize("flock", KINDS)
def test_twelve_take_and_give_back_and_are_never_two(tmp_path: Path, twelve: list[Taker]) -> None:
    folder = tmp_path / "run" / "job"
    for taker in twelve:
        taker.begin("hammer", folder, 10)
    assert sum(taker.answer() for taker in twelve) > 0, "they did not meet"
    assert not folder.exists()


@pytest.mark.parametrize("flock", ["kernel"])
def test_twelve_have_twelve_folders(tmp_path: Path, twelve: list[Taker]) -> None:
    for number, taker in enumerate(twelve):
        taker.begin("take", tmp_path / "run" / str(number))
    assert [taker.answer() for taker in twelve] == [["lease", False]] * 12
    for taker in twelve:
        taker.ask("release")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("flock", LOCAL)
def test_another_host_is_told_from_a_dead_one_by_its_signs_of_life(
    tmp_path: Path, environment: Callable[[str], dict[str, str]], flock: str
) -> None:
    lock = tmp_path / "lock"
    with takers(environment(flock), ["a", "b"]) as (a, b):
        assert a.ask("take", tmp_path) == ["lease", False]
        assert b.ask("take", tmp_path)[1].startswith(f"process {a.process.pid} on host a since ")
        os.utime(lock, (time.time() - DEAD_SECONDS - 5,) * 2)
        assert a.ask("beat") is True
        assert b.ask("take", tmp_path)[0] == "owner", "it has just given a sign of life"
        os.utime(lock, (time.time() - DEAD_SECONDS - 5,) * 2)
        assert b.ask("owner", tmp_path) is None
        assert b.ask("take", tmp_path) == ["lease", True]
        assert a.ask("beat") is False, "it was thought dead"
        a.ask("release")
        assert b.ask("beat") is True
        assert names(tmp_path) == ["lock"]


def test_what_the_kernel_holds_is_held_without_a_sign_of_life(
    tmp_path: Path, environment: Callable[[str], dict[str, str]]
) -> None:
    with takers(environment("kernel"), ["a", "b"]) as (a, b):
        a.ask("take", tmp_path)
        os.utime(tmp_path / "lock", (0, 0))
        assert b.ask("take", tmp_path)[0] == "owner"
        assert " on host a " in b.ask("owner", tmp_path)


@pytest.mark.parametrize("years", [-10, 10])
def test_this_machine_s_clock_tells_no_age(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, years: int) -> None:
    write(tmp_path / "fresh" / "lock", **ELSEWHERE)
    write(tmp_path / "old" / "lock", DEAD_SECONDS + 5, **ELSEWHERE)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + years * 365 * 86400)
    found = take(tmp_path / "fresh")
    assert isinstance(found, Owner)
    assert found.beat_seconds is not None
    assert 0 <= found.beat_seconds < 60
    assert lease(tmp_path / "old").unclean


def test_a_folder_that_cannot_be_written_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    write(tmp_path / "lock", **ELSEWHERE)
    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    assert str(owner_of(tmp_path)).startswith(f"process {os.getpid()} on host elsewhere since ")


def test_looking_takes_and_leaves_nothing(tmp_path: Path) -> None:
    assert owner_of(tmp_path / "none") is None
    write(tmp_path / "lock", **DEAD)
    before = (tmp_path / "lock").read_text()
    assert owner_of(tmp_path) is None
    assert names(tmp_path) == ["lock"]
    assert (tmp_path / "lock").read_text() == before
    assert lease(tmp_path).unclean


def test_whoever_looks_hinders_nobody(tmp_path: Path) -> None:
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            owner_of(tmp_path)

    lookers = [threading.Thread(target=look) for _ in range(3)]
    for looker in lookers:
        looker.start()
    try:
        assert hammer(tmp_path, 40) == 0
    finally:
        over.set()
        for looker in lookers:
            looker.join()


def test_threads_of_one_process_are_told_apart(tmp_path: Path) -> None:
    found: list[Lease | Owner] = []
    threads = [threading.Thread(target=lambda: found.append(take(tmp_path))) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(type(one).__name__ for one in found) == ["Lease"] + ["Owner"] * 11


def test_whoever_died_while_taking_over_is_taken_over_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in (0, errno.ENOLCK):
        if number:
            flock_fails(monkeypatch, number)
        first = write(tmp_path / "lock", **DEAD)
        second = write(tmp_path / f".lock.{first}", **DEAD)
        write(tmp_path / f".lock.{second}", **DEAD)
        mine = lease(tmp_path)
        assert mine.unclean
        assert names(tmp_path) == ["lock"]
        mine.release()
        assert names(tmp_path) == []


def test_whoever_takes_over_just_now_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flock_fails(monkeypatch, errno.ENOLCK)
    first = write(tmp_path / "lock", **DEAD)
    write(tmp_path / f".lock.{first}", **ELSEWHERE)
    assert isinstance(found := take(tmp_path), Owner)
    assert found.host == "elsewhere"


def test_whoever_comes_late_takes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another took over between the look at a dead one's file and the file that says so."""
    write(tmp_path / "lock", **DEAD)
    really, mine = lock_file.look, []

    def look(path: Path) -> Any:
        seen = really(path)
        monkeypatch.setattr(leases, "look", really)
        mine.append(lease(path.parent))
        return seen

    monkeypatch.setattr(leases, "look", look)
    assert isinstance(take(tmp_path), Owner)
    assert names(tmp_path) == ["lock"]
    assert mine[0].beat()


@pytest.mark.parametrize("hears", [True, False])
def test_whoever_was_thought_dead_leaves_the_next_one_s_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hears: bool
) -> None:
    monkeypatch.setattr(leases, "BEAT_SECONDS", 0.0)
    mine = lease(tmp_path)
    token = write(tmp_path / "other", **ELSEWHERE)
    (tmp_path / "other").replace(tmp_path / "lock")
    if hears:
        assert not mine.beat()
    mine.release()
    note = read_note((tmp_path / "lock").read_bytes())
    assert note
    assert note.token == token


def test_while_another_takes_over_nothing_is_removed(tmp_path: Path) -> None:
    mine = lease(tmp_path)
    note = read_note((tmp_path / "lock").read_bytes())
    assert note
    write(tmp_path / f".lock.{note.token}", **ELSEWHERE)
    mine.release()
    assert names(tmp_path) == [f".lock.{note.token}", "lock"]


def test_a_sign_of_life_is_given_every_ten_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine, lock = lease(tmp_path), tmp_path / "lock"
    os.utime(lock, (1, 1))
    assert mine.beat()
    assert lock.stat().st_mtime == 1
    later = time.monotonic() + 10
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert mine.beat()
    assert time.time() - lock.stat().st_mtime < 60
    lock.unlink()
    assert mine.beat()
    monkeypatch.setattr(time, "monotonic", lambda: later + 10)
    assert not mine.beat(), "whose lock was removed has nothing"


def test_a_disk_that_does_not_answer_ends_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "BEAT_SECONDS", 0.0)
    mine = lease(tmp_path)

    def fail(_: Path) -> str:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(leases, "token_of", fail)
    assert mine.beat()


def test_what_was_made_for_nothing_goes(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "mine" / "job"
    mine, other = lease(folder), lease(tmp_path / "runs" / "mine" / "other")
    mine.release()
    mine.release()
    assert names(tmp_path / "runs" / "mine") == ["other"]
    other.release()
    assert names(tmp_path) == ["runs"], "whoever made it has left"
    mine = lease(folder)
    (folder / "train-0").mkdir()
    mine.release()
    assert names(folder) == ["train-0"]


def test_a_full_disk_gives_a_lease_without_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(leases, "BEAT_SECONDS", 0.0)
    monkeypatch.setattr(os, "write", full)
    mine = lease(tmp_path)
    assert str(owner_of(tmp_path)) == str(take(tmp_path)) == "a process that has not given its name"
    assert mine.beat()
    mine.release()
    assert names(tmp_path) == []
    flock_fails(monkeypatch, errno.ENOLCK)  # nothing would say that it is held
    with pytest.raises(InputError, match="cannot be written: No space left on device\n    the disk is full"):
        take(tmp_path)
    assert names(tmp_path) == []


def test_what_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file/job: cannot be written: Not a directory\n    a part of that path"):
        take(tmp_path / "file" / "job")
    flock_fails(monkeypatch, errno.EIO)
    with pytest.raises(InputError, match="cannot be written: Input/output error"):
        take(tmp_path)
    assert names(tmp_path) == ["file"]


def test_a_file_that_says_nothing_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = tmp_path / "lock"
    lock.write_text('{"host": ')
    begun = time.monotonic()
    assert str(take(tmp_path)) == "a process that has not given its name"
    assert time.monotonic() - begun < 5
    os.utime(lock, (time.time() - DEAD_SECONDS - 5,) * 2)
    assert lease(tmp_path).unclean
    assert names(tmp_path) == ["lock"]


def test_a_folder_that_vanishes_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    really, tried = leases.make, []

    def make(path: Path) -> Any:
        tried.append(path)
        if len(tried) == 1:  # another that made it found nothing to do
            path.parent.rmdir()
        return really(path)

    monkeypatch.setattr(leases, "make", make)
    mine = lease(tmp_path / "job")
    assert len(tried) == 2
    mine.release()
    assert names(tmp_path) == []


@pytest.mark.parametrize("number", [0, errno.ENOLCK])
def test_threads_and_processes_are_alone_one_after_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: int
) -> None:
    if number:
        flock_fails(monkeypatch, number)
    folder, inside = tmp_path / ".writing", tmp_path / "inside"

    def work(seconds: float) -> None:
        with alone(folder, "another one writes: waiting for it"):
            inside.touch(exist_ok=False)
            time.sleep(seconds)
            inside.unlink()

    with ThreadPoolExecutor(6) as pool:
        for done in [pool.submit(work, 0.01) for _ in range(6)]:
            done.result()
        assert capsys.readouterr().err == ""
        first = pool.submit(work, 1.6)
        while not inside.exists():
            time.sleep(0.01)
        work(0)
        first.result()
    name = f"process {os.getpid()} on host {socket.gethostname()} since "
    assert capsys.readouterr().err.startswith(f"another one writes: waiting for it ({name}")
    with pytest.raises(ZeroDivisionError), alone(folder, ""):
        raise ZeroDivisionError
    assert names(tmp_path) == []
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError), alone(tmp_path / "file" / "folder", ""):
        pass
