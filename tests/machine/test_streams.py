"""The standard streams of the program, connected to whatever a shell connects them to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.shared import ROOT

PROGRAM = f"{sys.executable} -m orchestrator"
ODD = "\u4f60\u00e9\U0001f600"
# each says that the terminal cannot show everything
CODINGS = ({"PYTHONIOENCODING": "ascii"}, {"PYTHONIOENCODING": "latin-1:strict"}, {"LC_ALL": "C"})


def shell(command: str, **env: str) -> subprocess.CompletedProcess[str]:
    """A command of bash; the status is that of the first program of its pipe."""
    argv = ["bash", "-c", f"{command}; exit ${{PIPESTATUS[0]}}"]
    return subprocess.run(
        argv, cwd=ROOT, env=os.environ | env, capture_output=True, text=True, errors="replace", timeout=60
    )


@pytest.mark.parametrize(
    "streams", ["| head -c1", "| true", "2>&1 | true", ">&-", "2>&-", "<&- >&- 2>&-", ">/dev/null 2>&-"]
)
@pytest.mark.parametrize(("command", "code"), [("ls tasks", 0), ("ls taks", 2)])
def test_whoever_reads_the_exit_status_is_the_command_s_own(streams: str, command: str, code: int) -> None:
    done = shell(f"{PROGRAM} {command} {streams}")
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert "ignored" not in done.stderr
    assert ("did you mean `tasks`?" in done.stderr) == (code == 2 and "2>" not in streams)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_an_output_that_cannot_be_written_is_an_error() -> None:
    done = shell(f"{PROGRAM} ls tasks > /dev/full", PYTHONUNBUFFERED="")
    assert done.returncode == 1
    assert done.stderr == "error: standard output cannot be written: No space left on device\n"


@pytest.mark.parametrize("coding", CODINGS, ids=str)
def test_what_a_terminal_cannot_show_is_escaped_and_json_stays_json(tmp_path: Path, coding: dict[str, str]) -> None:
    recipe = tmp_path / "recipe.yaml"
    text = (ROOT / "recipes" / "demo.yaml").read_text()
    text = text.replace("description: ", f"description: {ODD} ")
    recipe.write_text(text.replace("_base/", f"{ROOT}/recipes/_base/"))
    env = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", **coding}
    done = shell(f"{PROGRAM} show {recipe} --json", **env)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["description"].startswith(f"{ODD} ")
    assert r"\u4f60" in done.stdout
    done = shell(f"{PROGRAM} show {tmp_path}/{ODD}.yaml", **env)
    assert (done.returncode, "there is no file" in done.stderr) == (2, True)
