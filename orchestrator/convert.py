"""``convert``: one split of one task in one toolkit's training format."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import cast

from orchestrator import prompts, toolkits
from orchestrator.benchmark import Task, tasks
from orchestrator.data import read_split
from orchestrator.errors import InputError, Problem, did_you_mean
from orchestrator.recipe import Data
from orchestrator.toolkits.base import Example


def task_named(name: str) -> Task:
    """The task of that name.

    Raises:
        InputError: there is none.
    """
    known = tasks()
    if name not in known:
        raise InputError(
            Problem(f"unknown task `{name}`", hint=did_you_mean(name, known) or f"known: {', '.join(known)}")
        )
    return known[name]


def one_of(what: str, value: str, known: tuple[str, ...]) -> str:
    """The value, if it is a known one.

    Raises:
        InputError: it is not.
    """
    if value not in known:
        raise InputError(
            Problem(f"unknown {what} `{value}`", hint=did_you_mean(value, known) or f"known: {', '.join(known)}")
        )
    return value


def convert_split(
    task_name: str,
    split: str,
    toolkit_name: str,
    modality: str,
    data_root: Path | None,
    video_root: str | None,
    template: str | None,
    limit: int | None,
    out: str,
) -> None:
    """Write a split in a toolkit's format to a file, or to standard output for ``-``.

    Raises:
        InputError: a name is unknown, the data or the template is wrong.
    """
    task = task_named(task_name)
    toolkit = toolkits.get(toolkit_name)
    one_of("split", split, ("train", "dev", "test"))
    one_of("modality", modality, ("text", "video"))
    defaults = Data()
    root = data_root or Path(defaults.root)
    samples = read_split(task, split, root, video_root or defaults.video_root, limit=limit)
    prompt = prompts.load(template or f"mmla/{modality}.j2")
    examples = (
        Example(sample, prompt.render(task, text=sample.text), prompt.answer(task, sample.label)) for sample in samples
    )
    if out == "-":
        toolkit.write_examples(examples, sys.stdout, modality)
        return
    path = Path(out)
    # written beside and renamed: a file that exists is a file that is complete
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            rows = toolkit.write_examples(examples, file, modality)
        temporary.replace(path)
    except OSError as error:
        raise InputError(Problem(cast("str", error.strerror), str(path), "give another file with --out")) from None
    finally:
        temporary.unlink(missing_ok=True)
    print(f"{rows:,} rows: {path}", file=sys.stderr)
