"""What the page and the figures are made of: runs by benchmark, each with its leaderboards, charts and comparisons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from orchestrator.benchmark.task import OWN, Task, Tasks
from orchestrator.data.leaks import Leak
from orchestrator.scores.compare.entry import Options as Compared
from orchestrator.scores.compare.runs import Run
from orchestrator.scores.page import facts
from orchestrator.scores.page.boards import Board, boards
from orchestrator.scores.page.charts import Panel, Radar, panels, radar
from orchestrator.scores.page.comparisons import Forest, forest
from orchestrator.scores.page.curves import Curve, Training, curve
from orchestrator.scores.page.entries import MMLA, Entry, published_entries, run_entry
from orchestrator.scores.page.samples import SampleSet, Utterance, sample_sets

BENCHMARKS = {MMLA: "MMLA", OWN: "Tasks of one's own"}


@dataclass(frozen=True)
class Part:
    """What the page shows of one benchmark.

    Attributes:
        key: names it in the page.
        title: of the benchmark.
        tasks: those that a run, or a published value, is about.
        entries: its runs, and what is published.
        runs: their positions among all runs.
    """

    key: str
    title: str
    tasks: tuple[Task, ...]
    entries: tuple[Entry, ...]
    runs: tuple[int, ...]
    boards: Sequence[Board]
    panels: Sequence[Panel]
    radar: Radar | None
    differing: Mapping[str, Sequence[str]]
    forest: Forest | None

    @property
    def references(self) -> set[str]:
        """The kinds of reference lines in its charts."""
        return {kind for panel in self.panels for kind, _, _ in panel.lines}


@dataclass(frozen=True)
class Options:
    """What the reader of the page is given besides the results.

    Attributes:
        title: of the page.
        published: whether published values are shown; ``None``: where a run is of that benchmark.
        shown: by task and id, the utterances and clips.
        notes: what was left out.
        compared: with which baseline runs are compared, and how.
        trainings: those behind the runs.
        commands: by run, each with its job and stage.
        leaks: samples that stand in training data.
    """

    title: str = "Results"
    published: bool | None = None
    shown: Mapping[str, Mapping[str, Utterance]] | None = None
    notes: Sequence[str] = ()
    compared: Compared = field(default_factory=Compared)
    trainings: Sequence[Training] = ()
    commands: Mapping[str, Sequence[tuple[str, str]]] = field(default_factory=dict)
    leaks: Sequence[Leak] = ()


@dataclass(frozen=True)
class Content:
    """All that is shown.

    Attributes:
        runs: the runs.
        tasks: theirs, by name.
        parts: by benchmark.
        sets: the samples that were answered.
        curves: of the trainings.
        options: what else is shown.
    """

    runs: Sequence[Run]
    tasks: Mapping[str, Task]
    parts: Sequence[Part]
    sets: Sequence[SampleSet]
    curves: Sequence[Curve]
    options: Options


def content(runs: Sequence[Run], known: Tasks, options: Options) -> Content:
    """What is shown of runs.

    Args:
        runs: the runs.
        known: the tasks that can be named.
        options: what else is shown.
    """
    tasks = {name: known.get(name) or _stranger(name, runs) for name in _names(runs, known)}
    curves = [drawn for training in options.trainings if (drawn := curve(training))]
    return Content(runs, tasks, _parts(runs, tasks, known, options), sample_sets(runs, tasks), curves, options)


def _names(runs: Sequence[Run], known: Tasks) -> list[str]:
    """The tasks of the runs, in the order of the known ones."""
    held = dict.fromkeys(task for run in runs for task in run.rows)
    return [name for name in known if name in held] + [name for name in held if name not in known]


def _stranger(name: str, runs: Sequence[Run]) -> Task:
    """A task that is not defined here, as far as its results tell."""
    row = next(run.rows[name] for run in runs if name in run.rows)
    labels = sorted(
        {label for run in runs if run.answers and name in run.answers for label in run.answers[name].classes}
    )
    dimension = str(row["dimension"] or "label")
    size = {str(row["split"]): row["n"] or 0}
    return Task(name, name, dimension, dimension, tuple(labels), "", size, (name,), "", OWN, False)


def _parts(runs: Sequence[Run], tasks: Mapping[str, Task], known: Tasks, options: Options) -> list[Part]:
    """The benchmarks of the runs, each with its own leaderboards and charts."""
    names = list(dict.fromkeys(task.benchmark for task in tasks.values()))
    if MMLA in names or options.published:
        names = [MMLA, *(name for name in names if name != MMLA)]
    found = []
    for name in names:
        here = {key: task for key, task in tasks.items() if task.benchmark == name} if name == OWN else known.of(name)
        places = [place for place, run in enumerate(runs) if here.keys() & run.rows.keys()]
        some = [_within(runs[place], here) for place in places]
        entries = [run_entry(run, place, here) for place, run in zip(places, some, strict=True)]
        if name == MMLA and options.published is not False:
            entries += published_entries()
        sizes = {key: float(task.sizes.get("test", 0)) for key, task in here.items()}
        kept = tuple(task for key, task in here.items() if any(key in entry.acc for entry in entries))
        found.append(
            Part(
                name, BENCHMARKS.get(name, name), kept, tuple(entries), tuple(places), boards(entries, sizes),
                panels(entries, kept, facts.majority(some)), radar(entries, kept), facts.differences(some),
                forest(some, here, options.compared),
            )
        )  # fmt: skip
    return found


def _within(run: Run, tasks: Mapping[str, Task]) -> Run:
    """A run as far as it is about some tasks: its overall score counts where it is about no other."""
    if run.rows.keys() <= tasks.keys():
        return run
    return replace(run, rows={task: row for task, row in run.rows.items() if task in tasks}, overall=None)
