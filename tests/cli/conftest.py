"""The command line in this process: as quick as a function, and as strict as a program."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.__main__ import main
from orchestrator.data.demo import write_demo_data

Call = Callable[..., str]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Runs a command line; returns what it prints, on standard error behind, and checks its exit status."""

    def run(*arguments: object, code: int = 0) -> str:
        monkeypatch.setattr(sys, "argv", ["orchestrator", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        said = "".join(capsys.readouterr())
        assert (ended.value.code or 0) == code, said
        return said

    return run


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    """A small generated data set."""
    write_demo_data(tmp_path / "data", sizes=(40, 8, 8))
    return tmp_path / "data"
