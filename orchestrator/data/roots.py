"""Where a split's file is and, where there is none, why: one answer for a root, not one for each split."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from orchestrator.benchmark.task import SPLITS, Task
from orchestrator.data.forms import find_other
from orchestrator.errors import Problem, did_you_mean, listed

MOST_FOLDERS = 50  # looked into for data that lies deeper
MOST_NAMES = 8  # shown of a folder's content


def find_split(task: Task, split: str, root: Path) -> tuple[Path, str] | None:
    """A split's file and the name of its data set's folder."""
    for folder in task.folders:
        file = root / folder / f"{split}.tsv"
        if file.is_file():
            return file, folder
    return find_other(task, split, root)


def has_data(task: Task, root: Path) -> bool:
    """Whether any split of a task is there."""
    return any(find_split(task, split, root) for split in SPLITS)


def no_data(tasks: Sequence[Task], root: Path) -> Problem | None:
    """Why a root holds no split of some of the tasks, told once for all of them; ``None`` where each has one."""
    lacking = [task for task in tasks if not has_data(task, root)]
    if not lacking:
        return None
    where, hint = str(root), f"{_source(lacking, root)}name its folder: --set data.root=DIR (data check and convert: " \
        f"--data-root DIR){_variable(root)}"  # fmt: skip
    try:
        names = sorted(name for name in os.listdir(root) if name[0] != ".")  # noqa: PTH208 (names)
    except OSError as error:
        reason = "does not exist" if isinstance(error, FileNotFoundError) else f"cannot be read: {error.strerror}"
        here = "" if root.is_absolute() else f" (looked for from {Path.cwd()})"
        return Problem(f"the data folder {reason}{here}", where, hint)
    if elsewhere := _elsewhere(tasks, root, names):
        return Problem(f"no data for {_listed(lacking, everything=True)} in it, but in {elsewhere}", where,
                       f"name that folder: --set data.root={elsewhere}{_variable(root)}")  # fmt: skip
    content = f"it holds {_shown(names)}" if names else "it is empty"
    if len(lacking) == len(tasks):
        return Problem(f"no data for {_listed(lacking, everything=True)} in the data folder: {content}", where, hint)
    causes = "; ".join(filter(None, (_cause(task, root, names) for task in lacking)))
    others = ", ".join(task.name for task in tasks if task not in lacking)
    return Problem(f"no data for {_listed(lacking)}, only for {others}", where, f"{causes}; {hint}" if causes else hint)


def _variable(root: Path) -> str:
    """What the environment's variable would do: nothing where it is set and another folder was named."""
    given = os.environ.get("MMLA_DATA_ROOT")
    if given and Path(given).expanduser() != root:
        return f"; it counts before the variable MMLA_DATA_ROOT, which is {given}"
    return ", or the variable MMLA_DATA_ROOT"


def missing(task: Task, split: str, root: Path) -> Problem:
    """Why there is no file of a split, as precisely as the folders allow."""
    if whole := no_data([task], root):
        return whole
    there = [str(found[0].relative_to(root)) for other in SPLITS if (found := find_split(task, other, root))]
    looked = ", ".join(f"{folder}/{split}.tsv" for folder in task.folders)
    message = f"no {split} data for {task.name}: looked for {looked} (or .json, .jsonl); there: {', '.join(there)}"
    hint = "add the file" + (", or get it with `data download`" if task.benchmark == "mmla" else "")
    return Problem(message, str(root), hint)


def _source(lacking: Sequence[Task], root: Path) -> str:
    """How to come by the data of some tasks, where this program can tell."""
    kinds = {task.benchmark for task in lacking}
    if "mmla" in kinds:
        return f"get it with `python -m orchestrator data download --out {root}`, or "
    return f"write it with `python -m orchestrator.data.demo {root}`, or " if kinds == {"demo"} else ""


def _elsewhere(tasks: Sequence[Task], root: Path, names: Sequence[str]) -> Path | None:
    """The folder nearby that does hold data of the tasks, where the root holds none: one or two deeper, or above."""
    if any(has_data(task, root) for task in tasks):
        return None
    below = [root / name for name in names if (root / name).is_dir()]
    inside = (folder / name for folder in below for name in _names(folder))
    deeper = islice((path for path in inside if path.is_dir()), MOST_FOLDERS)
    places = [*below[:MOST_FOLDERS], *deeper, *([root.absolute().parent] if root.name else [])]
    counts = {place: sum(has_data(task, place) for task in tasks) for place in places}
    best = max(counts, key=lambda place: counts[place], default=None)
    return best if best and counts[best] else None


def _names(folder: Path) -> list[str]:
    """What a folder holds; nothing where it may not be read."""
    try:
        return sorted(os.listdir(folder))  # noqa: PTH208 (names)
    except OSError:
        return []


def _cause(task: Task, root: Path, names: Sequence[str]) -> str:
    """What of a root looks like a task's folder, and why it is none."""
    folded = {folder.casefold() for folder in task.folders}
    if folder := next((name for name in names if name.casefold() in folded and (root / name).is_dir()), ""):
        there = _shown(_names(root / folder))
        return f"{folder} {f'holds {there}' if there else 'is empty'}: no train.tsv, dev.tsv or test.tsv in it"
    near = did_you_mean(task.folders[-1], names)
    return f"its folder must be called {' or '.join(task.folders)}: {near}" if near else ""


def _shown(names: Sequence[str]) -> str:
    return listed(names, MOST_NAMES)


def _listed(tasks: Sequence[Task], *, everything: bool = False) -> str:
    """The tasks, a few with the other names that their folders may have."""
    if len(tasks) > MOST_NAMES:
        return f"any of {len(tasks)} tasks" if everything else _shown([task.name for task in tasks])
    others = ((task.name, [folder for folder in task.folders if folder != task.name]) for task in tasks)
    return ", ".join(f"{name} (or {', '.join(more)})" if more else name for name, more in others)
