from __future__ import annotations

import csv
import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from orchestrator.benchmark.published import published, published_acc
from orchestrator.benchmark.task import benchmark_tasks, tasks
from orchestrator.data.samples import read_split
from orchestrator.errors import InputError
from orchestrator.scores.files import score_file, score_files
from tests.shared import GOLDEN, GOLDEN_SETS, MMLA, needs_mmla

MELD = tasks()["MELD"]
NAMES = {"ACC": "acc", "F1": "f1", "Precision": "precision", "Recall": "recall", "WF1": "wf1", "WP": "wp"}


def metrics(row: dict[str, Any]) -> dict[str, float]:
    return {golden: row[ours] for golden, ours in NAMES.items()}


@pytest.mark.parametrize("expected", GOLDEN_SETS)
def test_golden_files(expected: Path) -> None:
    for case in json.loads(expected.read_text()):
        file = next((expected.parent / case["name"]).glob("*.csv"))
        (scored,) = score_file(file, tasks()[case["dataset"]])
        assert metrics(scored.row) == case["metrics"], case["name"]
        odd = ("s6_all_unknown", "s7_binary_all_one", "s8_label_outside_list")
        assert bool(scored.notes) == case["name"].endswith(odd), case["name"]


def test_golden_edge_cases(tmp_path: Path) -> None:
    """The released script's edge cases. Where it crashes (rc 1) this scores:

    - an empty, "None", "nan", ... answer in a CSV counts as the release counts it in a JSONL file: unknown;
    - a label without a colon is the label itself.
    """
    as_unknown = {"ACC": 50.0, "F1": 33.33, "Precision": 33.33, "Recall": 33.33, "WF1": 50.0, "WP": 50.0}
    cases = json.loads((GOLDEN / "edge_cases.json").read_text())
    assert len(cases) == 21
    for case in cases:
        file = tmp_path / "results.csv"
        if case["path"] == "csv label":
            rows = [("emotion: joy", case["label"])]
            crashed = dict.fromkeys(NAMES, 100.0)
        elif case["path"] == "csv video NA":
            rows, crashed = [("emotion: joy", "emotion: joy")], {}
        else:
            rows = [("emotion: joy", "emotion: joy"), (case["pred"], "emotion: anger")]
            crashed = as_unknown
        frame = pd.DataFrame([("NA", "emotion", pred, label) for pred, label in rows],
                             columns=["Video", "Task", "Pred", "Label"])  # fmt: skip
        frame.to_csv(file, index=False)
        expected = crashed if case["rc"] else case["metrics"]
        assert metrics(score_file(file, MELD)[0].row) == expected, case
        if "jsonl" in case["path"]:
            lines = [json.dumps({"predict": pred, "label": label}) for pred, label in rows]
            file.write_text("\n".join(lines))
            assert metrics(score_file(file, MELD)[0].row) == expected, case


