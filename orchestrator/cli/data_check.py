"""``data check``: what is found about the data on disk, for people and for programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from orchestrator.benchmark.task import OWN, tasks
from orchestrator.cli.table import json_text, table, tell
from orchestrator.data.check import Report, check_videos_of, examine
from orchestrator.data.forms import parse_columns
from orchestrator.data.leaks import Leak
from orchestrator.data.same_text import CHARACTERS, WORDS, TextLeak
from orchestrator.recipe.sections import Data


def check_data(
    data_root: Path | None, task_names: Sequence[str], video_root: str | None, columns: str | None,
    *, videos: bool, cache: Path, as_json: bool,
) -> int:  # fmt: skip
    """Print what is found about the tasks' data; 0 where it is sound, 1 where anything is wrong.

    Published rows that are missing are told and no error: some data sets may not be passed on.

    Args:
        data_root: the folder with the data sets.
        task_names: the tasks; none means all of the benchmark and the folder's own, and no label distributions.
        video_root: where the videos lie.
        columns: how the data's columns are called, as ``--columns`` has it.
        videos: also decode the videos.
        cache: the file that knows which videos are sound.
        as_json: print JSON, for programs.

    Raises:
        InputError: an unknown task, or no data at all.
    """
    root, clips = data_root or Path(Data().root), video_root or Data().video_root
    known, names = tasks(root), parse_columns(columns, root)
    if task_names:
        chosen = list(map(known.named, dict.fromkeys(task_names)))
    else:
        chosen = [*known.of("mmla").values(), *(task for task in known.values() if task.benchmark == OWN)]
    report = examine(root, chosen, clips, names)
    report.problems += [] if task_names else known.problems(OWN)
    if videos:
        check_videos_of(report, root, clips, chosen, names, cache)
    if as_json:
        tell(json_text({"sound": not report.problems} | asdict(report)))
    else:
        _print(report, labels=bool(task_names))
    return 1 if report.problems else 0


def _print(report: Report, *, labels: bool) -> None:
    """The report as plain text; ``labels``: with each split's label distribution."""
    videos = any("videos" in row for row in report.splits)
    tell(table([_line(row, videos=videos) for row in report.splits]))
    if labels:
        tell("\nlabels:")
        for row in report.splits:
            shares = ", ".join(f"{label} {count:,} ({_share(count, row)}%)" for label, count in row["labels"].items())
            tell(f"  {row['task']} {row['split']}: {shares or 'none'}")
    if report.leaks:
        tell("\nleakage: rows of a split that stand in a training split")
        tell(table([_leak_line(leak) for leak in report.leaks]))
    if report.text_leaks:
        tell(f"\nthe same text in a training split, from {WORDS} words on ({CHARACTERS} characters in Chinese)")
        tell(table([_text_line(leak) for leak in report.text_leaks]))
    for title, lines in (("warnings", report.warnings), ("problems", list(map(str, report.problems)))):
        if lines:
            tell(f"\n{title}:", *(f"  {line}" for line in lines), sep="\n")
    tell("\nsound" if not report.problems else f"\n{len(report.problems)} problem(s)")


def _line(row: dict[str, Any], *, videos: bool) -> dict[str, Any]:
    labels: dict[str, int] = row["labels"]
    most = max(labels, key=lambda label: labels[label], default=None)
    shown = {
        "task": row["task"],
        "split": row["split"],
        "rows": f"{row['rows']:,}",
        "published": f"{row['published']:,}" if row["published"] else "",
        "wrong": row["wrong"],
        "labels": f"{sum(map(bool, labels.values()))}/{len(labels)}" if labels else "",
        "most frequent": f"{most} {_share(labels[most], row)}%" if most and labels[most] else "",
        "repeated": f"{row['repeats']:,}",
    }
    counts = {"videos": row.get("videos"), "to repair": row.get("videos_repairable"), "bad": row.get("videos_bad")}
    return shown | counts if videos else shown


def _share(count: int, row: dict[str, Any]) -> str:
    return f"{100 * count / max(1, sum(row['labels'].values())):.2f}"


def _text_line(leak: TextLeak) -> dict[str, Any]:
    return {
        "task": leak.task,
        "split": leak.split,
        "rows": f"{leak.rows:,}",
        "in train of": leak.train,
        "same text": f"{leak.text:,} ({100 * leak.text / leak.rows:.1f}%)",
        "left out by": "(one source)" if leak.within else "text",
    }


def _leak_line(leak: Leak) -> dict[str, Any]:
    return {
        "task": leak.task,
        "split": leak.split,
        "rows": f"{leak.rows:,}",
        "in train of": leak.train,
        "same utterance": f"{leak.utterance:,} ({100 * leak.utterance / leak.rows:.1f}%)",
        "text+label": "" if leak.text_label is None else f"{leak.text_label:,}",
    }
