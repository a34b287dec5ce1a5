"""Training files as several toolkits read them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, TextIO


def turns(question: str, answer: str) -> list[dict[str, str]]:
    """A conversation as LLaVA and what came from it write one."""
    return [{"from": "human", "value": question}, {"from": "gpt", "value": answer}]


def write_list(records: Iterable[Mapping[str, Any]], file: TextIO) -> int:
    """Write records as a JSON list, one a line, one at a time; returns their number."""
    encode = json.JSONEncoder(ensure_ascii=False).encode
    count = 0
    for record in records:
        file.write(("[\n" if count == 0 else ",\n") + encode(record))
        count += 1
    file.write("\n]\n" if count else "[]\n")
    return count
