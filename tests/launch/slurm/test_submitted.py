"""What was submitted, kept beside the run."""

from __future__ import annotations

import threading
from pathlib import Path

from orchestrator.launch.slurm.submitted import Submitted, read_submitted, submitting, write_submitted

ENTRY = Submitted("12_0", "2026-12-01T10:00:00+00:00", "/runs/x/slurm/a.sh", "/runs/x/slurm/12_0.log", "abc")


def test_what_is_noted_is_read_and_others_stay(tmp_path: Path) -> None:
    assert read_submitted(tmp_path) == {}
    write_submitted(tmp_path, {"MELD": ENTRY, "MOSI": ENTRY})
    later = Submitted("13_0", *list(vars(ENTRY).values())[1:])
    write_submitted(tmp_path, {"MOSI": later})
    assert read_submitted(tmp_path) == {"MELD": ENTRY, "MOSI": later}


def test_what_is_damaged_is_as_good_as_nothing(tmp_path: Path) -> None:
    (tmp_path / "slurm.json").write_text('{"MELD": {"id": "12_0"}, "MOSI": 3}')
    assert read_submitted(tmp_path) == {}
    (tmp_path / "slurm.json").write_text('{"MELD": {"id"')
    assert read_submitted(tmp_path) == {}


def test_one_submits_at_a_time(tmp_path: Path) -> None:
    inside, most = 0, 0

    def work() -> None:
        nonlocal inside, most
        with submitting(tmp_path):
            inside += 1
            most = max(most, inside)
            threading.Event().wait(0.02)
            inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
