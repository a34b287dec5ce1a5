"""How fast runs are compared: made-up answers to all 12 test splits (15,713 samples), of two recipes and of 49.

python -m tests.benchmarks.bench_compare FOLDER     # writes the files alone
"""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from orchestrator.benchmark.task import Task, benchmark_tasks
from orchestrator.machine.files import digest
from orchestrator.scores.answers import MULTI, UNKNOWN, Answer
from orchestrator.scores.compare.intervals import intervals
from orchestrator.scores.compare.paired import Paired, dialogue_codes
from orchestrator.scores.compare.significance import accuracy_test, f1_test, holm, smallest_between
from orchestrator.scores.metrics import Scores, overall, score
from orchestrator.scores.results import ResultsRow, overall_row, write_results
from tests.scores.compare.made_up import answers_of
from tests.shared import ROOT

RECIPES = 49
DRAWS = 2_000
# dialogues of the benchmark's own test splits; 0: its ids do not tell
DIALOGUES = {
    "MIntRec": 43, "MIntRec2.0": 249, "MELD": 280, "IEMOCAP": 31, "MELD-DA": 802, "IEMOCAP-DA": 151, "MOSI": 31,
    "Ch-sims": 145, "UR-FUNNY": 0, "MUStARD": 0, "AnnoMi-client": 36, "AnnoMi-therapist": 35,
}  # fmt: skip


class Split:
    """A task's test split with the answers of several recipes, a later one better than the ones before it."""

    def __init__(self, task: Task, recipes: int, rng: np.random.Generator):
        n, labels = task.sizes["test"], len(task.labels)
        self.task = task
        truth = rng.integers(0, labels, n)
        count = DIALOGUES[task.name] or n
        dialogues = rng.permutation(np.concatenate([np.arange(count), rng.integers(0, count, n - count)]))
        self.ids = [f"{task.name}_{dialogue}_{at}" for at, dialogue in enumerate(dialogues)]
        answers = [answers_of(rng, truth, 1, labels, 0.5 + 0.3 * at / RECIPES, dialogues, 0.1)[0]
                   for at in range(recipes)]  # fmt: skip
        told = [task.dialogue_of(name) for name in self.ids]
        self.paired = Paired(task.name, truth, np.stack(answers), labels, dialogue_codes(told), n)

    def lines(self, recipe: str, run: int) -> Iterator[str]:
        """The answers of a run, as the file beside its results holds them."""
        spoken = [f"{self.task.word}: {label}" for label in self.task.labels] + ["I cannot tell.", "all of them"]
        for name, true, said in zip(self.ids, self.paired.truth, self.paired.answers[run], strict=True):
            answer = self.answer(said)
            row = {"recipe": recipe, "task": self.task.name, "id": name, "label": self.task.labels[true]}
            row |= {"answer": spoken[said], "parsed": answer.label, "outcome": answer.outcome, "error": None}
            yield f"{json.dumps(row, ensure_ascii=False)}\n"

    def answer(self, code: int) -> Answer:
        """What a code stands for."""
        labels = self.task.labels
        return Answer(labels[code], "label") if code < len(labels) else (UNKNOWN, MULTI)[code - len(labels)]

    def row(self, recipe: str, run: int) -> tuple[ResultsRow, Scores]:
        """The results of a run, and its scores."""
        labels, n = self.task.labels, len(self.ids)
        scores = score([labels[code] for code in self.paired.truth],
                       [self.answer(code) for code in self.paired.answers[run]], labels)  # fmt: skip
        signature = f"data:00000000|split:test|n:{n}|prompt:0|labels:{digest(labels)[:8]}|decoding:greedy|parser:mmla-1"
        about = {"run_id": f"{run:08}", "recipe": recipe, "model": recipe, "model_type": "LLM", "method": "zero_shot",
                 "toolkit": "none", "task": self.task.name, "dimension": self.task.dimension, "split": "test",
                 "signature": signature}  # fmt: skip
        return about | scores.as_row(), scores


def splits(recipes: int) -> list[Split]:
    """All 12 test splits, answered."""
    rng = np.random.default_rng(0)
    return [Split(task, recipes, rng) for task in benchmark_tasks("mmla").values()]


def write_runs(folder: Path, made: list[Split]) -> list[Path]:
    """The results CSVs of runs, each with the file of its answers beside it."""
    files = []
    for run in range(len(made[0].paired.answers)):
        recipe = f"model{run:02}_zero_shot"
        scored = [split.row(recipe, run) for split in made]
        whole = overall([scores for _, scores in scored], [split.paired.weight for split in made])
        rows = [row for row, _ in scored]
        files.append(folder / f"{recipe}.csv")
        write_results(files[-1], [*rows, overall_row(rows, whole)])
        text = "".join(line for split in made for line in split.lines(recipe, run))
        (folder / f"{recipe}.answers.jsonl.gz").write_bytes(gzip.compress(text.encode(), 6, mtime=0))
    return files


def statistics_of(made: list[Split]) -> None:
    """All tests and intervals of runs against the first one."""
    tasks = [split.paired for split in made]
    intervals(tasks, 0, DRAWS, 0)
    for run in range(1, len(tasks[0].answers)):
        holm([accuracy_test(task, run, 0).p for task in tasks])
        holm([f1_test(task, run, 0, DRAWS, 0).p for task in tasks])
        for task in tasks:
            smallest_between(task, run, 0)


def best(work: Callable[[], object], times: int) -> float:
    """Seconds, the best of several times."""
    found = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    return min(found)


def command(files: list[Path]) -> None:
    """``compare``, as one calls it."""
    argv = [sys.executable, "-m", "orchestrator", "compare", *map(str, files)]
    subprocess.run(argv, cwd=ROOT, check=True, capture_output=True)


def rows() -> list[tuple[str, str, str]]:
    """(what, bar, measured)."""
    made = splits(RECIPES)
    for split in made:
        assert split.paired.units in (DIALOGUES[split.task.name], len(split.ids)), split.task.name
    found = []
    with tempfile.TemporaryDirectory() as folder:
        files = write_runs(Path(folder), made)
        for count, bar, times in ((2, "2 s", 5), (RECIPES, "60 s", 1)):
            seconds = best(lambda n=count: command(files[:n]), times)
            found.append((f"`compare` of {count} runs, 12 tasks, 15,713 samples", bar, f"{seconds:.2f} s"))
    seconds = best(lambda: statistics_of(made), 1)
    found.append((f"its tests and intervals alone, {RECIPES} runs, {DRAWS:,} draws", "-", f"{seconds:.2f} s"))
    return found


if __name__ == "__main__":
    Path(sys.argv[1]).mkdir(parents=True, exist_ok=True)
    write_runs(Path(sys.argv[1]), splits(RECIPES))
