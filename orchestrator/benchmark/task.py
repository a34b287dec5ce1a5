"""The tasks: the benchmarks' (``tasks/*.yaml``, one file for each), and those that a data folder brings."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path

from orchestrator.benchmark.task_entry import Described, Entry, OwnTask, name_problem
from orchestrator.checked_yaml.files import load, load_entries
from orchestrator.errors import InputError, Problem, one_of, unknown

SPLITS = ("train", "dev", "test")
OWN = "own"  # the benchmark of the tasks in a data folder
OWN_FILE = "task.yaml"


@dataclass(frozen=True)
class Task:
    """One task: a data set with its dimension, ordered label list, language and published split sizes.

    Attributes:
        word: the dimension as prompts and answers spell it (``dialogue act``).
        sizes: the number of published samples of each split.
        folders: the names that the data set may have on disk; the first found wins.
        benchmark: the name of the file that it stands in; ``own``: a data set's own.
        video: whether the benchmark publishes videos for it.
        dialogue: a regular expression whose first group, found in a sample's id, names the sample's dialogue; ``None``:
            ids do not tell.
        place: where it is defined.
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
    dialogue: str | None = None
    place: str = field(default="", compare=False)

    def dialogue_of(self, sample_id: str) -> str | None:
        """The dialogue that a sample is part of (so that its answers depend on others'), where its id tells."""
        found = re.search(self.dialogue, sample_id) if self.dialogue else None
        return found[1] if found else None


@dataclass(frozen=True)
class Wrong:
    """What is wrong with one task or, where there is no ``task`` or it is only likely, with a whole file of them."""

    benchmark: str
    task: str | None
    problem: Problem
    whole: bool = False


class Tasks(Mapping[str, Task]):
    """The tasks that can be named where a data folder is used: those of the benchmarks, and its own.

    Without those that `problems` is about, which stop what needs them and nothing else.
    """

    def __init__(self, found: Mapping[str, Task], wrong: Sequence[Wrong], root: Path | None = None):
        self._found, self.wrong, self._root = found, tuple(wrong), root

    def __getitem__(self, name: str) -> Task:
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def problems(self, benchmark: str | None = None) -> list[Problem]:
        """What is wrong with the files of tasks, or with those of one benchmark."""
        return list(dict.fromkeys(wrong.problem for wrong in self.wrong if benchmark in (None, wrong.benchmark)))

    def of(self, benchmark: str) -> dict[str, Task]:
        """The tasks of one benchmark (``mmla``: the 12 of the paper; ``demo``: the generated one), in order.

        Raises:
            InputError: there is no such benchmark, or its file is wrong: a part of it would be taken for all.
        """
        if problems := self.problems(benchmark):
            raise InputError(problems)
        one_of("benchmark", benchmark, dict.fromkeys(task.benchmark for task in self.values()))
        return {name: task for name, task in self.items() if task.benchmark == benchmark}

    def named(self, name: str) -> Task:
        """The task of that name.

        Raises:
            InputError: there is none.
        """
        if name not in self:
            raise InputError(self.unknown(name))
        return self[name]

    def unknown(self, name: str, where: str = "") -> list[Problem]:
        """Why a name is not that of a task: its entry is wrong, or there is none; perhaps as a file cannot be read."""
        if own := [entry.problem for entry in self.wrong if entry.task == name]:
            return [Problem(f"the task `{name}` cannot be used: what defines it is wrong", where), *dict.fromkeys(own)]
        problem = unknown("task", name, self, where)
        hint = "; ".join(filter(None, (problem.hint, self._could_be(name, problem.hint))))
        return [Problem(problem.message, where, hint), *(entry.problem for entry in self.wrong if entry.whole)]

    def _could_be(self, name: str, known: str) -> str:
        """What makes a task of that name in the data folder, where no known one is near."""
        if self._root is None or name_problem(name):
            return ""
        if (folder := self._root / name).is_dir():
            return f"to make a task of {folder}, write its `labels:` and `language:` to {folder / OWN_FILE}"
        if (self._root / OWN_FILE).is_file():
            return f"{self._root} is the folder of one data set: name the one above it as the data folder"
        return f"tasks of your own are looked for in the data folder, {self._root}" if "`" not in known else ""


def tasks(root: Path | None = None) -> Tasks:
    """All tasks by name, each benchmark's in its published order; behind them those that a data folder brings.

    Read again when a file of the folder's was changed.
    """
    if root is None:
        return _shipped()
    files = tuple(_own_files(root))
    return _with_own(root, files)