def test_missing_answers_are_errors(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    rows = [{"predict": None, "label": "joy"}, {"label": "joy"}, {"predict": math.nan, "label": "joy"},
            {"predict": "", "label": "joy"}, {"predict": 3, "label": "joy"}]  # fmt: skip
    file.write_text("\n".join(map(json.dumps, rows)))
    row = score_file(file, MELD)[0].row
    assert (row["error"], row["empty"], row["unknown"]) == (60, 20, 20)


def test_named_columns(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("gold,label,said\njoy,x,joy\n")
    assert score_file(file, MELD, label_column="Gold", answer_column="said")[0].row["acc"] == 100
    with pytest.raises(InputError, match="did you mean `said`"):
        score_file(file, MELD, answer_column="sai")
    with pytest.raises(InputError, match="holds the answer") as raised:
        score_file(file, MELD)
    assert "columns found: gold, label, said" in str(raised.value)


def test_notes(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("Task,Pred,Label\nintent,joy,bored\nintent,joy,joy\n")
    notes = score_file(file, MELD)[0].notes
    assert "1 of 2 true labels are not in the list of MELD: `bored` (1)" in notes[0]
    assert "says intent, not emotion" in notes[1]
    file.write_text("Task,Pred,Label\nemotion,joy,joy\n,fear,fear\nMOSI,joy,joy\n")
    assert score_file(file, MELD)[0].notes == ["the file's column `Task` says mosi, not emotion"]


def test_rows_that_repeat_or_are_missing_are_told(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("ID,Pred,Label\na,joy,joy\nb,joy,joy\na,fear,joy\n,fear,fear\n,joy,joy\n")
    (scored,) = score_file(file, MELD)
    assert scored.notes == ["rows of MELD repeat an id of column `ID`: `a` is counted 2 times"]
    assert (scored.row["n"], scored.row["acc"]) == (5, 80)
    notes = score_files([file], [MELD])[0].notes
    assert notes[1:] == ["5 rows, but the test split of MELD has 2,610 published ones"]
    assert "dev split of MELD has 1,109" in score_files([file], [MELD], "dev")[0].notes[1]
    rows = [{"id": at % 5, "predict": "so joy", "label": "joy"} for at in range(10)]
    file.write_text("\n".join(map(json.dumps, rows)))
    (note,) = score_file(file, MELD)[0].notes
    assert note.endswith("`0` is counted 2 times, `1` is counted 2 times, `2` is counted 2 times (and 2 more ids)")


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("task,label,answer,task\nMELD,joy,joy,IEMOCAP\n", ":1: the column `task`"),  # both know these labels
        ("task,label,answer,Task\nMELD,joy,joy,IEMOCAP\n", ": the column `task`"),
        ("task,error,label,answer,error\nMELD,boom,joy,,\n", ":1: the column `error`"),
    ],
)
def test_a_column_that_decides_is_there_once(tmp_path: Path, text: str, where: str) -> None:
    (tmp_path / "all.csv").write_text(text)
    with pytest.raises(InputError, match=f"all.csv{where} is there twice"):
        score_file(tmp_path / "all.csv", None)


def test_the_task_may_stand_in_the_rows(tmp_path: Path) -> None:
    file = tmp_path / "all.csv"
    file.write_text("task,label,answer\nMELD,joy,joy\nMOSI,positive,joy\nmeld,fear,joy\nMOSI,positive,so positive\n")
    rows = [scored.row for scored in score_files([file], [])]
    assert [(row["task"], row["n"], row["acc"]) for row in rows[:2]] == [("MELD", 2, 50), ("MOSI", 2, 50)]
    assert (rows[2]["task"], rows[2]["n"], rows[2]["acc"], rows[2]["dimension"]) == ("overall", 4, 50, "2 tasks")
    file.write_text("task,label,answer\nMELDA,joy,joy\n")
    with pytest.raises(InputError, match=r"all.csv:2: `melda` is not a task\n    did you mean"):
        score_files([file], [])
    file.write_text("label,answer\njoy,joy\n")
    with pytest.raises(InputError, match="no column `task`"):
        score_files([file], [])


def test_the_overall_score_is_weighted_by_the_published_sizes(tmp_path: Path) -> None:
    files = []
    for name, label in (("MELD", "joy"), ("MOSI", "positive")):
        files.append(tmp_path / f"{name}.csv")
        files[-1].write_text(f"label,answer\n{label},{'joy' if name == 'MELD' else 'no'}\n")
    chosen = [tasks()["MELD"], tasks()["MOSI"]]
    assert score_files(files, chosen)[2].row["acc"] == round(100 * 2610 / (2610 + 686), 2)
    assert score_files(files, chosen, "dev")[2].row["acc"] == round(100 * 1109 / (1109 + 229), 2)
    with pytest.raises(InputError, match="2 files, but 1 tasks"):
        score_files(files, chosen[:1])
    with pytest.raises(InputError, match="MELD is in two files"):
        score_files(files[:1] * 2, chosen[:1] * 2)


@needs_mmla
def test_all_majority_over_the_12_tests(tmp_path: Path) -> None:
    file = tmp_path / "majority.csv"
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["task", "label", "answer"])
        for task in benchmark_tasks("mmla").values():
            labels = [sample.label for sample in read_split(task, "test", MMLA / "text", "{root}")]
            (most, _) = Counter(labels).most_common(1)[0]
            writer.writerows([task.name, label, f"{task.word}: {most}"] for label in labels)
    rows = [scored.row for scored in score_files([file], [])]
    assert len(rows) == 13
    assert rows[-1]["acc"] == 34.28


def test_counts_of_the_published_values_give_the_published_overall(tmp_path: Path) -> None:
    mmla = benchmark_tasks("mmla")
    checked = 0
    for model, method in dict.fromkeys((entry.model, entry.method) for entry in published()):
        values = {name: published_acc(model, method, name) for name in mmla}
        total = published_acc(model, method)
        if total is None or None in values.values():
            continue
        file = tmp_path / "counts.csv"
        with file.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(["task", "label", "answer"])
            for name, task in mmla.items():
                value = values[name]
                assert value is not None
                right = round(task.sizes["test"] * value.acc / 100)
                answers = [task.labels[0]] * right + ["nothing"] * (task.sizes["test"] - right)
                writer.writerows([name, task.labels[0], answer] for answer in answers)
        row = score_files([file], [])[-1].row
        # tasks are published with one decimal, so their mean may be off by half of that at most; it is by far less
        assert row["acc"] == pytest.approx(total.acc, abs=0.025), (model, method)
        checked += 1
    assert checked == 30
