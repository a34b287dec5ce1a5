"""Runs inside LLaMA-Factory's environment for test_families.py: one start (15 s of imports) for many families.

``start.py inside_llamafactory.py FOLDER``: for each family in ``FOLDER/families.json`` it makes the model, answers
``FOLDER/NAME.requests.jsonl`` in batches and one by one, and compares with what training would feed the model. What it
finds, or how it failed, goes to ``FOLDER/NAME.report.json``.
"""

from __future__ import annotations

import json
import sys
import traceback
from pathlib import Path
from typing import Any

from tests.toolkits.as_trained import compare
from tests.toolkits.families.build import make
from tests.toolkits.families.inside import answers
from tests.toolkits.inside import module

FOLDER = Path(sys.argv[1])


def report(runner: Any, name: str, family: dict[str, Any]) -> dict[str, Any]:
    """Of one family."""
    make(family, FOLDER / name, FOLDER / "corpus.jsonl")
    config = json.loads((FOLDER / f"{name}.config.json").read_text())
    answerer, together = answers(runner.LlamaFactoryAnswerer, config, 4, FOLDER)
    _, alone = answers(runner.LlamaFactoryAnswerer, config, 1, FOLDER)
    requests = [json.loads(line) for line in (FOLDER / f"{name}.same.jsonl").read_text().splitlines()]
    arguments = json.loads((FOLDER / f"{name}.train.json").read_text())
    measure = module("llamafactory", "lengths").load(config | {"as_trained": shown(arguments)}, training=True)
    rows = json.loads((FOLDER / f"{name}.rows.json").read_text())
    return {
        "together": together,
        "alone": alone,
        "samples": compare(answerer, arguments, requests),
        "measured": [measure(row) for row in rows],
    }


def shown(arguments: dict[str, Any]) -> dict[str, Any]:
    """How videos are shown."""
    return {name: value for name, value in arguments.items() if name.startswith("video_")}


def main() -> None:
    runner = module("llamafactory", "infer")
    for name, family in json.loads((FOLDER / "families.json").read_text()).items():
        try:
            found = report(runner, name, family)
        except BaseException:
            found = {"failed": traceback.format_exc()}
        (FOLDER / f"{name}.report.json").write_text(json.dumps(found))
