"""Where a split's file is, and its table form as rows; ``json_forms`` reads the JSON forms.

TSV is csv's dialect: UTF-8 (a BOM and CRLF are tolerated), tab separated, a field that holds a tab, a line break or a
double quote is quoted and its quotes doubled. The first line names the columns, in any order; where it does not, a
list of columns must be given.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

from orchestrator.benchmark.task import Task, tasks
from orchestrator.data.lines import csv_lines
from orchestrator.data.notes import Notes
from orchestrator.errors import InputError, did_you_mean, hidden_hint, short

ColumnNames = Mapping[str, str] | Sequence[str] | None
# line, id (None: take the video's), video (None: the file has no such column), text, label;
# None stands for a row that cannot be used and was reported
FormRow = tuple[int, str | None, str | None, str, str] | None

VIDEO_ROOT = "{root}/{dataset}/video"  # where videos lie unless said otherwise
LONGEST = (
    131_072  # characters of a field: of more a quote is not closed (the csv module's own limit, which others raise)
)
# spellings of the columns, the first found wins; a label column may also be named after the task's dimension
ALIASES = {
    "id": ("id", "utterance_id", "sample_id", "uid"),
    "video": ("video", "video_file", "video_name", "video_path", "clip"),
    "text": ("text", "utterance", "sentence", "transcript"),
    "label": ("label", "labels", "class"),
}
# ids that may count within something larger, and what that is called
_PARTS = ("utterance_id", "uid")
_WHOLE = re.compile(r"(dialog(ue)?|conv(ersation)?|video|episode|scene|session|transcript)[ _-]?id")


def columns_conflict(columns: ColumnNames, root: Path | None = None) -> tuple[str, str] | None:
    """Message and hint where a mapping or a list of columns (``data.columns``) cannot be meant of a data folder."""
    if isinstance(columns, Mapping):
        for key in columns:
            task, dot, column = key.rpartition(".")  # the last one: MIntRec2.0.text
            if column not in ALIASES:
                hint = did_you_mean(column, ALIASES) or "map id, video, text or label, or TASK.text and so on"
                return f"`{key}` is no column of a sample", hint
            if dot and task not in (known := tasks(root)):
                return f"`{key}`: unknown task `{task}`", did_you_mean(task, known) or f"known: {', '.join(known)}"
            if not columns[key].strip():
                return f"`{key}` is mapped to an empty name", "give the name in the file's first line"
        return None
    if columns is not None:
        names = [name.strip().lower() for name in columns]
        if not {"text", "label"} <= set(names) or not {"id", "video"} & set(names):
            return f"[{', '.join(columns)}] lacks text, label, or both id and video", "e.g. [id, video, text, label]"
        if twice := [name for name in ALIASES if names.count(name) > 1]:
            return f"[{', '.join(columns)}] names `{twice[0]}` twice", "call a column to skip otherwise, e.g. skip"
    return None


def parse_columns(text: str | None, root: Path | None = None) -> ColumnNames:
    """``id,video,text,label`` as a list, ``text=Utterance,label=Emotion`` as a mapping.

    Raises:
        InputError: they cannot be meant, see `columns_conflict`.
    """
    if not text:
        return None
    parts = [part.strip() for part in text.split(",")]
    mapped = [part.partition("=")[::2] for part in parts if "=" in part]
    columns: ColumnNames = dict(mapped) if len(mapped) == len(parts) else parts
    if wrong := columns_conflict(columns, root):
        raise InputError(wrong[0], "--columns", wrong[1])
    return columns


def find_other(task: Task, split: str, root: Path) -> tuple[Path, str] | None:
    """A split's file that is not ``<folder>/<split>.tsv`` to the letter, and the name of its data set's folder.

    In this order: a TSV in a folder of other letter case; ``<folder>/<split>_<task>.json`` as the benchmark's
    inference script reads it; ``<folder>/<split>.json`` or ``.jsonl``; a toolkit's released file,
    ``[<toolkit>_]<folder>_<split>.json`` or ``.jsonl``, in the folder or in the root.
    """
    try:
        entries = sorted(os.listdir(root))  # noqa: PTH208 (names)
    except OSError:
        return None
    known = {folder.casefold() for folder in task.folders}
    folders = {name: root / name for name in entries if name.casefold() in known and (root / name).is_dir()}
    words = {task.dimension, task.word, task.word.replace(" ", "_")}
    names = [f"{split}.tsv", *(f"{split}_{word}.json" for word in sorted(words)), f"{split}.json", f"{split}.jsonl"]
    for name in names:
        for folder, path in folders.items():
            if (path / name).is_file():
                return path / name, folder
    spelled = "|".join(map(re.escape, task.folders))
    released = re.compile(rf"(?:.*_)?({spelled})_{split}\.jsonl?", re.IGNORECASE)
    for place in (*(path for path in folders.values() if os.access(path, os.R_OK)), root):
        for name in sorted(os.listdir(place)) if place is not root else entries:  # noqa: PTH208
            if (match := released.fullmatch(name)) and (place / name).is_file():
                return place / name, place.name if place is not root else next(iter(folders), match[1])
    return None


def tsv_rows(text: str, notes: Notes, columns: ColumnNames) -> Iterator[FormRow]:
    """The rows of a table that are not blank, each with the physical line it starts on."""
    lines: Iterator[tuple[int, list[str] | None]] = _csv_rows(text, notes)
    # a row of None is not TSV, and that was said
    line, header = next(((line, row) for line, row in lines if row is not None), (1, None))
    if header is None:
        if not notes.problems:
            notes.add("the file is empty", 1)
        return
    places = _places(header, line, notes, columns)
    if places is None:
        return
    names, (id_at, video_at, text_at, label_at) = places
    width = len(names)
    if names is not header:  # the first line is data, too
        lines = chain([(line, header)], lines)
    head, whole = line, _counts_within(names, id_at, notes.task, columns)
    for line, row in lines:
        if row is None:
            yield None
        elif whole and id_at is not None and len(row) == width and row[id_at].strip().isdecimal():
            notes.add(f"the column `{names[id_at]}` is no id: it counts within `{whole}`", head,
                      f"write a column `id` that joins both, such as {notes.task.name}_12_3 for {whole} 12 and "
                      f"{names[id_at]} 3, or name one whose values all differ: data.columns: {{id: NAME}}")  # fmt: skip
            return
        elif row == header and names is header:
            notes.add("the header stands here again: were two files joined?", line, "remove this line")
            yield None
        elif len(row) != width:
            notes.add(f"{len(row)} fields, but the header has {width}" if names is header else
                      f"{len(row)} fields, but data.columns lists {width}", line,
                      "a text that holds a tab, a line break or a double quote must be quoted")  # fmt: skip
            yield None
        else:
            name, video = None if id_at is None else row[id_at], None if video_at is None else row[video_at]
            yield line, name, video, row[text_at], row[label_at]


def _csv_rows(text: str, notes: Notes) -> Iterator[tuple[int, list[str] | None]]:
    for line, row in csv_lines(text, "\t"):
        if isinstance(row, csv.Error):
            reason = "text follows a closing quote" if "expected after" in str(row) else row
            notes.add(f"not valid TSV: {reason}", line,
                      "a text that starts with a double quote must be quoted, and its quotes doubled")  # fmt: skip
            yield line, None
        elif any("\t" in field and ("\n" in field or "\r" in field) for field in row):
            notes.add("a quote that is not closed? rows may have been swallowed: one field holds tabs and line breaks",
                      line, "a text that starts with a double quote must be quoted, and its quotes doubled: "
                      '"""Hi"" he said"; a text that holds both is refused: write a space for its tabs')  # fmt: skip
            yield line, None
        elif any(len(field) > LONGEST for field in row):
            notes.add(f"not valid TSV: field larger than {LONGEST:,} characters", line,
                      "a text that starts with a double quote must be quoted, and its quotes doubled")  # fmt: skip
            yield line, None
        elif row:
            yield line, row


