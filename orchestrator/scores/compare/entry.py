"""One number of a comparison, and how a comparison is made."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """How runs are compared.

    Attributes:
        baseline: its name, or its file; empty: the first run.
        anyway: also what is not comparable.
        seeds: put runs together that differ in their seed alone.
        draws: of the bootstrap and of the randomisation.
        seed: of these draws.
    """

    baseline: str = ""
    anyway: bool = False
    seeds: bool = False
    draws: int = 2000
    seed: int = 0


@dataclass
class Entry:
    """One score of one column, and how it differs from the baseline's; in percent and percentage points.

    Attributes:
        task: the task, or ``overall``.
        column: the name of the run, or of the runs that were put together.
        metric: ``acc`` or ``f1`` (macro).
        n: number of samples of each run.
        value: the score; of several runs their mean.
        low, high: its own 95 % interval (one run; accuracy: as in the CSV).
        seeds: number of runs.
        deviation: standard deviation over them.
        best: no column has a higher value, and one has a lower one.
        difference: to the baseline's value.
        difference_low, difference_high: its 95 % interval.
        paired: whether that knows which samples were right in both.
        p, p_exact, p_holm: whether the two differ: as tested, of McNemar also the exact one; adjusted for all tests of
            the metric.
        test: ``mcnemar`` (mid-p), ``sign-flip`` or ``randomisation``.
        only_baseline, only_run: samples that only one of the two got right (accuracy).
        least: the smallest difference in accuracy that this test could show at these samples.
        unlike: what makes it not comparable: parts of the signature.
    """

    task: str
    column: str
    metric: str
    n: int
    value: float
    low: float | None = None
    high: float | None = None
    seeds: int = 1
    deviation: float | None = None
    best: bool = False
    difference: float | None = None
    difference_low: float | None = None
    difference_high: float | None = None
    paired: bool | None = None
    p: float | None = None
    p_exact: float | None = None
    p_holm: float | None = None
    test: str | None = None
    only_baseline: int | None = None
    only_run: int | None = None
    least: float | None = None
    unlike: tuple[str, ...] = ()


# the keys of a score for programs, in order; percent, differences in percentage points; empty: not known
KEYS = {
    "task": "name of the task, or `overall`: the mean over the common tasks, weighted by the published sizes",
    "run": "name of the run, or what the names of several have in common that differ in their seed",
    "metric": "acc: accuracy; f1: macro F1",
    "n": "number of samples",
    "value": "the score; the mean over several seeds",
    "low": "lower end of its 95% interval",
    "high": "upper end of it",
    "seeds": "number of runs",
    "deviation": "standard deviation over several seeds",
    "best": "whether no run has a higher value, and one has a lower one",
    "difference": "value minus the baseline's",
    "difference_low": "lower end of its 95% interval",
    "difference_high": "upper end of it",
    "paired": "whether the interval knows which samples both got right",
    "p": "two-sided p of no difference",
    "p_exact": "of McNemar's test the exact p; p is mid-p",
    "p_holm": "p adjusted by Holm's method for all tests of the metric",
    "test": "mcnemar, sign-flip (by dialogue) or randomisation",
    "only_baseline": "samples that only the baseline got right",
    "only_run": "samples that only the run got right",
    "least": "smallest difference that the test could show at 5%",
    "unlike": "parts of the signature that differ from the baseline's, or of a task that it lacks from those of the "
    "first run that has it (data, labels, split, n, parser)",
}
