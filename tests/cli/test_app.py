"""The command line as a program: help, what it imports, exit statuses."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator import __version__
from orchestrator.cli import ls
from orchestrator.errors import Interrupted
from orchestrator.machine.checkout import git_commit
from tests.running import call
from tests.shared import RECIPES, ROOT

COMMANDS = ("run", "plan", "validate", "show", "ls", "status", "convert", "score", "env list", "env build", "env check",
            "data check", "data download", "clean")  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example(command: str) -> None:
    assert f"Example: python -m orchestrator {command}" in call(*command.split(), "--help")


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys; sys.argv = ['x', '--help']\n"
        "from orchestrator.__main__ import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "heavy = ('pydantic', 'pandas', 'rich', 'yaml', 'jinja2', 'psutil')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.endswith("[]\n"), done.stdout + done.stderr


def test_the_module_is_a_program() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "orchestrator", "ls", "taks"], capture_output=True, text=True, cwd=ROOT
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: unknown list `taks`\n    did you mean `tasks`?\n"


@pytest.mark.parametrize(("error", "code"), [(Interrupted("stopped"), 130), (KeyboardInterrupt(), 130)])
def test_a_stop_has_its_exit_status(error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(ls, "print_list", stop)
    call("ls", "tasks", code=code)


def test_a_run_says_what_the_recipe_lacks(tmp_path: Path) -> None:
    options = ("--runs-dir", tmp_path / "runs", "--results-dir", tmp_path / "results")
    said = call("run", RECIPES / "demo.yaml", "--set", f"data.root={tmp_path / 'none'}", *options, code=2)
    assert "none: the data folder does not exist" in said


def test_download_names_the_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    from orchestrator.data import download

    asked: list[object] = []
    monkeypatch.setattr(download, "download", lambda *args, **options: asked.append((args, options)))
    call("data", "download", "--dataset", "MELD", "--no-videos")
    call("data", "download", "--out", "there", "--revision", "main")
    assert asked == [
        ((["MELD"], Path("data"), None), {"videos": False}),
        (((), Path("there"), "main"), {"videos": True}),
    ]


def test_its_version() -> None:
    name, number, *commit = call("--version").split()
    assert (name, number) == ("mmla-orchestrator", __version__)
    assert commit == ([f"({git_commit()})"] if git_commit() else [])


def completed(*words: str) -> list[str]:
    """What bash offers for the last word of a command line."""
    env = os.environ | {"_ORCHESTRATOR_COMPLETE": "complete_bash", "COMP_WORDS": " ".join(("orchestrator", *words))}
    env |= {"COMP_CWORD": str(len(words)), "MMLA_DATA_ROOT": "none"}
    program = "import sys; sys.argv = ['orchestrator']; from orchestrator.__main__ import main; main()"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, env=env)
    return done.stdout.split()


def test_a_shell_completes_commands_options_and_names() -> None:
    assert completed("st") == ["status"]
    assert completed("run", "--array") == ["--array-limit"]
    assert completed("plan", "--task", "MELD") == ["MELD", "MELD-DA"]
    assert completed("env", "build", "ll") == ["llamafactory", "llava_next"]


def test_completion_is_that_of_the_command_of_that_name() -> None:
    env = os.environ | {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}  # whatever shell starts the tests
    argv = [sys.executable, "-m", "orchestrator", "--show-completion", "bash"]
    done = subprocess.run(argv, capture_output=True, text=True, cwd=ROOT, env=env)
    assert "complete -o default -F _orchestrator_completion orchestrator" in done.stdout
