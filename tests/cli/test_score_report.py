"""``score --report`` as people see it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from orchestrator.benchmark.task import tasks
from orchestrator.cli.score_report import report_text
from orchestrator.scores.answers import Answer, Parser
from orchestrator.scores.report import Report
from tests.running import call


def test_a_small_task_is_shown_whole(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("label,answer\nstatement,statement\nstatement,command\nquestion,who knows\napology,\n")
    said = call("score", file, "--task", "demo", "--report")
    body = said[said.index("demo, by label") : said.index("\ndemo: labels from")]
    assert body == (
        "demo, by label\n"
        "true label  n   prec.  recall     f1  unknown  empty\n"
        "statement   2  100.00   50.00  66.67\n"
        "question    1    0.00    0.00   0.00        1\n"
        "command     0    0.00    0.00   0.00\n"
        "apology     1    0.00    0.00   0.00               1\n"
        "\n"
        "true label  answered  times  of the label\n"
        "statement   command       1        50.0 %\n"
        "question    unknown       1       100.0 %\n"
        "apology     empty         1       100.0 %\n"
        "\n"
        "answered (columns) to what was true (rows)\n"
        "true label  statement  question  command  apology  unknown  empty\n"
        "statement           1         .        1        .        .      .\n"
        "question            .         .        .        .        1      .\n"
        "command             .         .        .        .        .      .\n"
        "apology             .         .        .        .        .      1\n"
    )


@pytest.mark.parametrize(
    "labels",
    [
        ["a label that goes on for long, one", "a label that goes on for long, two", "x"],
        ["true label", "answered", "n", "f1", "times"],
        ["emp\x1bty", "a" * 25, "a" * 26, "a" * 27],
    ],
)
def test_each_label_has_its_row_and_its_column(labels: list[str]) -> None:
    truth = [label for label in labels for _ in labels]
    text = report_text("T", Report.of(truth, [Answer(label, "label") for label in labels * len(labels)], labels))
    by_label, _, matrix = text.split("\n\n")
    names = [re.split("  +", line)[0] for line in by_label.splitlines()[2:]]
    assert len(set(names)) == len(labels)
    # each was said once of each, or the table is too wide
    if "--json" not in matrix:
        head, *rows = matrix.splitlines()[1:]
        assert head.split("  ")[-1].strip() == names[-1]
        assert [re.split("  +", row) for row in rows] == [[name, *["1"] * len(labels)] for name in names]


def test_notes_say_of_which_results_they_are(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("label,answer,task\n" + "joy,fear,MELD\n" * 40 + "statement,command,demo\n" * 40)
    notes = [line for line in call("score", file).splitlines() if line.startswith("note: ")]
    assert {note.split(": ")[1] for note in notes} == {"MELD", "demo"}
    assert "note: MELD: all answers are the same text, `fear`" in notes


def test_thirty_labels_fit_a_terminal() -> None:
    labels = tasks()["MIntRec2.0"].labels
    others = ("", None, "what", f"{labels[0]}, {labels[1]}")
    right = [(label, label) for label in labels for _ in range(1000)]
    pairs = [*right, *((label, text) for label in labels for text in (*labels, *others) for _ in range(9))]
    answers = [Parser(labels).parse(text) for _, text in pairs]
    text = report_text("MIntRec2.0", Report.of([label for label, _ in pairs], answers, labels))
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    assert all(any(line.startswith(label) for line in lines) for label in labels)
    assert "the 10 most frequent of 990 kinds of mistakes" in lines
    assert lines[-1] == "the whole matrix: --json"


def test_programs_get_the_whole_matrix(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("label,answer,task\njoy,fear,MELD\nstatement,command,demo\n")
    rows = [json.loads(line) for line in call("score", file, "--json", "--report").splitlines() if line[0] == "{"]
    assert [row["task"] for row in rows] == ["MELD", "demo", "overall"]
    assert rows[0]["report"]["confusion"]["joy"] | {"fear": 0} == dict.fromkeys(
        rows[0]["report"]["confusion"]["joy"], 0
    )
    assert rows[0]["report"]["confusion"]["joy"]["fear"] == 1
    assert [one["label"] for one in rows[1]["report"]["labels"]] == ["statement", "question", "command", "apology"]
    assert "report" not in rows[2]
