"""How many tokens samples are, as a toolkit trains them: ``start.py lengths.py config.json``, without a model or a GPU.

A toolkit's program gives `main` a function that makes, from the configuration, the one that measures a row of a
converted file. ``config["files"]`` names the files, and whether each is shown as in training; ``config["out"]`` gets,
for each file, a number for each row in its order, or null where its clip cannot be read.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Optional

Row = dict[str, Any]
Measure = Callable[[Row], int]
MANY = 400  # rows, from here on in several processes
MOST_PROCESSES = 16
CHUNK = 50

_measure: Optional[Measure] = None  # of the processes that share the rows


def rows_of(path: str) -> list[Row]:
    """The rows of a converted file: JSON lines, or one list."""
    text = Path(path).read_text(encoding="utf-8")
    if path.endswith(".jsonl"):
        return [json.loads(line) for line in text.split("\n") if line]
    rows = json.loads(text)
    return rows if isinstance(rows, list) else []


def clip_of(row: Row) -> Any:
    """The clip, or the clips, that a row names; nothing where it is text alone."""
    return row.get("video") or row.get("videos") or row.get("audios")


def one(row: Row) -> Optional[int]:
    """The length of a row; ``None`` where its clip cannot be read, which is for the training to say."""
    assert _measure is not None
    try:
        return int(_measure(row))
    except Exception as error:
        if not clip_of(row):
            raise
        print(f"{clip_of(row)} cannot be measured: {error}", flush=True)
        return None


def lengths(rows: list[Row], measure: Measure) -> Iterator[Optional[int]]:
    """The length of each row, in order."""
    global _measure
    _measure = measure
    count = min(len(os.sched_getaffinity(0)), MOST_PROCESSES)
    if len(rows) < MANY or count < 2:
        yield from map(one, rows)
        return
    with multiprocessing.get_context("fork").Pool(count) as pool:
        yield from pool.imap(one, rows, CHUNK)


def main(load: Callable[[dict[str, Any], bool], Measure]) -> None:
    """Measure the files of the configuration on the command line; ``load`` is told whether as in training."""
    config = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    loaded: dict[bool, Measure] = {}
    found = {}
    for name, file in config["files"].items():
        training = bool(file["training"])
        if training not in loaded:
            loaded[training] = load(config, training)
        rows = rows_of(file["path"])
        found[name] = list(lengths(rows, loaded[training]))
        print(f"measured {name}: {len(rows)} samples", flush=True)
    out = Path(config["out"])
    partial = out.with_name(f".{out.name}.tmp")
    partial.write_text(json.dumps(found), encoding="utf-8")
    partial.replace(out)
