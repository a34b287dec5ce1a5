"""Removing a stage's folder: killed at any moment, it leaves nothing that a run believes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from orchestrator.run.remove import is_half_removed, remove

FILES = ("stage.json", "a.json", "log.txt", "output/checkpoint-9/model.safetensors", "output/x.json")


class Killed(BaseException):
    """As by the user, at a moment of the computer's choosing."""


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and not path.is_symlink()}


@pytest.fixture
def stage(tmp_path: Path) -> Path:
    folder = tmp_path / "demo" / "train-0"
    for name in FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "mine").write_text("mine")
    (folder / "link").symlink_to(tmp_path / "elsewhere")
    return folder


@pytest.mark.parametrize("after", range(9))
def test_a_kill_leaves_the_whole_folder_or_none(stage: Path, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    count = after

    def counted(act: Any) -> Any:
        def acts(*words: Any, **more: Any) -> None:
            nonlocal count
            if not count:
                raise Killed
            count -= 1
            act(*words, **more)

        return acts

    for name in ("rename", "unlink", "rmdir"):
        monkeypatch.setattr(os, name, counted(getattr(os, name)))
    with pytest.raises(Killed):
        remove(stage)
    monkeypatch.undo()
    if after == 0:
        assert files(stage) == set(FILES)
    else:
        assert not stage.exists()
        (left,) = stage.parent.iterdir()
        assert is_half_removed(left)
        # between these two steps alone another program may still take it for a stage
        assert (left / "stage.json").exists() == (after == 1)
        stage.mkdir()  # the run has begun it anew meanwhile
        remove(stage)
    if stage.exists():
        remove(stage)
    assert not any(stage.parent.iterdir())
    assert (stage.parents[1] / "elsewhere" / "mine").read_text() == "mine"


def test_what_is_left_of_a_removal_is_removed_where_it_is(stage: Path) -> None:
    half = stage.rename(stage.with_name(".train-0.removed"))
    remove(half)
    assert not any(stage.parent.iterdir())


def test_of_a_link_the_link_goes_alone(stage: Path, tmp_path: Path) -> None:
    link = tmp_path / "train-1"
    link.symlink_to(stage)
    remove(link)
    assert not link.is_symlink()
    assert files(stage) == set(FILES)
