"""``data check``: is the data on disk what the benchmark published, and does training data hold test utterances?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from orchestrator.benchmark.task import OWN, SPLITS, Task, tasks
from orchestrator.data.archives import ensure_videos
from orchestrator.data.forms import VIDEO_ROOT, ColumnNames
from orchestrator.data.leaks import HELD_OUT, Leak, leakage, shared_ids, source_dataset
from orchestrator.data.roots import find_split, has_data, no_data
from orchestrator.data.same_text import LongEnough, TextLeak, text_leakage
from orchestrator.data.samples import Sample, Scan, has_clips, scan_split, split_file, video_folder
from orchestrator.data.videos import Finding, check_videos
from orchestrator.errors import InputError, Problem, capped
from orchestrator.machine.meter import Meter


@dataclass
class Report:
    """What was found.

    Attributes:
        splits: one row for each, with its numbers by name.
        leaks: held-out utterances in training splits, by id.
        text_leaks: the same by text, which different data sets may have in common.
        problems: what is wrong.
        warnings: what is only to be known.
    """

    splits: list[dict[str, Any]] = field(default_factory=list)
    leaks: list[Leak] = field(default_factory=list)
    text_leaks: list[TextLeak] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def examine(root: Path, chosen: Sequence[Task], video_root: str, columns: ColumnNames = None) -> Report:
    """Read all splits of some tasks, and the training splits of all others, which may hold what they hold out.

    Raises:
        InputError: there is no data for any of the tasks.
    """
    report = Report()
    kept: dict[tuple[str, str], Sequence[Sample]] = {}
    if (absent := no_data(chosen, root)) and not any(has_data(task, root) for task in chosen):
        raise InputError(absent)
    for task in chosen:
        if not has_data(task, root):
            report.warnings.append(f"{task.name}: no data")
            continue
        for split in SPLITS:
            scan = _scan(report, task, split, root, video_root, columns)
            kept[task.name, split] = scan.samples if scan else []
        report.problems += shared_ids(task, {split: kept[task.name, split] for split in SPLITS})
        files = [file for split in SPLITS if (file := split_file(task, split, root))]
        if len({file.parent for file in files}) > 1:
            listed = ", ".join(str(file.relative_to(root)) for file in files)
            report.warnings.append(f"{task.name}: its splits come from two folders: {listed}")
    known = tasks(root)
    for task in (task for task in known.values() if task.benchmark in ("mmla", OWN)):
        if (task.name, "train") not in kept and split_file(task, "train", root):
            kept[task.name, "train"] = scan_split(task, "train", root, video_root, columns=columns).samples
    found = {key: samples for key, samples in kept.items() if samples}
    report.leaks = leakage(chosen, found, known)
    held = {
        (task, split): found[task.name, split] for task in chosen for split in HELD_OUT if (task.name, split) in found
    }
    trained = {known[name]: samples for (name, split), samples in found.items() if split == "train"}
    sources = {task: source_dataset(task) for task in (*chosen, *trained)}
    report.text_leaks = text_leakage(held, trained, sources, LongEnough())
    return report


def _scan(report: Report, task: Task, split: str, root: Path, video_root: str, columns: ColumnNames) -> Scan | None:
    """Read one split and add its row, and what there is to say about it."""
    published = task.sizes.get(split)
    name = f"{task.name} {split}"
    row: dict[str, Any] = {"task": task.name, "split": split, "rows": 0, "published": published}
    report.splits.append(row)
    if split_file(task, split, root) is None:
        row |= {"wrong": 0, "repeats": 0, "labels": {}}
        if published is not None:
            report.warnings.append(f"{name}: missing ({published:,} rows published)")
        return None
    scan = scan_split(task, split, root, video_root, columns=columns)
    counts = Counter(sample.label for sample in scan.samples)
    row |= {
        "rows": scan.rows,
        "wrong": scan.rows - len(scan.samples),
        "repeats": len(scan.samples) - len({(sample.text, sample.label) for sample in scan.samples}),
        "labels": {label: counts[label] for label in task.labels},
        "file": str(scan.path),
    }
    report.problems += capped(scan.problems, str(scan.path))
    unread = scan.problems and not scan.rows  # that its rows are missing is no news then
    if published is not None and scan.rows != published and not unread:
        much = f"{abs(published - scan.rows):,} {'missing' if scan.rows < published else 'too many'}"
        report.warnings.append(f"{name}: {scan.rows:,} of {published:,} published rows ({much})")
    if blank := sum(not sample.text.strip() for sample in scan.samples):
        report.warnings.append(f"{name}: {blank:,} samples without text")
    if counts and (absent := [label for label in task.labels if not counts[label]]):
        report.warnings.append(f"{name}: no sample of {', '.join(absent)}")
    return scan


def check_videos_of(
    report: Report, root: Path, video_root: str, chosen: Sequence[Task], columns: ColumnNames, cache: Path | None
) -> None:
    """Add how many videos each split has, and what is wrong with them; published archives are unpacked first.

    Raises:
        InputError: there is no PyAV to open them with, or an archive is not safe to unpack.
    """
    wanted: dict[tuple[str, str], list[str]] = {}
    for task in chosen:
        if video_root == VIDEO_ROOT:
            with Meter(f"unpacking the videos of {task.name} (bytes)") as meter:
                ensure_videos(task, root, meter)
        there = [split for split in SPLITS if split_file(task, split, root)]
        samples = {split: scan_split(task, split, root, video_root, columns=columns).samples for split in there}
        clips = {split: [sample.video for sample in samples[split] if sample.video] for split in there}
        if not has_clips(task, list(chain.from_iterable(clips.values()))):
            report.warnings += _no_videos(task, root, video_root)
            continue
        for split in there:
            wanted[task.name, split] = clips[split]
            if unnamed := len(samples[split]) - len(clips[split]):
                message = f"{task.name} {split}: {unnamed:,} samples without video"
                report.problems.append(Problem(message, hint="no video column, and no file of the id's name"))
    with Meter("videos checked") as meter:
        found = check_videos(chain.from_iterable(wanted.values()), cache, progress=meter, modality="video+audio")
    bad = {finding.problem.where: finding for finding in found if not (finding.sound or finding.alone)}
    mute = {finding.problem.where for finding in found if finding.sound}
    alone = {finding.problem.where for finding in found if finding.alone}
    rows = {(row["task"], row["split"]): row for row in report.splits}
    told: set[str] = set()
    for key, videos in wanted.items():
        rows[key] |= _counts(videos, bad)
        if count := len(mute.intersection(videos)):
            many = f"{count:,} of {len(set(videos)):,} videos cannot be heard"
            report.warnings.append(f"{key[0]} {key[1]}: {many}, which matters where data.modality has audio in it")
        if count := len(alone.intersection(videos)):
            many = f"{count:,} of {len(set(videos)):,} clips"
            report.warnings.append(f"{key[0]} {key[1]}: {many} are sound alone: for data.modality: audio")
        new = [bad[video] for video in dict.fromkeys(videos) if video in bad and video not in told]
        told.update(videos)  # once, however many rows and tasks name it
        for repairable, what in ((False, "bad videos"), (True, "videos that can be repaired")):
            of_kind = [finding.problem for finding in new if finding.repairable is repairable]
            report.problems += capped(of_kind, f"{key[0]} {key[1]}", what=what)


def _no_videos(task: Task, root: Path, video_root: str) -> list[str]:
    """That a task has no videos, and where they would lie; nothing where it has no data at all, which is told."""
    folders = {found[1] for split in SPLITS if (found := find_split(task, split, root))}
    listed = ", ".join(video_folder(video_root, root, folder) for folder in sorted(folders))
    why = "" if task.benchmark == OWN else "; the benchmark publishes none"
    return [f"there are no videos of {task.name} in {listed}{why}"] if folders else []


def _counts(videos: Sequence[str], bad: Mapping[str, Finding]) -> dict[str, int]:
    """What the row of a split says of its videos: how many samples have a sound one, and how many files are not."""
    of = [bad[video] for video in dict.fromkeys(videos) if video in bad]
    repairable = sum(finding.repairable for finding in of)
    return {
        "videos": sum(video not in bad for video in videos),
        "videos_repairable": repairable,
        "videos_bad": len(of) - repairable,
    }
