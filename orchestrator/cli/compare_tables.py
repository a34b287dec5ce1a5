"""The tables of a comparison: scores, differences, settings that differ, published scores, flips."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.cli.grid import Column, Field, Grid
from orchestrator.errors import short
from orchestrator.scores.compare.beside import Beside
from orchestrator.scores.compare.comparison import Comparison
from orchestrator.scores.compare.entry import Entry
from orchestrator.scores.compare.flips import Flip

NAMES = {"acc": "accuracy", "f1": "macro F1"}
SIGNIFICANT = 0.05
MOST_IN_ONE = 2  # runs that stand in one table with their differences
MOST_TEXT = 40  # characters of an answer without a label
MOST_BESIDE = 3  # runs whose settings stand beside each other; more stand below each other
Entries = Sequence[Entry | None]


def tables(comparison: Comparison) -> list[Grid]:
    """The tables: of one task the runs are the rows; of two runs there is one table; else scores, then differences."""
    columns = comparison.columns
    if len(comparison.tasks) == 1:
        found = [_one_task(comparison)]
    elif len(columns) <= MOST_IN_ONE:
        found = [_few_runs(comparison)]
    else:
        found = [_scores(comparison, metric) for metric in NAMES]
        found += [_against(comparison, column.name) for column in columns[1:]]
    if comparison.differs:
        found.append(_differs(comparison))
    return found


def _one_task(comparison: Comparison) -> Grid:
    (task,) = comparison.tasks
    names = [column.name for column in comparison.columns]
    shown: list[Column] = [Column("run", [Field(name) for name in names], right=False)]
    for metric, word in NAMES.items():
        entries = [comparison.entry(task, name, metric) for name in names]
        group = f"{metric} score"
        shown += [Column(word, list(map(_value, entries)), group), Column("95% CI", list(map(_own, entries)), group)]
        shown += _difference(entries, metric, "baseline")
    sizes = sorted({entry.n for (_, _, metric), entry in comparison.entries.items() if metric == "acc"})
    return Grid(f"{task}, {' and '.join(f'{n:,}' for n in sizes)} samples", shown)


def _few_runs(comparison: Comparison) -> Grid:
    names = [column.name for column in comparison.columns]
    shown = [_row_names(comparison), _sizes(comparison, "acc score")]
    for metric, word in NAMES.items():
        for name in names:
            entries = _of(comparison, name, metric)
            shown.append(Column(f"{word}\n{name}", list(map(_value, entries)), f"{metric} score"))
            if len(names) == 1:
                shown.append(Column("95% CI", list(map(_own, entries)), f"{metric} score"))
        shown += _difference(_of(comparison, names[-1], metric), metric)
    return Grid("", shown)


def _scores(comparison: Comparison, metric: str) -> Grid:
    shown = [_row_names(comparison), _sizes(comparison)]
    for column in comparison.columns:
        fields = list(map(_value, _of(comparison, column.name, metric)))
        shown.append(Column(column.name, fields, column.name))
    return Grid(NAMES[metric], shown)


def _against(comparison: Comparison, column: str) -> Grid:
    baseline = comparison.columns[0].name
    rows = [task for task in comparison.rows if comparison.entry(task, column, "acc")]
    rows = [task for task in rows if comparison.entry(task, baseline, "acc")]
    shown = [Column("task", list(map(Field, rows)), right=False)]
    for metric in NAMES:
        shown += _difference([comparison.entry(task, column, metric) for task in rows], metric)
    return Grid(f"{column} against {baseline}", shown)


def _difference(entries: Entries, metric: str, none: str = "") -> list[Column]:
    """The columns that say how scores differ from the baseline's; those that would be blank are left out.

    ``none`` stands where there is no difference.
    """
    known = [entry for entry in entries if entry and entry.difference is not None]
    if not known:
        return []
    head = f"{NAMES[metric]}\ndifference"
    differences = [_signed(entry.difference) or none if entry else "" for entry in entries]
    shown = [Column(head, list(map(Field, differences)), metric)]
    if any(entry.difference_low is not None for entry in known):
        shown.append(Column("95% interval", list(map(_interval, entries)), metric))
    if any(entry.p_holm is not None for entry in known):
        shown.append(Column("p", list(map(_p, entries)), metric))
    if any(entry.only_run is not None for entry in known):
        alone = [f"{e.only_run} : {e.only_baseline}" if e and e.only_run is not None else "" for e in entries]
        least = [_number(e.least) if e and e.only_run is not None and e.least else "" for e in entries]
        shown += [
            Column("only right", list(map(Field, alone)), "flips"),
            Column("least", list(map(Field, least)), "flips"),
        ]
    return shown


def _differs(comparison: Comparison) -> Grid:
    names = [column.name for column in comparison.columns]
    if len(names) <= MOST_BESIDE:
        columns = dict(zip(names, zip(*comparison.differs.values(), strict=True), strict=True))
        first = Column("what differs", list(map(Field, comparison.differs)), right=False)
    else:
        columns = {name: tuple(values) for name, values in comparison.differs.items()}
        first = Column("what differs", list(map(Field, names)), right=False)
    others = [Column(name, list(map(Field, said)), name, right=False) for name, said in columns.items()]
    return Grid("", [first, *others])


def beside_table(found: Sequence[Beside]) -> Grid:
    """Accuracies beside the published ones of the same model and method."""
    several = len({one.column for one in found}) > 1
    columns = [Column("task", [Field(one.task) for one in found], right=False)]
    if several:
        columns.append(Column("run", [Field(one.column) for one in found], "run", right=False))
    intervals = [Field(_ends(one.low, one.high, signed=True)) for one in found]
    columns += [
        Column("accuracy", [Field(_number(one.value)) for one in found], "acc"),
        Column("published", [Field(_number(one.published)) for one in found], "acc"),
        Column("difference", [Field(_signed(one.difference)) for one in found], "acc"),
        Column("95% interval", intervals, "acc"),
    ]
    models = dict.fromkeys(f"{one.model} {one.method}" for one in found)
    return Grid(f"beside the published accuracies of {', '.join(models)}", columns)


def flips_table(found: Sequence[Flip], baseline: str) -> Grid:
    """Samples that only one of two runs got right, of one run and the baseline."""
    run = found[0].column
    shown = {
        "id": [one.id for one in found],
        "task": [one.task for one in found],
        "label": [one.label for one in found],
        baseline: [_answer(one.baseline_answer, one.baseline_text) for one in found],
        run: [_answer(one.run_answer, one.run_text) for one in found],
    }
    columns = [Column(head, list(map(Field, texts)), head, right=False) for head, texts in shown.items()]
    return Grid(f"right in {baseline} alone, or in {run} alone", columns)


def _answer(word: str, text: str | None) -> str:
    return f"{word}: {short(text.strip(), MOST_TEXT)}" if text and text.strip() else word


def _row_names(comparison: Comparison) -> Column:
    return Column("task", [Field(task) for task in comparison.rows], right=False)


def _sizes(comparison: Comparison, group: str = "n") -> Column:
    sizes = []
    for task in comparison.rows:
        entries = [comparison.entry(task, column.name, "acc") for column in comparison.columns]
        sizes.append(Field("/".join(dict.fromkeys(str(entry.n) for entry in entries if entry))))
    return Column("n", sizes, group)


def _of(comparison: Comparison, column: str, metric: str) -> list[Entry | None]:
    return [comparison.entry(task, column, metric) for task in comparison.rows]


def _value(entry: Entry | None) -> Field:
    if entry is None:
        return Field()
    spread = "" if entry.deviation is None else f" ±{entry.deviation:.2f}"
    return Field(f"{'!' if entry.unlike else ''}{entry.value:.2f}{spread}", best=entry.best)


def _own(entry: Entry | None) -> Field:
    return Field(_ends(entry.low, entry.high) if entry else "")


def _interval(entry: Entry | None) -> Field:
    return Field(_ends(entry.difference_low, entry.difference_high, signed=True) if entry else "")


def _p(entry: Entry | None) -> Field:
    p = entry.p_holm if entry else None
    return Field("") if p is None else Field("<0.001" if p < 0.001 else f"{p:.3f}", p < SIGNIFICANT)


def _ends(low: float | None, high: float | None, *, signed: bool = False) -> str:
    if low is None or high is None:
        return ""
    return f"[{_signed(low)}, {_signed(high)}]" if signed else f"{low:.2f}-{high:.2f}"


def _number(value: float) -> str:
    return f"{value:.2f}"


def _signed(value: float | None) -> str:
    return "" if value is None else f"{value + 0.0:+.2f}".replace("-0.00", "+0.00")
