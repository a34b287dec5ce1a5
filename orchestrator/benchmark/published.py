"""The published results of the benchmark, ``published.yaml``: what a row of the results is compared with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import Field

from orchestrator.checked_yaml.files import load
from orchestrator.checked_yaml.section import Section

OVERALL = "overall"


@dataclass(frozen=True, slots=True)
class Published:
    """One published accuracy.

    Attributes:
        model: as in the results CSV.
        method: as there (``zero_shot``, ``sft``, ``it``), or the best earlier method for a task (``sota``), or people
            (``human``).
        task: a task's name, or ``overall``: the mean over the 12 test splits weighted by their sizes.
        acc: in percent.
        source: where it was published.
        certainty: how exactly it could be read there.
    """

    model: str
    method: str
    task: str
    acc: float
    source: str
    certainty: str


Accuracies = dict[str, Annotated[float, Field(ge=0, le=100)]]  # by task


class Source(Section):
    """Where values come from."""

    source: str
    certainty: str


class File(Section):
    """What ``published.yaml`` holds.

    Attributes:
        sources: by the names that ``baselines`` uses.
        models: accuracies by model and method.
        baselines: by source, kind of baseline and name.
    """

    sources: dict[str, Source]
    models: dict[str, dict[str, Accuracies]]
    baselines: dict[str, dict[str, dict[str, Accuracies]]]


@cache
def published() -> tuple[Published, ...]:
    """All published accuracies, in the file's order: models with ``overall`` before their tasks, then baselines."""
    file = load(Path(__file__).with_name("published.yaml"), File, "a file of published results")

    def entries(model: str, method: str, values: Accuracies, origin: str) -> Iterator[Published]:
        for task, acc in values.items():
            source = file.sources["leaderboard" if task == OVERALL else origin]
            yield Published(model, method, task, acc, source.source, source.certainty)

    found: list[Published] = []
    for model, methods in file.models.items():
        for method, values in methods.items():
            found += entries(model, method, values, "it_figure" if method == "it" else "sft_figure")
    for origin, kinds in file.baselines.items():
        for kind, names in kinds.items():
            for name, values in names.items():
                found += entries(name, kind, values, origin)
    return tuple(found)


def published_acc(model: str, method: str, task: str = OVERALL) -> Published | None:
    """What is published for a model's name, a method and a task; ``None`` where nothing is."""
    return next((p for p in published() if (p.model, p.method, p.task) == (model, method, task)), None)
