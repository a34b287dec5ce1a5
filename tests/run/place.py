"""One recipe over the toolkit ``echo``, run in a folder of its own."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from orchestrator.benchmark.task import tasks
from orchestrator.data.demo import write_demo_data
from orchestrator.machine.processes import STAGE_MARK, marked
from orchestrator.scores.results import read_results
from tests.running import arguments, call, stage_folder, start, wait_until

RECIPE = """\
name: echoed
description: a test
method: {method}
model: {{name: Echo, toolkit: echo, type: LLM, params_b: 0.001, init: {{config: {{model_type: echo}}}}}}
tasks: [{tasks}]
data: {{root: {root}}}
train: {{finetuning: full, epochs: 1, batch_size: 4, micro_batch_size: 4, save_steps: 3}}
select: {{strategy: last}}
resources: {{device: cpu}}
"""
# what makes a task of a folder of data
TASK = "labels: [funny, serious]\nlanguage: zh\n"
# the stages of a job that trains
KINDS = ("init", "convert", "train", "select", "infer", "score")


def write_data(root: Path) -> None:
    """Few rows of the tasks demo (40, 8, 16) and MELD (14, 7, 7)."""
    write_demo_data(root, sizes=(40, 8, 16))
    (root / "MELD").mkdir()
    for split, times in (("train", 2), ("dev", 1), ("test", 1)):
        labels = [(label, number) for label in tasks()["MELD"].labels for number in range(times)]
        text = "".join(f"{split}{n}_{label}\t\t{split} {n} is {label}\t{label}\n" for label, n in labels)
        (root / "MELD" / f"{split}.tsv").write_text(f"id\tvideo\ttext\tlabel\n{text}")


def write_task(
    root: Path, text: str = TASK, folder: str = "Humour", labels: tuple[str, ...] = ("funny", "serious")
) -> None:
    """A data set that brings its own task: 16, 6 and 8 rows."""
    (root / folder).mkdir(parents=True, exist_ok=True)
    (root / folder / "task.yaml").write_text(text)
    for split, count in (("train", 8), ("dev", 3), ("test", 4)):
        said = zip(labels, ("哈哈 haha", "嗯嗯 hm"), strict=True)
        rows = [(f"{split}_{label}{n}", f"{split} {n}: {word}", label) for label, word in said for n in range(count)]
        (root / folder / f"{split}.tsv").write_text("id\ttext\tlabel\n" + "".join("\t".join(r) + "\n" for r in rows))


@dataclass
class Place:
    """Where a recipe is run: ``runs``, the results CSV and the recipe lie in ``folder``."""

    folder: Path
    data: Path
    method: str = "sft"
    tasks: str = "demo"
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        text = RECIPE.format(method=self.method, tasks=self.tasks, root=self.data)
        self.recipe.write_text(text)

    @property
    def recipe(self) -> Path:
        return self.folder / "recipe.yaml"

    @property
    def results(self) -> Path:
        return self.folder / "echoed.csv"

    @property
    def said(self) -> str:
        """What runs in processes of their own said."""
        return (self.folder / "said.txt").read_text()

    def run(self, *more: object, code: int = 0, do: str = "") -> str:
        """The command ``run`` in this process."""
        return call(*arguments(self.recipe, self.folder, *more), code=code, do=do)

    def start_until(self, kind: str, *more: object, do: str, **options: Any) -> subprocess.Popen[bytes]:
        """``run`` in a process of its own, until the toolkit hangs in a kind of stage as it was asked to."""
        process = start(self.recipe, self.folder, *more, program="tests.echo", do=do, **options)
        self.started.append(process)
        logs = f"runs/*/*/{kind}-*/log.txt"

        def hangs() -> bool:
            assert process.poll() is None, self.said
            return any("hangs at" in log.read_text() for log in self.folder.glob(logs))

        wait_until(hangs)
        return process

    def end(self) -> None:
        """End what a test that went wrong left running."""
        for process in self.started:
            process.kill()
            process.wait()
        for left in self.running() if self.started else ():
            left.kill()

    def stage(self, kind: str, job: str = "demo") -> dict[str, Any]:
        """What a stage says about itself."""
        return dict(json.loads((stage_folder(self.folder, kind, job) / "stage.json").read_text()))

    def folders(self) -> set[str]:
        """All stage folders, as ``<job>/<kind>-<key>``."""
        return {f"{path.parent.parent.name}/{path.parent.name}" for path in self.folder.glob("runs/*/*/*/stage.json")}

    def attempts(self) -> dict[str, int]:
        """How often each stage was begun, by ``<job>/<kind>``."""
        states = [json.loads(path.read_text()) for path in self.folder.glob("runs/*/*/*/stage.json")]
        return {f"{state['job']}/{state['stage']}": len(state["attempts"]) for state in states}

    def rows(self) -> dict[str, dict[str, Any]]:
        """The rows of the results CSV by task."""
        rows = read_results(self.results)
        assert len({row["task"] for row in rows}) == len(rows)
        return {row["task"]: row for row in rows}

    def running(self) -> list[psutil.Process]:
        """The processes of any stage."""
        folders = [path.parent.resolve() for path in self.folder.glob("runs/*/*/*/stage.json")]
        return [process for folder in folders for process in marked(STAGE_MARK, str(folder))]
