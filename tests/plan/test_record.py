"""What a stage's folder says of it."""

from __future__ import annotations

from pathlib import Path

from orchestrator.machine.files import read_json, write_json
from orchestrator.plan.record import is_done


def test_damaged_state_is_not_done(tmp_path: Path) -> None:
    assert not is_done(tmp_path)
    (tmp_path / "stage.json").write_text('{"state": "do')
    assert read_json(tmp_path / "stage.json") is None
    assert not is_done(tmp_path)
    write_json(tmp_path / "stage.json", {"state": "running"})
    assert not is_done(tmp_path)
    write_json(tmp_path / "stage.json", {"state": "done"})
    assert is_done(tmp_path)
