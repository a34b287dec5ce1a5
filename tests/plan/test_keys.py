"""A stage's key decides what is done again: moving code must not change one.

``keys.txt`` holds the keys of every shipped recipe over a small data set. A change that means to alter them says so in
its commit and writes the list again: ``python -m tests.plan.test_keys``.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from orchestrator.benchmark.task import SPLITS, tasks
from orchestrator.plan.make import make_plan
from orchestrator.recipe.load import load_recipe
from tests.recipes import write_rows
from tests.shared import RECIPES

HERE = Path(__file__).resolve().parent


def write_small(root: Path) -> None:
    """Two rows of each label for every split of every task; the clips that they name are not there."""
    for task in tasks().values():
        for split in SPLITS:
            names = [(f"{split}_{number}", label) for number, label in enumerate(task.labels * 2)]
            rows = [(name, f"{name}.mp4", f"I say {name}.", label) for name, label in names]
            write_rows(root / task.folders[0] / f"{split}.tsv", rows)


def lines(folder: Path) -> Iterator[str]:
    """One line a job: recipe, job, and the key of each of its stages."""
    write_small(folder / "data")
    seen: dict[str, str | None] = {}
    for file in sorted(RECIPES.glob("*.yaml")):
        recipe = load_recipe(file, [f"data.root={folder / 'data'}"])
        for job in make_plan(recipe, folder / "runs", merge=recipe.train is not None, seen=seen).jobs:
            yield " ".join([recipe.name, job.name, *(f"{stage.kind}={stage.key}" for stage in job.stages)])


def test_keys_are_those_of_before(tmp_path: Path) -> None:
    found, kept = list(lines(tmp_path)), (HERE / "keys.txt").read_text().splitlines()
    assert len({line.split()[0] for line in kept}) == len(list(RECIPES.glob("*.yaml"))) == 53
    assert found == kept


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        (HERE / "keys.txt").write_text("".join(f"{line}\n" for line in lines(Path(temporary))))
    print(f"written: {HERE / 'keys.txt'}", file=sys.stderr)
