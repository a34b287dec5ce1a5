"""What is drawn: bars of each task, and the radar over dimensions. Numbers in, places on the drawing out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.benchmark.task import Task
from orchestrator.errors import visible
from orchestrator.scores.page.boards import ZERO_SHOT
from orchestrator.scores.page.entries import MMLA, RUN, Entry, baselines, weighted

SIDE, RADIUS = 400, 150  # of the radar's drawing, in units of the drawing
SHOWN = 6  # so many entries of the radar are drawn at first: as many as can be told apart
RINGS = (20, 40, 60, 80, 100)


@dataclass(frozen=True)
class Bar:
    """The bars of one model in the chart of a task; accuracies in percent, ``None``: there is none.

    Attributes:
        label: the model; where it has several runs with one method, the runs.
        key: what selects it in the page: the model.
        origin: whose values are drawn as bars.
        zero_shot, sft, it: the accuracies.
        marks: the published values beside bars of runs: method and accuracy.
    """

    label: str
    key: str
    origin: str
    zero_shot: float | None
    sft: float | None
    it: float | None
    marks: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Panel:
    """The chart of one task: its bars, and its reference lines (kind, name and accuracy in percent)."""

    task: str
    about: str
    bars: tuple[Bar, ...]
    lines: tuple[tuple[str, str, float], ...]


def panels(entries: Sequence[Entry], tasks: Iterable[Task], majority: Mapping[str, float]) -> list[Panel]:
    """The chart of each task that any run, or published value, is about.

    Args:
        entries: runs and published values.
        tasks: the tasks, in order.
        majority: by task, how often the most frequent label is right, in percent, where it is known.
    """
    found = []
    for task in tasks:
        bars = tuple(bar for model in _models(entries) for bar in _bars(model, entries, task.name))
        if not bars:
            continue
        lines = [("majority", "most frequent label", majority[task.name])] if task.name in majority else []
        lines += baselines(task.name) if task.benchmark == MMLA else []
        size = task.sizes.get("test")
        about = f"{_spoken(task.dimension)}, {len(task.labels)} label{'' if len(task.labels) == 1 else 's'}"
        found.append(Panel(task.name, f"{about}, n\u00a0=\u00a0{size:,}" if size else about, bars, tuple(lines)))
    return found


def _spoken(dimension: str) -> str:
    return visible(dimension.replace("_", " "))


def _models(entries: Sequence[Entry]) -> list[str]:
    """The models, those of runs first, each group from the highest accuracy down."""
    best: dict[str, tuple[bool, float]] = {}
    for entry in entries:
        ours, value = entry.origin == RUN, entry.overall or 0.0
        before = best.get(entry.model, (False, 0.0))
        best[entry.model] = (ours or before[0], max(before[1], value))
    return sorted(best, key=lambda model: (not best[model][0], -best[model][1], model))


def _bars(model: str, entries: Sequence[Entry], task: str) -> list[Bar]:
    """The bars of a model: a row for each of its runs that share a method, with the zero-shot run inside."""
    here = [entry for entry in entries if entry.model == model and task in entry.acc]
    runs = [entry for entry in here if entry.origin == RUN]
    known = {entry.method: entry.acc[task] for entry in here if entry.origin != RUN}
    if not runs:
        return [_bar(model, model, "published", known, ())] if known else []
    by_method: dict[str, list[Entry]] = {}
    for entry in runs:
        by_method.setdefault(entry.method, []).append(entry)
    marks = tuple((method, acc) for method, acc in known.items())
    rows = max(map(len, by_method.values()))
    bars = []
    for place in range(rows):
        some = {method: group[place] for method, group in by_method.items() if place < len(group)}
        values = {method: entry.acc[task] for method, entry in some.items()}
        if ZERO_SHOT in by_method:
            values.setdefault(ZERO_SHOT, by_method[ZERO_SHOT][0].acc[task])
        label = model if rows == 1 else ", ".join(entry.name for entry in some.values())
        bars.append(_bar(label, model, RUN, values, marks))
    return bars


def _bar(
    label: str, model: str, origin: str, acc: Mapping[str, float], marks: tuple[tuple[str, float], ...]
) -> Bar:  # fmt: skip
    return Bar(label, model, origin, acc.get(ZERO_SHOT), acc.get("sft"), acc.get("it"), marks)


@dataclass(frozen=True)
class Axis:
    """One dimension of the radar: its name, where its axis ends and its name stands, and how that is anchored."""

    name: str
    end: tuple[float, float]
    text: tuple[float, float]
    anchor: str


@dataclass(frozen=True)
class Shape:
    """One entry of the radar: its values by dimension in percent, and the corners of its shape as SVG spells them."""

    entry: Entry
    values: Mapping[str, float]
    points: str
    shown: bool


@dataclass(frozen=True)
class Radar:
    """The radar: axes, rings (percent and corners), shapes."""

    axes: tuple[Axis, ...]
    rings: tuple[tuple[int, str], ...]
    shapes: tuple[Shape, ...]


def radar(entries: Sequence[Entry], tasks: Iterable[Task]) -> Radar | None:
    """The radar over dimensions, each the mean of its tasks weighted as the leaderboard weights them.

    An entry is in it that has every task of it; ``None``: fewer than three dimensions, or no entry.
    """
    tasks = list(tasks)
    names = list(dict.fromkeys(task.dimension for task in tasks))
    sizes: dict[str, float] = {task.name: float(task.sizes.get("test", 0)) for task in tasks}
    found = []
    for entry in entries:
        if all(task.name in entry.acc for task in tasks):
            of = {name: [task.name for task in tasks if task.dimension == name] for name in names}
            values = {name: weighted({task: entry.acc[task] for task in of[name]}, sizes) or 0.0 for name in names}
            found.append((entry, values))
    if len(names) < 3 or not found:
        return None
    found.sort(key=lambda one: (one[0].origin != RUN, -(one[0].overall or 0)))
    angles = [2 * math.pi * place / len(names) - math.pi / 2 for place in range(len(names))]
    axes = tuple(_axis(_spoken(name), angle) for name, angle in zip(names, angles, strict=True))
    rings = tuple((ring, _points([ring] * len(names), angles)) for ring in RINGS)
    shapes = tuple(
        Shape(entry, values, _points(list(values.values()), angles), place < SHOWN)
        for place, (entry, values) in enumerate(found)
    )
    return Radar(axes, rings, shapes)


def _at(angle: float, radius: float) -> tuple[float, float]:
    return round(SIDE / 2 + radius * math.cos(angle), 1), round(SIDE / 2 + radius * math.sin(angle), 1)


def _axis(name: str, angle: float) -> Axis:
    side = math.cos(angle)
    anchor = "middle" if abs(side) < 0.1 else "start" if side > 0 else "end"
    return Axis(name, _at(angle, RADIUS), _at(angle, RADIUS + 16), anchor)


def _points(values: Sequence[float], angles: Sequence[float]) -> str:
    places = (_at(angle, RADIUS * value / 100) for value, angle in zip(values, angles, strict=True))
    return " ".join(f"{x:g},{y:g}" for x, y in places)
