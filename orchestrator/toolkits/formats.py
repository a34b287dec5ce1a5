"""Training files as several toolkits read them."""

from __future__ import annotations

import io
import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any, TextIO


def turns(question: str, answer: str) -> list[dict[str, str]]:
    """A conversation as LLaVA and what came from it write one."""
    return [{"from": "human", "value": question}, {"from": "gpt", "value": answer}]


def media_columns(modality: str) -> tuple[str, ...]:
    """In which columns of a row its clip stands, for a model that is shown its frames, its sound, or both."""
    shown = {"videos": "video" in modality, "audios": "audio" in modality}
    return tuple(column for column, so in shown.items() if so)


def write_list(records: Iterable[Mapping[str, Any]], file: TextIO) -> int:
    """Write records as a JSON list, one a line, one at a time; returns their number."""
    encode = json.JSONEncoder(ensure_ascii=False).encode
    count = 0
    for record in records:
        file.write(("[\n" if count == 0 else ",\n") + encode(record))
        count += 1
    file.write("\n]\n" if count else "[]\n")
    return count


def without_rows(text: str, suffix: str, left_out: Collection[int]) -> str:
    """A training file's text without the rows of these numbers, counted from 0: JSON lines, or one list."""
    if suffix == ".jsonl":
        lines = [line for line in text.split("\n") if line]
        return "".join(f"{line}\n" for at, line in enumerate(lines) if at not in left_out)
    file = io.StringIO()
    write_list((row for at, row in enumerate(json.loads(text)) if at not in left_out), file)
    return file.getvalue()
