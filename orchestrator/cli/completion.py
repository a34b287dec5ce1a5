"""What a shell completes beside options and files: names of tasks, toolkits and runs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


def task_names(incomplete: str) -> list[str]:
    """Tasks of the benchmark and of the data folder that recipes use unless they name another."""
    from orchestrator.benchmark.task import tasks
    from orchestrator.recipe.sections import Data

    return _beginning(tasks(Path(Data().root)), incomplete)


def toolkits(incomplete: str) -> list[str]:
    """Toolkits, as `env list` names them."""
    from orchestrator.environments.places import toolkit_names

    return _beginning(toolkit_names(), incomplete)


def runs(incomplete: str) -> list[str]:
    """Runs in the usual folder."""
    from orchestrator.cli.run_folders import run_folders
    from orchestrator.run import RUNS

    return _beginning(run_folders(RUNS), incomplete)


def _beginning(names: Iterable[str], start: str) -> list[str]:
    return [name for name in names if name.startswith(start)]
