"""What is built when, and what is said when it goes wrong; with a stand-in for uv."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from orchestrator.environments.build import build
from orchestrator.environments.environment import Environment
from orchestrator.errors import InputError, Interrupted, StageError
from tests.environments.toy import DEFINITION, calls, load


def test_built_once_then_ready(toy: Environment, tmp_path: Path) -> None:
    assert (toy.state(), toy.toolkit_version()) == ("missing", "")
    assert "not built" in toy.check()
    build(toy)
    assert (toy.state(), toy.toolkit_version()) == ("ready", "toy-kit 1.2")
    assert toy.check() == ""
    assert calls(tmp_path) == ["venv --clear", "pip sync"]
    build(toy)
    assert len(calls(tmp_path)) == 2
    build(toy, force=True)
    assert calls(tmp_path)[2:] == ["venv --clear", "pip sync"]


def test_uv_heeds_no_settings_of_the_folder_one_is_in(
    toy: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uv = tmp_path / "uv"
    uv.write_text(uv.read_text() + "print('in', os.getcwd())\n")
    monkeypatch.chdir(tmp_path)
    build(toy)
    assert f"in {toy.folder}\n" in toy.log.read_text()


def test_from_a_folder_of_wheels_nothing_is_asked_over_a_network(toy: Environment, tmp_path: Path) -> None:
    uv = tmp_path / "uv"
    uv.write_text(uv.read_text() + "print(sys.argv[1:], 'offline:', os.environ.get('UV_OFFLINE'))\n")
    build(toy, wheels=tmp_path)
    said = [line for line in toy.log.read_text().splitlines() if line.endswith("offline: 1")]
    assert len(said) == 2
    assert f"['pip', 'sync', '--no-index', '--find-links', '{tmp_path}', '--python'" in said[1]
    build(toy, force=True)
    assert toy.log.read_text().splitlines()[-1].endswith("offline: None")
    assert "--no-index" not in toy.log.read_text().splitlines()[-1]


def test_another_lock_is_stale_and_only_synced(toy: Environment, tmp_path: Path) -> None:
    build(toy)
    toy.lock.write_text("toy-kit==1.3\n")
    changed = load(tmp_path)
    assert changed.state() == "stale"
    assert changed.lock_digest != toy.lock_digest
    build(changed)
    assert changed.state() == "ready"
    assert calls(tmp_path)[2:] == ["pip sync"]


def test_another_python_is_built_anew(toy: Environment, tmp_path: Path) -> None:
    build(toy)
    (toy.folder / "environment.yaml").write_text(DEFINITION.format(python="3.99"))
    changed = load(tmp_path)
    assert changed.state() == "stale"
    build(changed)
    assert calls(tmp_path)[2:] == ["venv --clear", "pip sync"]


@pytest.mark.parametrize("step", ["venv", "pip"])
def test_a_build_that_fails_is_not_ready_and_starts_over(
    toy: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    build(toy)
    monkeypatch.setenv("UV_FAILS", step)
    with pytest.raises(StageError):
        build(toy, force=True)
    assert toy.state() == ("ready" if step == "venv" else "missing")
    monkeypatch.delenv("UV_FAILS")
    build(toy, force=step == "venv")
    assert calls(tmp_path)[-2:] == ["venv --clear", "pip sync"]
    assert toy.state() == "ready"


def test_killed_in_the_middle(toy: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = (
        "import sys, pathlib\nfrom unittest import mock\n"
        "from orchestrator.environments.build import build\n"
        "from orchestrator.environments.environment import Environment\n"
        "root, uv = map(pathlib.Path, sys.argv[1:])\n"
        "with mock.patch('uv.find_uv_bin', lambda: str(uv)): build(Environment.read('toy', root / 'toy'))"
    )
    argv = [sys.executable, "-c", program, str(tmp_path / "third_party"), str(tmp_path / "uv")]
    child = subprocess.Popen(argv, env=os.environ | {"UV_SECONDS": "60"}, start_new_session=True)
    deadline = time.monotonic() + 30
    while not (tmp_path / "calls").exists() or len(calls(tmp_path)) < 2:
        assert time.monotonic() < deadline, "the build did not begin"
        time.sleep(0.05)
    os.killpg(child.pid, 9)
    child.wait()
    assert toy.state() == "missing"
    build(toy)
    assert toy.state() == "ready"
    assert calls(tmp_path)[2:] == ["venv --clear", "pip sync"]


def test_two_builds_wait_for_each_other(
    toy: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("UV_SECONDS", "1.5")
    threads = [threading.Thread(target=build, args=(load(tmp_path),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert calls(tmp_path) == ["venv --clear", "pip sync"]
    assert capsys.readouterr().err.startswith("waiting for another process that builds the environment of toy (")


def test_a_build_is_never_silent_for_long(
    toy: Environment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("orchestrator.machine.meter.PLAIN_SECONDS", 0.1)
    monkeypatch.setenv("UV_SECONDS", "0.5")
    build(toy)
    said = capsys.readouterr().err.splitlines()
    assert "building toy: its 1 packages, 0:00:00" in said
    assert len(said) >= 3


def test_a_build_that_is_stopped_leaves_nothing_running(toy: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_SECONDS", "600")
    begun = time.monotonic()

    def stop(*_: object) -> None:
        raise Interrupted("stopped by SIGALRM")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, 1)
    try:
        with pytest.raises(Interrupted):
            build(toy)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert time.monotonic() - begun < 60
    assert toy.state() == "missing"
    assert [child for child in psutil.Process().children() if "uv" in " ".join(child.cmdline())] == []


def test_a_checkout_that_cannot_be_written(toy: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("orchestrator.environments.build.waiting_lock", refuse)
    expected = "the environment of toy cannot be built there: Read-only file system\n    build it where the"
    with pytest.raises(InputError, match=expected):
        build(toy)


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ("error: failed to write: No space left on device (os error 28)", "disk space"),
        ("error: Failed to download torch: operation timed out", "UV_HTTP_TIMEOUT"),
        ("error: error sending request for url", "HTTPS_PROXY"),
        ("error: Hash mismatch for torch==2.11.0", "UV_DEFAULT_INDEX"),
        ("error: something new", "read the log"),
    ],
)
def test_failures_say_what_to_do(
    toy: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, advice: str
) -> None:
    monkeypatch.setenv("UV_FAILS", "pip")
    monkeypatch.setenv("UV_SAYS", said)
    with pytest.raises(StageError) as caught:
        build(toy)
    message = str(caught.value)
    assert said in message
    assert advice in message
    assert str(toy.log) in message
    assert "run the same command again" in message
    assert "pip sync" in toy.log.read_text()


def test_an_environment_that_cannot_import_is_not_ready(toy: Environment, tmp_path: Path) -> None:
    text = (toy.folder / "environment.yaml").read_text().replace("import json", "import nothing_like_it")
    (toy.folder / "environment.yaml").write_text(text)
    broken = load(tmp_path)
    with pytest.raises(StageError, match="No module named 'nothing_like_it'"):
        build(broken)
    assert broken.state() == "missing"