Places = tuple[int | None, int | None, int, int]


def _places(header: list[str], line: int, notes: Notes, columns: ColumnNames) -> tuple[list[str], Places] | None:
    """The names of the columns, and where id, video, text and label stand; ``None`` after adding what is wrong.

    A video's name serves as the id where there is no id. Given a list of columns, a first line that names all that is
    needed is still a header: files with and without one may stand side by side.
    """
    task = notes.task
    aliases = ALIASES | {"label": (*ALIASES["label"], task.dimension.lower(), task.word.lower())}
    wanted: dict[str, str] = {}
    if isinstance(columns, Mapping):
        # `MELD.text` is for MELD alone and beats `text`
        for column in ALIASES:
            mapped = columns.get(f"{task.name}.{column}", columns.get(column))
            if mapped is not None:
                wanted[column] = mapped
                aliases[column] = (mapped.strip().lower(),)
    names = [name.strip().lower() for name in header]
    found = _found(names, aliases)
    if isinstance(columns, Sequence) and not _enough(found):
        header = list(columns)
        names = [name.strip().lower() for name in header]
        found = _found(names, aliases)
    shown = short(", ".join(header), 400)
    if len(header) == 1 and len(cells := re.split("[,;|]", header[0])) > 2:
        notes.add(f"not tab separated: the first line is one field, `{shown}`, of {len(cells)} with other marks", line,
                  "a table's fields are separated by tabs: save it as tab separated values")  # fmt: skip
        return None
    if not found and not wanted:
        notes.add(
            f"no header: the first line names none of the columns id, text, label (found: {shown})", line,
            "a file without a header needs its columns in order, data.columns: [id, video, text, label] (any other "
            "word for a column to skip); other names need data.columns: {text: Utterance}",
        )  # fmt: skip
        return None
    sound = True
    for column, spellings in aliases.items():
        needed = column in wanted or (column != "video" and not (column == "id" and "video" in found))
        if column not in found and needed:
            sound = False
            hint = f"data.columns maps `{column}` to `{wanted[column]}`. {did_you_mean(wanted[column], header)}" \
                if column in wanted else \
                f"the first line must name the columns, tab separated; `{column}` may also read " \
                + ", ".join(f"`{alias}`" for alias in dict.fromkeys(spellings[1:])) \
                + f", or be mapped: data.columns: {{{column}: NAME}}"  # fmt: skip
            joined = "" if column != "id" or not any(map(_WHOLE.fullmatch, names)) else \
                "where several columns together are the id, write one that joins them, such as `12_3`"  # fmt: skip
            hint = "; ".join(filter(None, (hidden_hint("".join(header)), hint.strip(), joined)))
            notes.add(f"no column `{wanted.get(column, column)}` (found: {shown})", line, hint)
        elif column in found and names.count(names[found[column]]) > 1:
            sound = False
            notes.add(f"the header names `{names[found[column]]}` twice (found: {shown})", line)
    if not sound:
        return None
    return header, (found.get("id"), found.get("video"), found["text"], found["label"])


def _counts_within(names: Sequence[str], id_at: int | None, task: Task, columns: ColumnNames) -> str:
    """The column of dialogues or videos within which numbers for ids count, as in MELD's own files; or nothing.

    Nothing, too, where the user chose the column: that ids repeat is told all the same.
    """
    chosen = isinstance(columns, Mapping) and not columns.keys().isdisjoint(("id", f"{task.name}.id"))
    if id_at is None or chosen or names[id_at].strip().lower() not in _PARTS:
        return ""
    return next((name for name in names if _WHOLE.fullmatch(name.strip().lower())), "")


def _found(names: list[str], aliases: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Where each column stands that the names hold."""
    first = {column: next((alias for alias in aliases[column] if alias in names), None) for column in aliases}
    return {column: names.index(name) for column, name in first.items() if name is not None}


def _enough(found: Mapping[str, int]) -> bool:
    return "text" in found and "label" in found and ("id" in found or "video" in found)
