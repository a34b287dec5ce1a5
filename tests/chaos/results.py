"""The results CSV and its folder."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Callable
from pathlib import Path

from orchestrator.scores.answer_file import answers_path
from tests.chaos.table import CALM, EITHER, TOLD, add
from tests.chaos.world import Lab, understandable


def table(change: Callable[[list[list[str]]], list[list[str]]]) -> Callable[[Path], object]:
    def edit(path: Path) -> None:
        rows = change(list(csv.reader(path.open(newline=""))))
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows)
        path.write_text(text.getvalue())

    return edit


def folder_instead(path: Path) -> None:
    path.unlink()
    path.mkdir()


EDITS: dict[str, Callable[[Path], object]] = {
    "removed": Path.unlink,
    "emptied": lambda path: path.write_text(""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:300]),
    "zeros": lambda path: path.write_bytes(bytes(500)),
    "read-only": lambda path: path.chmod(0o444),
    "a number edited by hand": table(lambda rows: [rows[0], *([*row[:11], "99.99", *row[12:]] for row in rows[1:])]),
    "a column more": table(lambda rows: [[*row, "note" if not n else "mine"] for n, row in enumerate(rows)]),
    "a column less": table(lambda rows: [row[:11] + row[12:] for row in rows]),
    "columns in another order": table(lambda rows: [row[::-1] for row in rows]),
    "rows twice": table(lambda rows: rows + rows[1:]),
    "a row less": table(lambda rows: rows[:-1]),
    "a byte order mark and Windows line ends": lambda path: path.write_bytes(
        b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n")),
    "semicolons": lambda path: path.write_text(path.read_text().replace(",", ";")),
    "another text": lambda path: path.write_text("my notes\n"),
    "a folder": folder_instead,
    "a broken link": lambda path: (path.unlink(), path.symlink_to("nowhere/chaos.csv")),
}  # fmt: skip


def edited(lab: Lab, how: str, state: str, answers: bool = False) -> None:
    """Whatever was there, afterwards the calm run's CSV is; a folder or a link's lacking target may be refused."""
    world = lab.at("done")
    if state == "unscored":
        shutil.rmtree(world.stage("score"))
    file = answers_path(world.results) if answers else world.results
    EDITS[how](file)

    def back() -> None:
        if file.is_dir():
            file.rmdir()
        file.unlink(missing_ok=True)

    code, said = world.run()
    if code:
        understandable(said, code)
        back()
    world.settles()


def removed_meanwhile(lab: Lab, instead: bool) -> None:
    world = lab.at("new")
    folder = world.results.parent
    with world.held("train"):
        shutil.rmtree(folder, ignore_errors=True)
        if instead:
            folder.write_text("a file")
    if world.code:
        understandable(world.said, world.code)
        folder.unlink(missing_ok=True)
    world.settles()


def read_only(lab: Lab, meanwhile: bool) -> None:
    """Noticed before any work is done; or, where it comes later, told with the results kept."""
    world = lab.at("new")
    folder = world.results.parent
    folder.mkdir(exist_ok=True)
    drop = 'exec setpriv --bounding-set=-dac_override,-dac_read_search "$@"'  # else root may write everywhere
    folder.chmod(0o555)
    try:
        code, said = world.shell(drop)
        understandable(said, code)
        assert not list(world.folder.glob("runs/*/*/*/stage.json")), "it worked first"
    finally:
        folder.chmod(0o755)
    world.settles()


for _how in ("removed", "emptied", "cut", "zeros", "read-only", "a folder", "a broken link"):
    add("results", f"the answers beside the CSV: {_how}", EITHER, edited, _how, "done", True)
for _how in EDITS:
    for _state in ("done", "unscored"):
        add("results", f"the CSV when {_state}: {_how}", EITHER, edited, _how, _state)
add("results", "its folder removed while a run goes on", CALM, removed_meanwhile, False, real=True)
add("results", "its folder becomes a file while a run goes on", EITHER, removed_meanwhile, True)
add("results", "its folder is read-only", TOLD, read_only, False)
