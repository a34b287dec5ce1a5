"""Data that is edited while a run goes on (what convert, infer and score read must be what the key was made of)."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

from tests.chaos.table import CALM, EITHER, TOLD, add
from tests.chaos.world import Lab, understandable
from tests.media import write_video
from tests.recipes import write_rows

Rows = list[list[str]]


def rows_of(file: Path) -> Rows:
    with file.open(newline="", encoding="utf-8") as lines:
        return list(csv.reader(lines, delimiter="\t"))[1:]


def rewritten(change: Callable[[Rows], Rows]) -> Callable[[Path], None]:
    return lambda file: write_rows(file, change(rows_of(file)))


def other_form(file: Path) -> None:
    """The same split as JSON, with labels moved on by one."""
    rows = rows_of(file)
    values = [{"id": a[0], "text": a[2], "label": b[3]} for a, b in zip(rows, rows[1:] + rows[:1], strict=True)]
    file.with_suffix(".json").write_text(json.dumps(values))
    file.unlink()


EDITS: dict[str, Callable[[Path], object]] = {
    "labels": rewritten(lambda rows: [[*a[:3], b[3]] for a, b in zip(rows, rows[1:] + rows[:1], strict=True)]),
    "ids": rewritten(lambda rows: [[f"{row[0]}x", *row[1:]] for row in rows]),
    "texts": rewritten(lambda rows: [[*row[:2], row[2][::-1], row[3]] for row in rows]),
    "order": rewritten(lambda rows: rows[::-1]),
    "half of its rows gone": rewritten(lambda rows: rows[::2]),
    "rows added": rewritten(lambda rows: [*rows, *([f"{row[0]}y", *row[1:]] for row in rows)]),
    "emptied": lambda file: file.write_text(""),
    "cut in the middle": lambda file: file.write_bytes(file.read_bytes()[: file.stat().st_size // 2]),
    "removed": Path.unlink,
    "given as JSON": other_form,
}


def put_back(file: Path) -> Callable[[], object]:
    """A function that brings a split's folder back to what it is now."""
    kept = {path: path.read_bytes() for path in file.parent.glob("*.*")}

    def back() -> None:
        for path in file.parent.glob("*.*"):
            path.unlink()
        for path, content in kept.items():
            path.write_bytes(content)

    return back


def edited(lab: Lab, kind: str, split: str, edit: str) -> None:
    world = lab.before(kind)
    file = world.split(split)
    back = put_back(file)
    with world.held(kind):
        EDITS[edit](file)
    if world.code:
        understandable(world.said, world.code)
        back()
    else:
        world.same()
        back()
    world.settles()


def stays_edited(lab: Lab, split: str) -> None:
    """What another calm run over the edited data comes to, with nothing of the first in it."""
    world = lab.at("new")
    with world.held("train"):
        EDITS["labels"](world.split(split))
    code, said = world.run()
    assert code == 0, said
    found = world.result()["rows"]
    shutil.rmtree(world.folder / "runs")
    world.results.unlink()
    code, said = world.run()
    assert code == 0, said
    assert world.result()["rows"] == found


def video_replaced(lab: Lab, kind: str, remove: bool) -> None:
    lab = lab.of("videos")
    world = lab.at("new")
    (clip,) = (world.folder / "data" / "Demo" / "video").glob("demo_test_00002.mp4")
    kept = clip.read_bytes()
    with world.held(kind):
        clip.unlink()
        if not remove:
            write_video(clip, seed=5, frames=30)
    assert world.code, f"nothing is said:\n{world.said}"
    understandable(world.said, world.code)
    clip.write_bytes(kept)
    world.settles()


for _kind, _split in (("infer", "test"), ("init", "train"), ("init", "dev"), ("train", "dev"), ("train", "test")):
    for _edit in EDITS:
        _fast = _edit == "labels" or (_kind == "infer" and _edit not in ("order", "texts", "rows added"))
        add("data", f"{_split}: {_edit} while {_kind} runs", EITHER, edited, _kind, _split, _edit,
            real=_edit == "labels", slow=not _fast)  # fmt: skip
for _split in ("train", "test"):
    _words = "ends as a calm run over the new data"
    add(
        "data",
        f"{_split}: labels while train runs, and they stay",
        _words,
        stays_edited,
        _split,
        real=_split == "train",
    )
add("data", "a video replaced while infer runs", TOLD, video_replaced, "infer", False)
add("data", "a video replaced while train runs", TOLD, video_replaced, "train", False, slow=True)
add("data", "a video removed while infer runs", TOLD, video_replaced, "infer", True)


def touched(lab: Lab) -> None:
    world = lab.at("new")
    with world.held("train"):
        for split in ("train", "dev", "test"):
            file = world.split(split)
            content = file.read_bytes()
            file.unlink()
            file.write_bytes(content)
    assert world.code == 0, world.said
    world.settles()


add("data", "all files written again with the same content", CALM, touched, real=True)
