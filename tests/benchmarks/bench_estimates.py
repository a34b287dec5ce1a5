"""Estimates against what was measured: ``python -m tests.benchmarks.bench_estimates EARLIER RUNS RECIPE...``.

EARLIER: a runs folder with short runs, e.g. ``run RECIPE --limit 200 --runs-dir EARLIER``; RUNS: one in which the same
recipes were run as they are. Prints a table of stages; `MMLA_DATA_ROOT` says where the data lies.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from orchestrator.plan.estimate import expected
from orchestrator.plan.known import Known
from orchestrator.plan.make import make_plan
from orchestrator.plan.record import read
from orchestrator.recipe.load import load_recipe


def size_of(folder: Path) -> int:
    """Bytes of all files in a folder."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())


def rows(earlier: Path, runs: Path, recipe: Path) -> Iterator[tuple[str, float | None, float, int | None, int]]:
    """By stage that is done: seconds as estimated and as they were, bytes likewise."""
    known = Known.read(earlier)
    plan, done = (make_plan(load_recipe(recipe), folder) for folder in (earlier, runs))
    for job, other in zip(plan.jobs, done.jobs, strict=True):
        for stage, real in zip(job.stages, other.stages, strict=True):
            record = read(real.folder)
            if record and record.state == "done":
                found = expected(plan, job, stage, known)
                yield (
                    f"{plan.recipe.name} {stage.name}",
                    found.seconds,
                    record.seconds,
                    found.disk_bytes,
                    size_of(real.folder),
                )


def main(earlier: str, runs: str, *recipes: str) -> None:
    """Print the table."""
    print("| stage | estimated | measured | estimated | measured |\n|---|---|---|---|---|")
    for recipe in recipes:
        for stage, *(likely, took, size, real) in rows(Path(earlier), Path(runs), Path(recipe)):
            if took >= 1:
                sizes = [f"{value / 1e6:.1f} MB" if value is not None else "-" for value in (size, real)]
                seconds = [f"{value:.0f} s" if value is not None else "-" for value in (likely, took)]
                print(f"| {stage} | {' | '.join([*seconds, *sizes])} |")


if __name__ == "__main__":
    main(*sys.argv[1:])
