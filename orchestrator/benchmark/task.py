"""The benchmark as data: the tasks (``tasks/*.yaml``, one file per benchmark) and the models (``models.yaml``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from orchestrator.checked_yaml.plain import load_yaml
from orchestrator.errors import InputError, Problem, did_you_mean, one_of

SPLITS = ("train", "dev", "test")
# class names that the scores use for answers without a label: a label of this name could not be told apart
RESERVED_LABELS = ("unknown", "multi")

_REQUIRED = ("dimension", "labels", "language", "sizes")
_OPTIONAL = ("dataset", "word", "folders", "licence", "video")


@dataclass(frozen=True)
class Task:
    """One task: a data set with its dimension, ordered label list, language and published split sizes.

    Attributes:
        word: the dimension as prompts and answers spell it (``dialogue act``).
        sizes: the number of published samples of each split.
        folders: the names that the data set may have on disk; the first found wins.
        benchmark: the name of the file that it stands in.
        video: whether the benchmark publishes videos for it.
    """

    name: str
    dataset: str
    dimension: str
    word: str
    labels: tuple[str, ...]
    language: str
    sizes: Mapping[str, int] = field(hash=False)
    folders: tuple[str, ...]
    licence: str
    benchmark: str
    video: bool


@cache
def tasks() -> dict[str, Task]:
    """All tasks by name: each benchmark's in its published order.

    Raises:
        InputError: see `read_tasks`.
    """
    return read_tasks(
        *sorted((Path(__file__).parent / "tasks").glob("*.yaml"), key=lambda file: (file.stem != "mmla", file.stem))
    )


def benchmark_tasks(benchmark: str) -> dict[str, Task]:
    """The tasks of one benchmark (``mmla``: the 12 of the paper; ``demo``: the generated one), in order.

    Raises:
        InputError: there is no such benchmark.
    """
    one_of("benchmark", benchmark, dict.fromkeys(task.benchmark for task in tasks().values()))
    return {name: task for name, task in tasks().items() if task.benchmark == benchmark}


def read_tasks(*files: Path) -> dict[str, Task]:
    """The tasks in some YAML files, by name; a file's stem names its benchmark.

    Raises:
        InputError: a file is no YAML, or entries are wrong; all problems at once.
    """
    found: dict[str, Task] = {}
    problems: list[Problem] = []
    for file in files:
        content = load_yaml(file)
        if not isinstance(content, dict):
            problems.append(Problem("must hold a mapping of task names", where=str(file)))
            continue
        for name, entry in content.items():
            wrong = _entry_problems(entry)
            if name in found:
                wrong.append(f"is defined twice, in `{found[name].benchmark}` too")
            problems += [Problem(f"task `{name}`: {message}", where=str(file)) for message in wrong]
            if not wrong:
                found[name] = _task(str(name), entry, file.stem)
    if problems:
        raise InputError(problems)
    return found


def _entry_problems(entry: Any) -> list[str]:
    """What is wrong with a task's entry; the rest of the program relies on these and checks them no more."""
    if not isinstance(entry, dict):
        return ["must be a mapping"]
    known = _REQUIRED + _OPTIONAL
    wrong = [f"unknown key `{key}`. {did_you_mean(str(key), known)}" for key in entry if key not in known]
    wrong += [f"`{key}` is missing" for key in _REQUIRED if key not in entry]
    labels = entry.get("labels", [])
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        # YAML reads a bare `no` as False: quote it
        return [*wrong, '`labels` must be a list of texts (quote words such as "no")']
    if "labels" in entry and len({label.lower() for label in labels}) != len(labels):
        wrong.append("`labels` holds the same label twice (letter case is ignored)")
    wrong += ["`labels` holds an empty label" for label in labels if not label.strip()]
    wrong += [f"the label `{label}` is reserved" for label in labels if label.lower() in RESERVED_LABELS]
    sizes = entry.get("sizes", {})
    if not isinstance(sizes, dict) or not all(
        split in SPLITS and isinstance(size, int) and size > 0 for split, size in sizes.items()
    ):
        wrong.append(f"`sizes` must give the number of samples of {', '.join(SPLITS)}")
    return wrong


def _task(name: str, entry: dict[str, Any], benchmark: str) -> Task:
    dataset, word = str(entry.get("dataset", name)), str(entry["dimension"]).replace("_", " ")
    fields = dict[str, Any](dataset=dataset, word=word, folders=[dataset], licence="", video=False) | entry
    texts = {key: str(fields[key]) for key in ("dataset", "dimension", "word", "language", "licence")}
    lists = {key: tuple(map(str, fields[key])) for key in ("labels", "folders")}
    return Task(name=name, benchmark=benchmark, **fields | texts | lists)


def task_named(name: str) -> Task:
    """The task of that name.

    Raises:
        InputError: there is none.
    """
    return tasks()[one_of("task", name, tasks())]
