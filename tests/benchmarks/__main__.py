"""The speed table of this project: ``make bench``. Prints it; the last one is kept in README.md beside this file.

Whole commands are timed from outside, several times, and the median is given. Nothing here is a test: machines
differ, and a slow one is no defect.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.shared import MMLA, RECIPES, ROOT

TEXTS = MMLA / "text"
RUNS = 7


def command(*arguments: str, expect: int = 0) -> float:
    """Seconds of one ``python -m orchestrator ...``."""
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", "orchestrator", *arguments], cwd=ROOT, capture_output=True, text=True)
    seconds = time.perf_counter() - start
    if done.returncode != expect:
        sys.exit(f"{arguments} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return seconds


def median(*arguments: str) -> float:
    """Median of several runs after one that is not counted."""
    command(*arguments)
    return statistics.median(command(*arguments) for _ in range(RUNS))


def per_stage(folder: Path, count: int = 20) -> float:
    """Seconds that a stage costs beyond its process, for a process that ends at once."""
    from orchestrator.cli.plain import View
    from orchestrator.launch.local import Launcher
    from orchestrator.plan.make import make_plan
    from orchestrator.plan.outputs import Outputs, SelectOutputs
    from orchestrator.plan.plan import Stage
    from orchestrator.recipe.load import load_recipe
    from orchestrator.run import schedule
    from orchestrator.run.stages.context import Context
    from orchestrator.toolkits.base import Command

    plan = make_plan(load_recipe(RECIPES / "demo.yaml"), folder)
    job = plan.jobs[0]

    def work(context: Context, stage: Stage) -> Outputs:
        context.launch(context.plan.engine, [Command(("true",))], stage.folder, lambda: None)
        return SelectOutputs(strategy="none", checkpoint="none", step=0, path="")

    before, schedule.WORK = schedule.WORK, {"select": work}
    quiet = View()
    quiet.line = lambda text: None  # type: ignore[method-assign]
    try:
        with Launcher() as launcher:
            context = Context(plan, job, launcher, "cpu", lambda progress: None)
            start = time.perf_counter()
            for number in range(count):
                schedule._run_stage(context, Stage("select", "x", folder / str(number), "", {}), quiet)
            total = time.perf_counter() - start
    finally:
        schedule.WORK = before
    start = time.perf_counter()
    for _ in range(count):
        subprocess.run(["true"], check=True)
    return (total - (time.perf_counter() - start)) / count


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    from tests.benchmarks import bench_compare, bench_convert, bench_report, bench_score

    rows: list[tuple[str, str, str]] = []
    rows.append(("`python -m orchestrator --help`", "0.15 s", f"{median('--help'):.3f} s"))
    recipes = sorted(str(path.relative_to(ROOT)) for path in RECIPES.glob("*.yaml"))
    planned = json.loads(
        subprocess.run(
            [sys.executable, "-m", "orchestrator", "plan", "--json", *recipes],
            cwd=ROOT,
            capture_output=True,
            check=True,
        ).stdout
    )
    jobs = sum(len(plan["jobs"]) for plan in planned)
    seconds = median("plan", *recipes)
    rows.append((f"`plan` of every recipe ({len(recipes)} recipes, {jobs} jobs)", "1 s", f"{seconds:.3f} s"))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        rows.append(("the orchestrator's own cost per stage", "50 ms", f"{1000 * per_stage(folder):.0f} ms"))
        if TEXTS.is_dir() and "--no-toolkit" not in arguments:
            run = ("run", "recipes/tiny_qwen2_zero_shot.yaml", "--set", f"data.root={TEXTS}",
                   "--runs-dir", f"{folder}/runs", "--results-dir", f"{folder}/results")  # fmt: skip
            first = command(*run)
            rows.append(("all 12 zero-shot tests of tiny_qwen2, 15,710 requests, one load", "-", f"{first:.0f} s"))
            rows.append(("the same run again, all stages done", "0.4 s", f"{median(*run):.3f} s"))
    rows += bench_convert.rows(TEXTS)
    rows += bench_score.rows()
    rows += bench_compare.rows()
    rows += bench_report.rows()
    print(f"\n{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, median of {RUNS}\n")
    print("| what | bar | measured |\n|---|---|---|")
    for row in rows:
        print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main(sys.argv[1:])
