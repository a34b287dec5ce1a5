"""Every command that README and docs show: each is one, and those that can run here do.

What trains a large model is planned in its place; what builds, downloads or asks a process that runs is parsed alone.
"""

from __future__ import annotations

import re
import shlex
import shutil
from glob import glob
from pathlib import Path
from typing import Any

import pytest
import typer

from orchestrator.benchmark.task import benchmark_tasks
from orchestrator.cli.app import app
from orchestrator.data.demo import write_demo_data
from tests.released_data import demo_split
from tests.running import attempt
from tests.shared import ROOT

PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md")), ROOT / "recipes" / "README.md",
         *sorted(ROOT.glob("third_party/*/README.md"))]  # fmt: skip
PROGRAM = "python -m orchestrator "
PARSED_ALONE = (
    *("env build", "env check", "data download", "status", "logs", "cancel"),
    *("validate recipes/*.yaml", "data repair"),  # these read clips, which tests have none of
)
OWN_TASK = "CH-Humour"


def commands(page: Path) -> list[str]:
    """The commands of a page: lines of code that begin with one."""
    text = page.read_text(encoding="utf-8")
    lines = re.findall(r"^(?: {4})?(?:\$ )?(python -m orchestrator .*)$", text, re.MULTILINE)
    return [line.removeprefix(PROGRAM) for line in lines]


ALL = sorted({command for page in PAGES for command in commands(page)})


def words_of(command: str) -> list[str]:
    return shlex.split(command.replace("~", "home"), comments=True)


def test_there_are_some() -> None:
    assert len(ALL) > 40


@pytest.mark.parametrize("command", ALL)
def test_a_command_is_one(command: str) -> None:
    """Its arguments and options are known."""
    one: Any = typer.main.get_command(app)
    words, context = words_of(command), None
    while hasattr(one, "commands"):
        context = one.make_context("orchestrator", words, parent=context)
        _, one, words = one.resolve_command(context, [*context._protected_args, *context.args])
    one.make_context(one.name, words, parent=context)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as the pages take it for granted: recipes, data of all tasks, some results."""
    folder = tmp_path_factory.mktemp("place")
    for name in ("recipes", "prompts", "docs"):
        (folder / name).symlink_to(ROOT / name)
    data = folder / "home" / "MMLA"
    for task in benchmark_tasks("mmla").values():
        for split in ("train", "dev", "test"):
            demo_split(data, task, split)
    (folder / "data").symlink_to(data)
    own = data / OWN_TASK
    own.mkdir()
    (own / "task.yaml").write_text("labels: [humorous, serious]\nlanguage: zh\n")
    for split in ("train", "dev", "test"):
        (own / f"{split}.tsv").write_text(f"id\tvideo\ttext\tlabel\n{split}1\t\t你好 {split}\tserious\n")
    write_demo_data(folder / "demo" / "data", sizes=(16, 8, 8))
    (folder / "results").mkdir()
    first, second = (ROOT / "docs" / "example" / f"{name}.csv" for name in ("demo", "demo_2_epochs"))
    for name in ("qwen2_7b_sft", "llama_3_8b_sft", "smollm2_135m_zero_shot"):
        shutil.copy(first, folder / "results" / f"{name}.csv")
    shutil.copy(second, folder / "results" / "smollm2_135m_sft.csv")
    answers = ROOT / "docs" / "example" / "demo.answers.jsonl.gz"
    shutil.copy(answers, folder / "results" / "smollm2_135m_zero_shot.answers.jsonl.gz")
    swept = first.read_text() + second.read_text().partition("\n")[2]
    (folder / "results" / "qwen2_7b_sft.sweep-learning_rate-seed.csv").write_text(swept)
    for name in ("answers.csv", "MELD_emotion_results.csv"):
        (folder / name).write_text("label,answer\njoy,emotion: joy\nanger,it is joy\n")
    (folder / "theirs.yaml").write_text("extends: recipes/qwen2_7b_sft.yaml\nname: theirs\n")
    (folder / "MY_RECIPE.yaml").write_text("extends: recipes/qwen2_7b_sft.yaml\nname: mine\n")
    return folder


def runnable(command: str) -> list[str] | None:
    """The command that is run in a test for one of the pages'; ``None``: none is."""
    words = words_of(command)
    if command.startswith(PARSED_ALONE) or (">" in words and "show" not in words):
        return None
    if ">" in words:
        words = words[: words.index(">")]
    if words[0] == "run":
        words[0] = "plan"
        words = [word for word in words if word not in ("--retry-errors", "&")]
    return words


@pytest.mark.parametrize("command", [command for command in ALL if runnable(command)])
def test_what_can_run_here_does(command: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    words = [one for word in runnable(command) or () for one in sorted(glob(word)) or [word]]  # noqa: PTH207
    status, said = attempt(*words)
    # with 1 it says what is wrong with the test's data, which lacks most of the published rows and all clips
    assert status in ((0, 1) if words[:2] == ["data", "check"] else (0,)), said
