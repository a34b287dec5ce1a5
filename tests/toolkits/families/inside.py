"""What the programs of both toolkits do alike."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from orchestrator.inside import loop


def answers(load: Callable[[Any], Any], config: dict[str, Any], size: int, folder: Path) -> tuple[Any, dict[str, Any]]:
    """The loaded model, and what it answers in batches of some size."""
    made: list[Any] = []
    path = folder / f"{Path(config['model']).name}.{size}.jsonl"

    def loaded() -> Any:
        made.append(load(config))
        return made[0]

    loop.run(config | {"batch_size": size, "predictions": str(path)}, loaded)
    said = [json.loads(line) for line in path.read_text().splitlines()]
    return made[0], {one["id"]: one.get("text", one.get("error")) for one in said}
