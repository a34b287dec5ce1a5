"""The benchmark as data: the tasks (``tasks/*.yaml``, one file per benchmark) and the models (``models.yaml``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from orchestrator.checked_yaml.plain import load_yaml, place_of
from orchestrator.errors import InputError, Problem, did_you_mean, hidden_hint, one_of, unknown

SPLITS = ("train", "dev", "test")
# class names that the scores use for answers without a label: a label of this name could not be told apart
RESERVED_LABELS = ("unknown", "multi")

_REQUIRED = ("dimension", "labels", "language", "sizes")
_OPTIONAL = ("dataset", "word", "folders", "licence", "video")
_TEXTS = ("dataset", "dimension", "word", "language", "licence")


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


@dataclass(frozen=True)
class Wrong:
    """What is wrong with a file of tasks: with one entry or, where there is no ``task``, with the whole file."""

    benchmark: str
    task: str | None
    problem: Problem


@cache
def _read_all() -> tuple[dict[str, Task], list[Wrong]]:
    files = (Path(__file__).parent / "tasks").glob("*.yaml")
    return _read(sorted(files, key=lambda file: (file.stem != "mmla", file.stem)))


def tasks() -> dict[str, Task]:
    """All tasks by name: each benchmark's in its published order. Without those that `task_problems` is about."""
    return _read_all()[0]


def task_problems(benchmark: str | None = None) -> list[Problem]:
    """What is wrong with the files of tasks, or with one benchmark's: it stops what needs them and nothing else."""
    return [wrong.problem for wrong in _read_all()[1] if benchmark in (None, wrong.benchmark)]


def benchmark_tasks(benchmark: str) -> dict[str, Task]:
    """The tasks of one benchmark (``mmla``: the 12 of the paper; ``demo``: the generated one), in order.

    Raises:
        InputError: there is no such benchmark, or its file is wrong: a part of it would be taken for all.
    """
    if problems := task_problems(benchmark):
        raise InputError(problems)
    one_of("benchmark", benchmark, dict.fromkeys(task.benchmark for task in tasks().values()))
    return {name: task for name, task in tasks().items() if task.benchmark == benchmark}


def unknown_task(name: str, where: str = "") -> list[Problem]:
    """Why a name is not that of a task: its entry is wrong, or there is none; perhaps as a file cannot be read."""
    wrong = _read_all()[1]
    if own := [entry.problem for entry in wrong if entry.task == name]:
        return [Problem(f"the task `{name}` cannot be used: what defines it is wrong", where), *own]
    return [unknown("task", name, tasks(), where), *(entry.problem for entry in wrong if entry.task is None)]


def read_tasks(*files: Path) -> dict[str, Task]:
    """The tasks in some YAML files, by name; a file's stem names its benchmark.

    Raises:
        InputError: a file is no YAML, or entries are wrong; all problems at once.
    """
    found, wrong = _read(files)
    if wrong:
        raise InputError([entry.problem for entry in wrong])
    return found


def _read(files: Sequence[Path]) -> tuple[dict[str, Task], list[Wrong]]:
    """The tasks in some files, and what is wrong with those that are left out."""
    found: dict[str, Task] = {}
    wrong: list[Wrong] = []
    for file in files:
        try:
            content = load_yaml(file)
        except InputError as error:
            wrong += [Wrong(file.stem, None, problem) for problem in error.problems]
            continue
        if not isinstance(content, dict):
            wrong.append(Wrong(file.stem, None, Problem("must hold a mapping of task names", where=str(file))))
            continue
        for key, entry in content.items():
            name, messages = str(key), _entry_problems(key, entry)
            if twin := found.pop(name, None):  # which of the two is meant? neither benchmark is whole without it
                messages.append(f"is defined twice, in `{twin.benchmark}` too")
                wrong.append(Wrong(twin.benchmark, name, Problem(f"task `{name}`: is defined twice", str(file))))
            where = place_of(file, name) if messages else ""
            wrong += [Wrong(file.stem, name, Problem(f"task `{name}`: {message}", where)) for message in messages]
            if not messages:
                found[name] = _task(name, entry, file.stem)
    return found, wrong


def _entry_problems(name: Any, entry: Any) -> list[str]:
    """What is wrong with a task's entry; the rest of the program relies on these and checks them no more."""
    if not isinstance(entry, dict):
        return ["must be a mapping"]
    known = _REQUIRED + _OPTIONAL
    wrong = [f"unknown key `{key}`. {did_you_mean(str(key), known)}" for key in entry if key not in known]
    wrong += [f"`{key}` is missing" for key in _REQUIRED if key not in entry]
    wrong += [f"`{key}` must be text" for key in _TEXTS if not isinstance(entry.get(key, ""), str)]
    texts = [name, *(text for value in entry.values() for text in (value if isinstance(value, list) else [value]))]
    wrong += [f"`{text}` holds what cannot be seen: {hint}" for text in texts if (hint := hidden_hint(str(text)))]
    folders = entry.get("folders", ["-"])
    if not isinstance(folders, list) or not folders or not all(isinstance(folder, str) for folder in folders):
        wrong.append("`folders` must be a list of names")
    if not isinstance(entry.get("video", False), bool):
        wrong.append("`video` must be true or false")
    labels = entry.get("labels", ["-"])
    if not isinstance(labels, list) or not labels or not all(isinstance(label, str) for label in labels):
        # YAML reads a bare `no` as False: quote it
        return [*wrong, '`labels` must be a list of texts (quote words such as "no")']
    if "labels" in entry and len({label.lower() for label in labels}) != len(labels):
        wrong.append("`labels` holds the same label twice (letter case is ignored)")
    wrong += ["`labels` holds an empty label" for label in labels if not label.strip()]
    wrong += [f"the label `{label}` is reserved" for label in labels if label.lower() in RESERVED_LABELS]
    sizes = entry.get("sizes", {})
    if not isinstance(sizes, dict) or not all(
        split in SPLITS and type(size) is int and size > 0 for split, size in sizes.items()
    ):
        wrong.append(f"`sizes` must give the number of samples of {', '.join(SPLITS)}")
    return wrong


def _task(name: str, entry: dict[str, Any], benchmark: str) -> Task:
    dataset, word = str(entry.get("dataset", name)), str(entry["dimension"]).replace("_", " ")
    fields = dict[str, Any](dataset=dataset, word=word, folders=[dataset], licence="", video=False) | entry
    texts = {key: str(fields[key]) for key in _TEXTS}
    lists = {key: tuple(map(str, fields[key])) for key in ("labels", "folders")}
    return Task(name=name, benchmark=benchmark, **fields | texts | lists)


def task_named(name: str) -> Task:
    """The task of that name.

    Raises:
        InputError: there is none.
    """
    if name not in tasks():
        raise InputError(unknown_task(name))
    return tasks()[name]
