"""The answers behind a results CSV, ``<recipe>.answers.jsonl.gz`` beside it: one JSON object a line and sample.

It holds the true labels of data sets that have licences of their own, and no utterances.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import TypedDict

from orchestrator.errors import InputError, Problem
from orchestrator.machine.files import atomic_write

SUFFIX = ".answers.jsonl.gz"
LEVEL = 6  # of compression, as the program gzip has it


class _Given(TypedDict):
    """What every row has.

    Attributes:
        recipe: the name of the run's recipe.
        task: the name of the task.
        id: of the sample.
        label: the true one.
        answer: the model's text; ``None`` where it gave none.
        parsed: the label in it; ``None`` where there is none, or several.
        outcome: see `answers.Answer`.
        error: why there is no answer; else ``None``.
    """

    recipe: str
    task: str
    id: str
    label: str
    answer: str | None
    parsed: str | None
    outcome: str
    error: str | None


class AnswerRow(_Given, total=False):
    """A sample's answer.

    Attributes:
        logprobs: by label, what labels were compared by: where answers are the most probable one
            (`inference.answers: labels`) the log-probability of each, or its mean over tokens.
    """

    logprobs: dict[str, float]


FIELDS = tuple(_Given.__annotations__)


def answers_path(results: Path) -> Path:
    """Where the answers behind a results CSV lie: beside it, under its name."""
    return results.with_name(f"{results.name.removesuffix('.csv')}{SUFFIX}")


def packed(rows: Iterable[AnswerRow]) -> bytes:
    """Rows as a part of the file: equal rows make equal bytes, and parts behind one another are a file, too."""
    encode = json.JSONEncoder(ensure_ascii=False).encode
    text = "".join(f"{encode(row)}\n" for row in rows)
    # half a surrogate pair becomes the escape that JSON has for it
    return gzip.compress(text.encode("utf-8", "backslashreplace"), LEVEL, mtime=0)


def write_answers(path: Path, rows: Iterable[AnswerRow]) -> None:
    """Write the file, atomically.

    Raises:
        OSError: the disk refuses it; what was there stands.
    """
    atomic_write(path, packed(rows))


def read_answers(path: Path) -> list[AnswerRow]:
    """The rows of the file, in its order.

    Raises:
        InputError: there is none, it is no such file, or it is damaged: the first line that is.
    """
    try:
        content = path.read_bytes()
        if not content:  # which would pass for no rows
            raise EOFError("it is empty")
        lines = gzip.decompress(content).split(b"\n")
    except (OSError, EOFError, zlib.error) as error:
        hint = "run the recipe again: it writes the answers once more" if path.exists() else ""
        what = getattr(error, "strerror", None) or error
        raise InputError(f"the answers cannot be read: {what}", str(path), hint) from None
    rows: list[AnswerRow] = []
    wanted = set(FIELDS)
    for number, line in enumerate(lines, start=1):
        if not line and number == len(lines):
            break
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict) or not row.keys() >= wanted:
            message = f"not a sample's answer: a JSON object with {', '.join(FIELDS)}"
            hint = "run the recipe again: it writes the answers once more"
            raise InputError(Problem(message, f"{path}:{number}", hint))
        rows.append(row)  # type: ignore[arg-type]
    return rows
