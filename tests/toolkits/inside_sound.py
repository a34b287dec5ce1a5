"""Runs inside LLaMA-Factory's or ms-swift's environment for test_sound.py: ``start.py inside_sound.py FOLDER TOOLKIT``.

Makes the tiny models that hear, answers the requests of each case in ``FOLDER/cases.json`` in batches and one by one,
and compares what the runner makes of them with what training makes of the converted rows, which are the same samples.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

from orchestrator.inside import loop
from tests.toolkits import tiny_hearing
from tests.toolkits.inside import module

FOLDER, TOOLKIT = Path(sys.argv[1]).resolve(), sys.argv[2]


def answers(make: Any, config: dict[str, Any], size: int) -> tuple[Any, dict[str, Any]]:
    """The loaded model, and what it answers in batches of some size."""
    made: list[Any] = []

    def load() -> Any:
        made.append(make(config))
        return made[0]

    loop.run(config | {"batch_size": size, "predictions": f"{size}.jsonl"}, load)
    said = [json.loads(line) for line in Path(f"{size}.jsonl").read_text().splitlines()]
    return made[0], {one["id"]: one.get("text", one.get("error")) for one in said}


def compared(answerer: Any, arguments: dict[str, Any], requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if TOOLKIT == "llamafactory":
        from tests.toolkits.as_trained import compare

        return compare(answerer, arguments, requests)
    from swift.dataset import load_dataset

    from tests.toolkits.families.inside_swift import beside

    rows, _ = load_dataset(["train.jsonl"], strict=True)
    return [beside(answerer, row, request) for row, request in zip(rows, requests, strict=True)]


def report(name: str, case: dict[str, Any]) -> dict[str, Any]:
    os.chdir(FOLDER / name)
    make = getattr(
        module(TOOLKIT, "infer"), {"llamafactory": "LlamaFactoryAnswerer", "swift": "SwiftAnswerer"}[TOOLKIT]
    )
    answerer, together = answers(make, case["config"], 4)
    _, alone = answers(make, case["config"], 1)
    requests = [json.loads(line) for line in Path("requests.jsonl").read_text().splitlines()]
    lengths = module(TOOLKIT, "lengths")
    measure = lengths.load(case["measuring"], training=True)
    rows = lengths.lengths.rows_of(str(next(Path().glob("train.json*"))))
    return {
        "together": together,
        "alone": alone,
        "samples": compared(answerer, case["arguments"], requests),
        "measured": [measure(row) for row in rows],
    }


def main() -> None:
    tiny_hearing.make(FOLDER, FOLDER / "corpus.jsonl")
    if TOOLKIT == "llamafactory":
        module("llamafactory", "audio").install()  # as train_audio.py
    for name, case in json.loads((FOLDER / "cases.json").read_text()).items():
        try:
            found = report(name, case)
        except BaseException:
            found = {"failed": traceback.format_exc()}
        (FOLDER / f"{name}.report.json").write_text(json.dumps(found))