def benchmark_tasks(benchmark: str, root: Path | None = None) -> dict[str, Task]:
    """See `Tasks.of`."""
    return tasks(root).of(benchmark)


def dataset_of(name: str) -> str:
    """The data set of a benchmark's task; empty for one that a data folder brings: the release has nothing of it."""
    known = tasks()
    return known[name].dataset if name in known else ""


@cache
def _shipped() -> Tasks:
    files = (Path(__file__).parent / "tasks").glob("*.yaml")
    return read_tasks(*sorted(files, key=lambda file: (file.stem != "mmla", file.stem)))


def _own_files(root: Path) -> Iterator[tuple[Path, tuple[int, ...]]]:
    """The files of a data folder's own tasks, each with what tells that it was changed."""
    try:
        names = sorted(os.listdir(root))  # noqa: PTH208 (names)
    except OSError:
        return  # told where its data is looked for
    for name in names:
        file = os.path.join(root, name, OWN_FILE)  # noqa: PTH118 (many, and quickly)
        try:
            status = os.stat(file)  # noqa: PTH116
        except OSError:
            if not os.path.islink(file):  # noqa: PTH114
                continue
            status = os.lstat(file)  # a link to nothing is told
        if not name.startswith("."):
            yield Path(file), (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


@lru_cache(maxsize=64)
def _with_own(root: Path, files: tuple[tuple[Path, tuple[int, ...]], ...]) -> Tasks:
    reading = _Reading(_shipped())
    for file, _ in files:
        reading.add_own(file)
    return Tasks(reading.found, reading.wrong, root)


def read_tasks(*files: Path) -> Tasks:
    """The tasks in some files of benchmarks, whose stems name them."""
    reading = _Reading(Tasks({}, ()))
    for file in files:
        reading.add_benchmark(file)
    return Tasks(reading.found, reading.wrong)


class _Reading:
    """Tasks as they are read, file by file, behind those that are known."""

    def __init__(self, known: Tasks):
        self.found = dict(known)
        self.wrong = list(known.wrong)
        self.names = {name.casefold(): task for name, task in known.items()}

    def add_benchmark(self, file: Path) -> None:
        entries = load_entries(file, Entry, "a file of tasks")
        for name, problems in entries.wrong.items():
            self.wrong += [Wrong(file.stem, name, problem, whole=name is None) for problem in problems]
        for name, entry in entries.found.items():
            self.add(_task(name, name, entry, entry.folders, file.stem, entries.place(name)))

    def add_own(self, file: Path) -> None:
        folder = file.parent.name
        try:
            entry = load(file, OwnTask, "a task file", {"labels": "[humorous, serious]", "language": "en"})
            name = entry.name or folder
            if wrong := name_problem(name):
                raise InputError(wrong[0], str(file), f"{wrong[1]}; add a `name:`, or rename the folder")
        except InputError as error:  # it may give the task another name than the folder's
            self.wrong += [Wrong(OWN, folder, problem, whole=True) for problem in error.problems]
            return
        self.add(_task(name, folder, entry, (folder,), OWN, str(file)))

    def add(self, task: Task) -> None:
        """Add a task; which of two of one name is meant, nobody knows, and no benchmark is whole without it."""
        twin = self.names.setdefault(task.name.casefold(), task)
        if twin is task:
            self.found[task.name] = task
            return
        self.found.pop(twin.name, None)
        also = f"already as `{twin.name}` (letter case is ignored)" if task.name != twin.name else "already"
        problem = Problem(f"the task `{task.name}` is defined {also} at {twin.place}", task.place, "rename one of them")
        self.wrong += [Wrong(one.benchmark, one.name, problem) for one in (twin, task)]


def _task(
    name: str, dataset: str, entry: Described, folders: tuple[str, ...] | None, benchmark: str, place: str
) -> Task:
    dataset = entry.dataset or dataset
    return Task(
        name=name,
        dataset=dataset,
        dimension=entry.dimension,
        word=entry.word or entry.default_word,
        labels=entry.labels,
        language=entry.language,
        sizes=entry.sizes.model_dump(exclude_none=True),
        folders=folders or (dataset,),
        licence=entry.licence,
        benchmark=benchmark,
        video=entry.video,
        dialogue=entry.dialogue,
        place=place,
    )
