"""Who is at a folder: alive, dead, elsewhere."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.machine.owners import BEAT_SECONDS, DEAD_SECONDS, own_note
from orchestrator.machine.presence import SIGN, Presence, present


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def test_several_are_at_a_folder_and_leave_it(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir(), other.mkdir()
    first, second = Presence([one, other]), Presence([one])
    assert [(owner.host, owner.pid) for owner in present(one)] == [(socket.gethostname(), os.getpid())] * 2
    assert len(list(present(other))) == 1
    first.leave(one)
    assert len(list(present(one))) == 1
    first.leave_all()
    second.leave_all()
    assert names(one) == names(other) == []


def test_the_dead_are_not_there_and_what_they_left_goes(tmp_path: Path) -> None:
    program = "import os, sys; from pathlib import Path; from orchestrator.machine.presence import Presence; "
    program += "Presence([Path(sys.argv[1])]); os.kill(os.getpid(), 9)"
    assert subprocess.run([sys.executable, "-c", program, str(tmp_path)]).returncode == -9
    assert len(names(tmp_path)) == 1
    assert list(present(tmp_path)) == []
    Presence([tmp_path]).leave_all()
    assert names(tmp_path) == []


@pytest.mark.parametrize(("age", "there"), [(DEAD_SECONDS - 30, 1), (DEAD_SECONDS + 30, 0)])
def test_of_another_host_the_last_sign_of_life_tells(tmp_path: Path, age: float, there: int) -> None:
    file = tmp_path / f"{SIGN}0"
    file.write_text(replace(own_note(), host="elsewhere", boot="another").text)
    os.utime(file, (time.time() - age, time.time() - age))
    assert [owner.host for owner in present(tmp_path)] == ["elsewhere"] * there


def test_a_sign_of_life_is_given_every_ten_seconds_also_where_the_file_went(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    presence, begun = Presence([tmp_path]), time.monotonic()
    (file,) = tmp_path.iterdir()
    os.utime(file, (1, 1))
    presence.beat()
    assert file.stat().st_mtime == 1
    monkeypatch.setattr(time, "monotonic", lambda: begun + BEAT_SECONDS + 1)
    presence.beat()
    assert file.stat().st_mtime > 1
    file.unlink()
    monkeypatch.setattr(time, "monotonic", lambda: begun + 3 * BEAT_SECONDS)
    presence.beat()
    assert json.loads(file.read_text())["pid"] == os.getpid()


def test_a_folder_that_is_not_there_or_cannot_be_written_hinders_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    presence = Presence([tmp_path / "none", tmp_path / "file"])
    presence.beat()
    presence.leave_all()
    assert list(present(tmp_path / "none")) == list(present(tmp_path / "file")) == []
