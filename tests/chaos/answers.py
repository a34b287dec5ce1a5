"""Answers that are lost, damaged or somebody else's; answers of odd texts."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from orchestrator.scores.answer_file import read_answers
from tests.chaos.table import CALM, EITHER, add
from tests.chaos.world import Lab, World

Lines = list[bytes]
PREDICTIONS = "predictions.jsonl"


def with_line(at: int, change: Callable[[bytes], bytes]) -> Callable[[Lines], Lines]:
    return lambda lines: [*lines[:at], change(lines[at]), *lines[at + 1 :]]


def without_text(line: bytes, **more: object) -> bytes:
    return json.dumps({"id": json.loads(line)["id"], **more}).encode()


def of_other_text(line: bytes) -> bytes:
    return json.dumps(json.loads(line) | {"text": "question"}).encode()


DAMAGES: dict[str, Callable[[Lines], Lines]] = {
    "three lines missing": lambda lines: lines[:1] + lines[4:],
    "emptied": lambda lines: [],
    "a line cut in the middle": with_line(2, lambda line: line[: len(line) // 2]),
    "a line of garbage": with_line(2, lambda line: b"\x93\xff garbage"),
    "a line of zeros": with_line(2, lambda line: bytes(len(line))),
    "zeros at its end": lambda lines: [*lines[:3], bytes(4096)],
    "a blank line": lambda lines: [*lines[:2], b"", *lines[2:]],
    "a line that is []": with_line(2, lambda line: b"[]"),
    "a line that is null": with_line(2, lambda line: b"null"),
    "a line without an id": with_line(2, lambda line: b'{"text": "question"}'),
    "an id that is a number": with_line(2, lambda line: b'{"id": 7, "text": "question"}'),
    "a line without text or error": with_line(2, without_text),
    "a text that is a number": with_line(2, lambda line: json.dumps(json.loads(line) | {"text": 5}).encode()),
    "a text that is null": with_line(2, lambda line: json.dumps(json.loads(line) | {"text": None}).encode()),
    "an error that is null": with_line(2, lambda line: without_text(line, error=None)),
    "a line twice": lambda lines: [*lines, lines[1]],
    "a request answered twice, differently": lambda lines: [*lines, of_other_text(lines[1])],
    "a foreign id": lambda lines: [*lines, b'{"id": "demo/other", "text": "question", "seconds": 1}'],
    "a byte order mark": with_line(0, lambda line: b"\xef\xbb\xbf" + line),
    "Windows line ends": lambda lines: [line + b"\r" for line in lines],
}  # fmt: skip


def damage(journal: Path, how: str) -> None:
    lines = journal.read_bytes().split(b"\n")[:-1]
    content = b"".join(line + b"\n" for line in DAMAGES[how](lines))
    journal.write_bytes(content.removesuffix(b"\n") if how == "zeros at its end" else content)


def unscored(world: World) -> None:
    shutil.rmtree(world.stage("score"))


def lost(lab: Lab, state: str, how: str) -> None:
    world = lab.at(state)
    if state == "done":
        unscored(world)
    damage(world.stage("infer") / PREDICTIONS, how)
    world.settles()


def gone(lab: Lab, name: str) -> None:
    world = lab.at("done")
    unscored(world)
    (world.stage("infer") / name).unlink()
    world.settles()


def lost_on_dev(lab: Lab, how: str) -> None:
    world = lab.at("done")
    for kind in ("infer", "score"):
        shutil.rmtree(world.stage(kind))
    (world.stage("select") / "stage.json").unlink()
    damage(sorted(world.stage("select").glob(f"*/{PREDICTIONS}"))[0], how)
    world.settles()


REAL = ("three lines missing", "emptied", "a line of garbage", "zeros at its end", "a line twice", "a foreign id")
ALIKE = ("a blank line", "a line that is []", "an id that is a number", "an error that is null", "a text that is null")
for _how in DAMAGES:
    add("answers", f"while stopped: {_how}", EITHER, lost, "infer", _how, real=_how in REAL, slow=_how in ALIKE)
    add(
        "answers",
        f"done, to be scored again: {_how}",
        EITHER,
        lost,
        "done",
        _how,
        real=_how in REAL,
        slow=_how in ALIKE,
    )
for _how in ("three lines missing", "emptied", "a line of garbage", "a line twice", "a foreign id"):
    add("answers", f"on dev, to be selected again: {_how}", EITHER, lost_on_dev, _how)
for _name in (PREDICTIONS, "requests.jsonl"):
    add("answers", f"done, to be scored again: {_name} removed", EITHER, gone, _name)

ODD = {
    "a lone surrogate": "\ud83d",
    "NUL": "a\0b",
    "line separators": "a\u2028b\u2029c\x85d\re\nf",
    "quotes and commas": "\"a\", 'b'; =1+1\t@c",
    "None": "None",
    "nan": "nan",
    "C1 control characters": "\x80\x9b31m\x9f",
    "right to left": "\u202eabc\u2066",
    "10 MB": "x" * 10_000_000,
    "noncharacters": "\ufeff\ufffe\U0010ffff",
    "an escape sequence": "\x1b[2J\x1b]0;title\x07",
}


def odd(lab: Lab, text: str) -> None:
    """The same scores as with an answer that is no label, either; one that was done would be asked again."""
    found = []
    for said in ("no label at all", text):
        world = lab.at("infer")
        journal = world.stage("infer") / PREDICTIONS
        first, rest = journal.read_text().split("\n", 1)
        record = json.loads(first)
        journal.write_text(json.dumps(record | {"text": said}) + "\n" + rest)
        code, told = world.run()
        assert code == 0, told
        assert "\x1b" not in told
        found.append(world.result()["rows"])
    assert found[0] == found[1]
    rows = read_answers(world.stage("score") / "demo.answers.jsonl.gz")
    kept = {row["id"]: row["answer"] for row in rows}[record["id"].partition("/")[2]]
    assert kept == text or (kept and not text.isprintable()), f"kept as {kept[:80]!r}"


for _name, _text in ODD.items():
    add("answers", f"an answer of {_name}", "scored as any text that is no label", odd, _text)


def asked_again(lab: Lab, killed: bool) -> None:
    world = lab.at("new")
    code, said = world.run(do="error:infer=3,error:infer=9")
    assert code == 0, said
    if killed:
        code, said = world.run("--retry-errors", do="die:infer=9")
        assert code == 1, said
    code, said = world.run("--retry-errors")
    assert code == 0, said
    world.same()


add("answers", "errors, asked again", CALM, asked_again, False)
add("answers", "errors, asked again by a run that is killed, and again", CALM, asked_again, True)
