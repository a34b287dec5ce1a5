"""Runs of the orchestrator as a user starts them, and what they leave on disk."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def start(recipe: Path, folder: Path) -> subprocess.Popen[bytes]:
    """``run`` with its runs and results in a folder; what it says is added to ``said.txt`` there."""
    arguments = ["run", str(recipe), "--runs-dir", str(folder / "runs"), "--results-dir", str(folder)]
    env = {name: value for name, value in os.environ.items() if name != "MMLA_DATA_ROOT"}
    with (folder / "said.txt").open("ab") as said:
        argv = [sys.executable, "-m", "orchestrator", *arguments]
        return subprocess.Popen(argv, cwd=ROOT, env=env, stdout=said, stderr=said)


def run(recipe: Path, folder: Path) -> None:
    """The same, to its good end."""
    assert start(recipe, folder).wait() == 0, (folder / "said.txt").read_text()


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


def answers(folder: Path) -> dict[str, str]:
    """The answers of a run, one to each of its requests."""
    stage = stage_folder(folder, "infer")
    given = texts(stage / "predictions.jsonl")
    assert given.keys() == {json.loads(line)["id"] for line in (stage / "requests.jsonl").read_text().splitlines()}
    return given
