"""Reads a data set's ``<folder>/{train,dev,test}.tsv`` into samples, and refuses what is not sound, all at once.

The dialect is csv's: UTF-8 (a BOM and CRLF are tolerated), tab separated, a field that holds a tab, a line break or a
double quote is quoted and its quotes doubled. The header names the columns, in any order.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.benchmark import SPLITS, Task
from orchestrator.errors import InputError, Problem, did_you_mean

MOST_PROBLEMS = 20  # per file: more of the same does not help
# spellings of the columns, the first found wins; a label column may also be named after the task's dimension
ALIASES = {
    "id": ("id", "utterance_id", "sample_id", "uid", "index"),
    "video": ("video", "video_file", "video_name", "video_path", "clip"),
    "text": ("text", "utterance", "sentence", "transcript"),
    "label": ("label", "labels", "class"),
}


@dataclass(frozen=True, slots=True)
class Sample:
    """One utterance. ``video``: absolute path of its clip, or ``None``; ``label``: as the task's list spells it."""

    id: str
    task: str
    split: str
    text: str
    label: str
    video: str | None


def split_file(task: Task, split: str, root: Path) -> Path | None:
    """The file that holds a split, in the first of the task's folders that has it; ``None`` where none has."""
    files = (root / folder / f"{split}.tsv" for folder in task.folders)
    return next((file for file in files if file.is_file()), None)


def read_split(task: Task, split: str, root: Path, video_root: str, *, limit: int | None = None) -> list[Sample]:
    """The samples of one split, in the file's order; the first ``limit`` (and only they are checked) if given.

    ``video_root`` is where the videos lie, with ``{root}`` and ``{dataset}`` (the name of the folder found) to be
    filled in. A video's path must stay beneath it, judged by its text: symbolic links are followed, as the owner of
    the data made them (the files of a hub's cache are links out of their folder). That the videos exist and can
    be decoded is for ``videos.check_videos``. InputError lists all problems, each with file:line.
    """
    path = split_file(task, split, root)
    if path is None:
        raise InputError(_missing(task, split, root))
    folder = Path(os.path.abspath(_fill(video_root, root, path.parent.name)))  # noqa: PTH100 (keeps links)
    text, where = _text(path)
    reader = _Reader(path, task, where)
    samples = list(reader.samples(text, split, str(folder), limit))
    if not samples and not reader.problems:
        reader.add("no rows below the header", 1)
    if reader.problems:
        raise InputError(reader.listed())
    return samples


