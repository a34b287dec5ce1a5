"""What an earlier run left of a stage."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from orchestrator.run.remove import remove


class Killed(BaseException):
    """As by the user, at a moment of the computer's choosing."""


@pytest.mark.parametrize("after", range(8))
def test_a_kill_leaves_no_stage_that_seems_never_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    folder = tmp_path / "train-0"
    for name in ("stage.json", "a.json", "log.txt", "output/checkpoint-9/model.safetensors", "output/x.json"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")
    (folder / "link").symlink_to(tmp_path)
    unlink, rmdir, count = os.unlink, os.rmdir, after

    def counted(act: Any) -> Any:
        def acts(*words: Any, **more: Any) -> None:
            nonlocal count
            if not count:
                raise Killed
            count -= 1
            act(*words, **more)

        return acts

    monkeypatch.setattr(os, "unlink", counted(unlink))
    monkeypatch.setattr(os, "rmdir", counted(rmdir))
    with pytest.raises(Killed):
        remove(folder)
    monkeypatch.undo()
    assert (folder / "stage.json").exists() or not any(folder.iterdir())
    remove(folder)
    assert not folder.exists()
