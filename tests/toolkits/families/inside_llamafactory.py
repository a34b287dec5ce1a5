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

from orchestrator.inside import loop
from tests.toolkits.as_trained import compare
from tests.toolkits.families.build import make
from tests.toolkits.inside import module

FOLDER = Path(sys.argv[1])


def answers(runner: Any, config: dict[str, Any], size: int) -> tuple[Any, dict[str, Any]]:
    """The loaded model, and what it answers in batches of some size."""
    made: list[Any] = []
    path = FOLDER / f"{Path(config['model']).name}.{size}.jsonl"

    def load() -> Any:
        made.append(runner.LlamaFactoryAnswerer(config))
        return made[0]

    loop.run(config | {"batch_size": size, "predictions": str(path)}, load)
    said = [json.loads(line) for line in path.read_text().splitlines()]
    return made[0], {one["id"]: one.get("text", one.get("error")) for one in said}


def report(runner: Any, name: str, family: dict[str, Any]) -> dict[str, Any]:
    """Of one family."""
    make(family, FOLDER / name, FOLDER / "corpus.jsonl")
    config = json.loads((FOLDER / f"{name}.config.json").read_text())
    answerer, together = answers(runner, config, 4)
    _, alone = answers(runner, config, 1)
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
