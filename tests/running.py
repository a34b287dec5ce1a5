"""Runs of the orchestrator as a user starts them, and what they leave on disk."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from unittest.mock import patch

from orchestrator.__main__ import main
from tests.shared import ROOT

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def arguments(recipe: Path, folder: Path, *more: object) -> list[str]:
    """``run`` with its runs and results in a folder."""
    return ["run", str(recipe), "--runs-dir", str(folder / "runs"), "--results-dir", str(folder), *map(str, more)]


def environment(do: str = "") -> dict[str, str]:
    """That of the shell, with what the toolkit ``echo`` is to do wrong."""
    kept = {name: value for name, value in os.environ.items() if name not in ("MMLA_DATA_ROOT", "ECHO_DO")}
    return kept | ({"ECHO_DO": do} if do else {})


def listening(ignored: tuple[signal.Signals, ...] = ()) -> Callable[[], None]:
    """Have a child obey signals: under nohup, or in the background, this process ignores some of them."""

    def dispose() -> None:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN if number in ignored else signal.SIG_DFL)

    return dispose


def start(
    recipe: Path,
    folder: Path,
    *more: object,
    program: str = "orchestrator",
    do: str = "",
    ignored: tuple[signal.Signals, ...] = (),
) -> subprocess.Popen[bytes]:
    """A run in a process of its own; what it says is added to ``said.txt`` in the folder."""
    argv = [sys.executable, "-m", program, *arguments(recipe, folder, *more)]
    with (folder / "said.txt").open("ab") as said:
        return subprocess.Popen(
            argv, cwd=ROOT, env=environment(do), stdout=said, stderr=said, preexec_fn=listening(ignored)
        )


def run(recipe: Path, folder: Path) -> None:
    """The same, to its good end."""
    assert start(recipe, folder).wait() == 0, (folder / "said.txt").read_text()


def attempt(*words: object, do: str = "") -> tuple[int, str]:
    """The command line in this process: its status, and what it says on both of its streams."""
    said = io.StringIO()
    argv = ["orchestrator", *map(str, words)]
    with (
        patch.object(sys, "argv", argv),
        patch.dict(os.environ, environment(do), clear=True),
        contextlib.redirect_stdout(said),
        contextlib.redirect_stderr(said),
    ):
        status: Any = 0
        try:
            main()
        except SystemExit as end:
            status = end.code or 0
    return status, said.getvalue()


def call(*words: object, code: int = 0, do: str = "") -> str:
    """The same, for a command that ends with this status; returns what it says."""
    status, said = attempt(*words, do=do)
    assert status == code, said
    return said


def wait_until(condition: Callable[[], object], seconds: float = 60) -> None:
    """Wait for what another process does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


def stage_folder(folder: Path, kind: str, job: str = "*") -> Path:
    """The folder of the only stage of a kind."""
    (found,) = (folder / "runs").glob(f"*/{job}/{kind}-*")
    return found


def write_jsonl(path: Path, rows: Iterable[Any]) -> None:
    """Requests, for example."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def records(path: Path) -> dict[str, dict[str, Any]]:
    """A predictions file by request."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    given = {line["id"]: line for line in lines}
    assert len(given) == len(lines), "a request was answered twice"
    return given


def texts(path: Path) -> dict[str, str]:
    """The answers in a predictions file; what ended in an error has none."""
    return {key: record["text"] for key, record in records(path).items() if "error" not in record}


def answers(folder: Path, job: str = "*") -> dict[str, str]:
    """The answers of a run, one to each of its requests."""
    stage = stage_folder(folder, "infer", job)
    given = texts(stage / "predictions.jsonl")
    assert given.keys() == {json.loads(line)["id"] for line in (stage / "requests.jsonl").read_text().splitlines()}
    return given
