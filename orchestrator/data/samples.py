"""Reads a data set's splits into samples, and refuses what is not sound, all at once.

A split is ``<folder>/{train,dev,test}.tsv``, or one of the other files that ``forms.find_other`` knows.
"""

from __future__ import annotations

import hashlib
import heapq
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from orchestrator.benchmark.task import OWN, Task
from orchestrator.data.clips.copies import Copies
from orchestrator.data.forms import ColumnNames, tsv_rows
from orchestrator.data.json_forms import json_rows, local_name
from orchestrator.data.notes import Notes
from orchestrator.data.roots import find_split, missing
from orchestrator.data.values import Ids, Labels, Texts
from orchestrator.errors import InputError, Problem, capped

# what a dot in a name may start, and which of the files beside a clip (subtitles, sound) is the clip
VIDEO_SUFFIXES = (".mp4", ".avi", ".mkv", ".webm", ".mov", ".flv", ".f4v", ".m4v", ".mpg", ".mpeg", ".ts", ".mts",
                  ".m2ts", ".vob", ".wmv", ".3gp", ".ogv", ".gif")  # fmt: skip
# of the samples that a limit leaves, where nothing else is said
LIMIT_SEED = 0
# raised when the same limit and seed leave other samples
LIMIT_VERSION = 1


@dataclass(frozen=True, slots=True)
class Sample:
    """One utterance. ``video``: absolute path of its clip (of the repaired copy, where there is one), or ``None``;
    ``label``: as the task's list spells it.
    """

    id: str
    task: str
    split: str
    text: str
    label: str
    video: str | None


@dataclass(frozen=True, slots=True)
class Scan:
    """One split as read: its sound samples in the file's order, and all that is wrong with the other rows.

    Attributes:
        path: the file.
        samples: those of the sound rows.
        problems: all of them, with file:line; what is wrong alike with several rows is one problem.
        rows: ``len(samples)`` + the rows with a problem: nothing is dropped without one. What cannot be told apart
            into rows (a file that is not UTF-8, JSON behind a syntax error) is one problem and no row.
    """

    path: Path
    samples: list[Sample]
    problems: list[Problem]
    rows: int


def split_file(task: Task, split: str, root: Path) -> Path | None:
    """The file that holds a split; ``None`` where there is none.

    The first of the task's folders with a TSV of that name, else the first of ``forms.find_other``.
    """
    found = find_split(task, split, root)
    return found[0] if found else None


def has_clips(task: Task, named: Sequence[str]) -> bool:
    """Whether clips are to be looked for: rows of a benchmark's task may name some that it does not publish.

    Args:
        task: the task.
        named: the clips that its rows name.
    """
    if task.benchmark == OWN:
        return bool(named)
    return task.video or any(Path(clip).exists() for clip in named)


def read_split(
    task: Task,
    split: str,
    root: Path,
    video_root: str,
    *,
    limit: int | None = None,
    seed: int = LIMIT_SEED,
    columns: ColumnNames = None,
) -> list[Sample]:
    """The samples of one split, in the file's order.

    Args:
        task: whose labels count.
        split: train, dev or test.
        root: the folder of the data sets' folders.
        video_root: where the videos lie, with ``{root}`` and ``{dataset}`` (the name of the folder found) to be filled
            in. A video's path must stay beneath it, judged by its text: symbolic links are followed, as the owner of
            the data made them (the files of a hub's cache are links out of their folder). That the videos exist and
            can be decoded is for `check_videos`.
        limit, seed: only so many of them, see `drawn`; all rows are read and checked.
        columns: the recipe's ``data.columns``: names for columns that are called otherwise, or the columns of files
            without a header.

    Raises:
        InputError: there is no file, or rows are wrong; all problems at once, with file:line.
    """
    scan = scan_split(task, split, root, video_root, columns=columns)
    if scan.problems:
        raise InputError(capped(scan.problems, str(scan.path)))
    return drawn(scan.samples, limit, seed)


def drawn(samples: list[Sample], limit: int | None, seed: int = LIMIT_SEED) -> list[Sample]:
    """A sample of a split: those ``limit`` whose ids have the smallest hashes, in the order in which they stood.

    The first rows would be a few dialogues. Which are drawn depends on the seed and on the ids alone, neither on the
    order of the rows nor on what else a recipe says, and a smaller draw is part of a larger one.
    """
    if limit is None or limit >= len(samples):
        return samples

    def rank(sample: Sample) -> bytes:
        return hashlib.blake2b(f"{seed} {sample.id}".encode("utf-8", "surrogatepass"), digest_size=8).digest()

    chosen = {sample.id for sample in heapq.nsmallest(limit, samples, key=rank)}
    return [sample for sample in samples if sample.id in chosen]