class _Reader:
    """Reads one file's rows and collects what is wrong with them."""

    def __init__(self, path: Path, task: Task, problems: Sequence[Problem]):
        self.path, self.task, self.problems = path, task, list(problems)
        self.known = {label.lower(): label for label in task.labels}

    def add(self, message: str, line: int, hint: str = "") -> None:
        self.problems.append(Problem(message, where=f"{self.path}:{line}", hint=hint))

    def listed(self) -> list[Problem]:
        """The problems, no more than are of use."""
        more = len(self.problems) - MOST_PROBLEMS
        if more <= 0:
            return self.problems
        return [*self.problems[:MOST_PROBLEMS], Problem(f"and {more:,} more problems", where=str(self.path))]

    def samples(self, text: str, split: str, folder: str, limit: int | None) -> Iterator[Sample]:
        rows = self.rows(text)
        header = next(rows, None)
        columns = self.columns(header[1], header[0]) if header else None
        if header is None or columns is None:
            if header is None and not self.problems:
                self.add("the file is empty", 1)
            return
        id_at, video_at, text_at, label_at = columns
        width, task, seen = len(header[1]), self.task.name, dict[str, int]()
        for count, (line, row) in enumerate(rows):
            if count == limit:
                return
            if len(row) != width:
                self.add(f"{len(row)} fields, but the header has {width}", line,
                         "a text that holds a tab, a line break or a double quote must be quoted")  # fmt: skip
                continue
            name = row[id_at].strip()
            if not name:
                self.add("empty id", line)
            elif name in seen:
                self.add(f"the id `{name}` was on line {seen[name]} already", line)
            seen.setdefault(name, line)
            label = self.known.get(row[label_at].strip().lower())
            if label is None:
                label = self.wrong_label(row[label_at], line)
            video = None
            if video_at is not None and (video := row[video_at].strip() or None):
                video = self.video(video, folder, line)
            yield Sample(name, task, split, row[text_at], label, video)

    def rows(self, text: str) -> Iterator[tuple[int, list[str]]]:
        """The rows that are not blank, with the physical line each starts on."""
        # strict: a stray quote is an error, instead of swallowing the rows up to the next one
        reader = csv.reader(io.StringIO(text, newline=""), delimiter="\t", strict=True)
        while True:
            line = reader.line_num + 1
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                self.add(f"not valid TSV: {error}", line,
                         "a text that starts with a double quote must be quoted, and its quotes doubled")  # fmt: skip
                continue
            if row:
                yield line, row

    def columns(self, header: list[str], line: int) -> tuple[int, int | None, int, int] | None:
        """Where id, video (may be absent), text and label stand; ``None`` after adding what is wrong."""
        names = [name.strip().lower() for name in header]
        aliases = ALIASES | {"label": (*ALIASES["label"], self.task.dimension.lower(), self.task.word.lower())}
        at: dict[str, int | None] = {}
        found = ", ".join(header)
        sound = True
        for column, spellings in aliases.items():
            name = next((name for name in spellings if name in names), None)
            at[column] = None if name is None else names.index(name)
            if name is None and column != "video":
                sound = False
                self.add(f"no column `{column}` (found: {found})", line,
                         f"the first line must name the columns, tab separated; `{column}` may also read "
                         + ", ".join(f"`{alias}`" for alias in dict.fromkeys(spellings[1:])))  # fmt: skip
            elif name is not None and names.count(name) > 1:
                sound = False
                self.add(f"the header names `{name}` twice (found: {found})", line)
        if not sound or at["id"] is None or at["text"] is None or at["label"] is None:
            return None
        return at["id"], at["video"], at["text"], at["label"]

    def wrong_label(self, label: str, line: int) -> str:
        hint = ""
        if len(self.problems) < MOST_PROBLEMS:  # the search is slow, and those beyond are not shown
            hint = f"{did_you_mean(label.strip(), self.task.labels)} labels: {', '.join(self.task.labels)}".strip()
        self.add(f"`{label}` is not a label of {self.task.name}", line, hint)
        return label

    def video(self, name: str, folder: str, line: int) -> str:
        """The absolute path of a video named in the file."""
        if "/" not in name and name not in (".", ".."):
            return f"{folder}/{name}"
        path = os.path.normpath(os.path.join(folder, name))  # noqa: PTH118 (an absolute name wins, as in Path)
        if not path.startswith(f"{folder.rstrip('/')}/"):
            self.add(f"the video `{name}` is outside the video folder {folder}", line,
                     "give it relative to that folder, without `..`; data.video_root sets another folder")  # fmt: skip
        return path


def _text(path: Path) -> tuple[str, list[Problem]]:
    """A file's text, and what is wrong with its bytes."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(Problem(f"cannot be read: {error.strerror}", where=str(path))) from error

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


def _fill(video_root: str, root: Path, dataset: str) -> str:
    """``{root}`` and ``{dataset}`` filled in: no ``str.format``, which would reach into objects."""
    values = {"root": str(root), "dataset": dataset}
    if unknown := sorted(set(re.findall(r"\{([^{}]*)\}", video_root)) - values.keys()):
        raise InputError(
            Problem(
                f"data.video_root: unknown {', '.join(f'{{{name}}}' for name in unknown)} in `{video_root}`",
                hint="known: {root}, {dataset}",
            )
        )
    return re.sub(r"\{(root|dataset)\}", lambda match: values[match[1]], video_root)


def _missing(task: Task, split: str, root: Path) -> Problem:
    """Why there is no file, as precisely as the folders allow."""
    hint = "set the folder of the data: --set data.root=DIR, or the variable MMLA_DATA_ROOT"
    if not root.is_dir():
        return Problem(f"no data for {task.name}: the folder {root} does not exist", where=str(root), hint=hint)
    there = [f"{folder}/{other}.tsv" for folder in task.folders for other in SPLITS
             if (root / folder / f"{other}.tsv").is_file()]  # fmt: skip
    looked = ", ".join(f"{folder}/{split}.tsv" for folder in task.folders)
    also = f" ({', '.join(there)}: there)" if there else ""
    return Problem(f"no {split} data for {task.name}: looked for {looked}{also}", where=str(root), hint=hint)


_digests: dict[tuple[str, int, int], str] = {}


def file_digest(path: Path) -> str:
    """SHA-256 (hex) of a file, kept in this process while the file's size and time of change stay the same."""
    status = path.stat()
    key = (str(path), status.st_size, status.st_mtime_ns)
    if key not in _digests:
        with path.open("rb") as file:
            _digests[key] = hashlib.file_digest(file, "sha256").hexdigest()
    return _digests[key]
