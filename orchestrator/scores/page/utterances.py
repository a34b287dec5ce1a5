"""What a reader who has the data sees: utterances and clips of samples, and which of them stand in training data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from orchestrator.benchmark.task import Task
from orchestrator.data.forms import ColumnNames
from orchestrator.data.leaks import Leak, leakage
from orchestrator.data.samples import scan_split, split_file
from orchestrator.errors import InputError, capped
from orchestrator.scores.compare.runs import Run
from orchestrator.scores.page.samples import Utterance

Shown = Mapping[str, Mapping[str, Utterance]]


def read_utterances(
    runs: Sequence[Run], known: Mapping[str, Task], root: Path, video_root: str, columns: ColumnNames = None
) -> tuple[Shown, list[str]]:
    """The utterances of the samples that runs answered, by task and id, with the address of each clip that is there.

    Args:
        runs: the runs.
        known: the tasks that can be named.
        root, video_root, columns: see `scan_split`.

    Returns:
        The utterances, and notes on samples of which there is none.

    Raises:
        InputError: a file cannot be read, or no row of it is sound.
    """
    shown: dict[str, dict[str, Utterance]] = {}
    notes = []
    answered = {(name, str(run.rows[name]["split"])) for run in runs for name in run.rows if name in known}
    any_data = any(split_file(known[name], split, root) for name, split in answered)
    for name, task in known.items():
        here = [run for run in runs if name in run.rows]
        for split in sorted({str(run.rows[name]["split"]) for run in here}):
            # where some tasks are at hand, others may not be: not every data set can be had
            if split_file(task, split, root) or not any_data:
                shown.setdefault(name, {}).update(_split(task, split, root, video_root, columns))
        ids = {key for run in here if run.answers is not None for key in run.answers[name].ids}
        if lacking := len(ids - shown.get(name, {}).keys()):
            notes.append(f"{name}: {lacking:,} of {len(ids):,} samples are not in the data below {root}")
    strangers = dict.fromkeys(name for run in runs for name in run.rows if name not in known)
    notes += [f"{name}: no such task is known below {root}, so that its utterances are not shown" for name in strangers]
    return shown, notes


def read_leaks(
    runs: Sequence[Run], known: Mapping[str, Task], root: Path, video_root: str, columns: ColumnNames = None
) -> list[Leak]:
    """Samples that runs answered and that stand in a training split of their tasks, as far as the data is at hand.

    Args:
        runs: the runs.
        known: the tasks that can be named.
        root, video_root, columns: see `scan_split`.
    """
    here = {name: task for name, task in known.items() if any(name in run.rows for run in runs)}
    answered = {(name, str(run.rows[name]["split"])) for run in runs for name in run.rows if name in here}
    splits = {}
    for name, split in sorted(answered | {(name, "train") for name in here}):
        if split_file(here[name], split, root):
            splits[name, split] = scan_split(here[name], split, root, video_root, columns=columns).samples
    found = leakage(here.values(), splits, known)
    return [leak for leak in found if leak.utterance or leak.text_label]


def _split(task: Task, split: str, root: Path, video_root: str, columns: ColumnNames) -> dict[str, Utterance]:
    scan = scan_split(task, split, root, video_root, columns=columns)
    if scan.problems and not scan.samples:
        raise InputError(capped(scan.problems, str(scan.path)))
    return {sample.id: Utterance(sample.text, _address(sample.video)) for sample in scan.samples}


def _address(video: str | None) -> str:
    return Path(video).as_uri() if video and Path(video).is_file() else ""