def scan_split(task: Task, split: str, root: Path, video_root: str, *, columns: ColumnNames = None) -> Scan:
    """As `read_split`, but what is wrong with rows is returned beside what is sound.

    Raises:
        InputError: there is no file, or it cannot be opened.
    """
    found = find_split(task, split, root)
    if found is None:
        raise InputError(missing(task, split, root))
    path, dataset = found
    folder = video_folder(video_root, root, dataset)
    text, problems = _text(path)
    notes = Notes(path, task, problems)
    if problems:
        return Scan(path, [], problems, 0)
    tsv = path.suffix == ".tsv"
    rows = tsv_rows(text, notes, columns) if tsv else json_rows(text, notes)
    labels, ids, texts, count = Labels(notes), Ids(notes), Texts(notes), 0
    samples: list[Sample] = []
    clips, copies = cache(_clips), Copies()
    for row in rows:
        count += 1
        if row is None:
            continue
        line, given, video, text, label = row
        sound = notes.count
        if video is None:
            name = (given or "").strip()
            clip = clips(folder).get(name) or clips(folder).get(_stem(name))
        else:
            video = video.strip()
            name = _stem(Path(video).name) if given is None else given.strip()
            clip = _place(video if tsv else local_name(video, folder), folder, line, notes) if video else None
            if clip and not clip.lower().endswith(VIDEO_SUFFIXES):
                clip = clips(os.path.dirname(clip)).get(os.path.basename(clip), clip)  # noqa: PTH119, PTH120
        usable = ids.add(name, line) & texts.add(text, line)
        spelled = labels.find(label, line)
        if spelled is not None and usable and notes.count == sound:
            samples.append(Sample(name, task.name, split, text, spelled, copies.shown(clip) if clip else None))
    ids.tell_repeats(count)
    texts.tell_controls()
    if not count and not notes.count:
        notes.add("no rows below the header" if tsv else "no rows", 1)
    return Scan(path, samples, notes.problems, count)


def _place(name: str, folder: str, line: int, notes: Notes) -> str:
    """The absolute path of a video named in the file."""
    if "/" not in name and name not in (".", ".."):
        return f"{folder}/{name}"
    path = os.path.normpath(os.path.join(folder, name))  # noqa: PTH118 (an absolute name wins, as in Path)
    if not path.startswith(f"{folder.rstrip('/')}/"):
        notes.add(f"the video `{name}` is outside the video folder {folder}", line,
                  "give it relative to that folder, without `..`; data.video_root sets another folder")  # fmt: skip
    return path


def _clips(folder: str) -> dict[str, str]:
    """The clips in a folder by name, with and without suffix: for tables that name none, or leave the suffix out."""
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208 (names, not paths)
    except OSError:
        return {}
    files = [name for name in names if name.lower().endswith(VIDEO_SUFFIXES)]
    return {key: f"{folder}/{name}" for name in files for key in (_stem(name), name)}


def _stem(name: str) -> str:
    """A name without a video's suffix; any other dot is part of it (``MIntRec2.0_1_2``)."""
    return name[: name.rindex(".")] if name.lower().endswith(VIDEO_SUFFIXES) else name


def _text(path: Path) -> tuple[str, list[Problem]]:
    """A file's text, and what is wrong with its bytes."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(path)) from error

    def where(offset: int) -> str:
        line = content.count(b"\n", 0, offset) + 1
        return f"{path}:{line}"

    problems = []
    if (nul := content.find(0)) >= 0:
        problems.append(Problem("holds a NUL byte", where(nul), "it must be UTF-8 text (not UTF-16, not damaged)"))
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        bad = error.object[error.start]
        # utf-8-sig counts from behind the byte order mark
        offset = error.start + len(content) - len(error.object)
        problems.append(Problem(f"byte 0x{bad:02x} is not UTF-8", where(offset), "save the file as UTF-8"))
        text = ""
    return ("" if problems else text), problems


def video_folder(video_root: str, root: Path, dataset: str) -> str:
    """Where the videos of a data set's folder lie.

    Raises:
        InputError: ``video_root`` holds what is not known.
    """
    return os.path.abspath(_fill(video_root, root, dataset))  # noqa: PTH100 (keeps links)


def _fill(video_root: str, root: Path, dataset: str) -> str:
    """``{root}`` and ``{dataset}`` filled in: no ``str.format``, which would reach into objects."""
    values = {"root": str(root), "dataset": dataset}
    if unknown := sorted(set(re.findall(r"\{([^{}]*)\}", video_root)) - values.keys()):
        shown = ", ".join(f"{{{name}}}" for name in unknown)
        raise InputError(f"data.video_root: unknown {shown} in `{video_root}`", hint="known: {root}, {dataset}")
    return re.sub(r"\{(root|dataset)\}", lambda match: values[match[1]], video_root)


_digests: dict[tuple[str, int, int], str] = {}


def file_digest(path: Path) -> str:
    """SHA-256 (hex) of a file, kept in this process while the file's size and time of change stay the same."""
    status = path.stat()
    key = (str(path), status.st_size, status.st_mtime_ns)
    if (found := _digests.get(key)) is None:  # another thread may empty it at any moment
        with path.open("rb") as file:
            found = _digests[key] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def forget_digests() -> None:
    """Have `file_digest` read every file again."""
    _digests.clear()
