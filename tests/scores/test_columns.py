"""Which columns are read, and what is refused because another one may be meant."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.benchmark.task import tasks
from orchestrator.errors import InputError
from orchestrator.scores.files import score_file

MELD = tasks()["MELD"]


def written(folder: Path, content: str | list[Any]) -> Path:
    file = folder / "answers"
    text = content if isinstance(content, str) else "\n".join(map(json.dumps, content))
    file.write_text(text)
    return file


def read(file: Path, **named: str) -> tuple[str, str, float]:
    (scored,) = score_file(file, MELD, **named)
    assert scored.columns is not None
    return (*scored.columns, scored.row["acc"])


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        # the release, LLaMA-Factory, ms-swift, VLMEvalKit, lm-evaluation-harness, inspect
        ("Video,Task,Pred,Label\na,emotion,emotion: joy,emotion: joy\n", ("Label", "Pred", 100)),
        ([{"prompt": "fear?", "predict": "joy", "label": "joy"}], ("label", "predict", 100)),
        ([{"response": "joy", "labels": "emotion: joy", "messages": []}], ("labels", "response", 100)),
        ("index,question,answer,prediction\n0,?,joy,joy\n1,?,anger,joy\n", ("answer", "prediction", 50)),
        ([{"doc": {"label": "fear"}, "target": "joy", "resps": [["joy"]], "filtered_resps": ["joy"], "acc": 1.0}],
         ("target", "filtered_resps", 100)),
        (json.dumps({"version": 2, "eval": {"task": "x"}, "samples": [
            {"id": 1, "target": "joy", "output": {"model": "m", "completion": "joy"}}]}, indent=2),
         ("target", "output.completion", 100)),
        # what is left to scoring: columns that are none of the two, blank ones, ones that say the same
        ("label,answer,reasoning,text\njoy,joy,because anger,anger\n", ("label", "answer", 100)),
        ("label,response,prediction\njoy,,joy\nfear,,joy\n", ("label", "prediction", 50)),
        ("label,emotion,response,prediction\njoy,emotion: Joy,it is joy,joy\n", ("label", "prediction", 100)),
        ("id;label;predict\n1;joy;joy, of course\n", ("label", "predict", 100)),
        ("label|predict\njoy|fear\n", ("label", "predict", 0)),
        ("note,note,label,predict\n1,2,joy,joy\n", ("label", "predict", 100)),
    ],
)  # fmt: skip
def test_files_of_others(tmp_path: Path, content: str | list[Any], expected: tuple[str, str, float]) -> None:
    assert read(written(tmp_path, content)) == expected


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("id,text,label,model_output\n1,I feel joy,joy,anger\n", "`text` mostly holds the utterance"),
        ("label,text\njoy,joy\n", "cannot tell which column holds the answer"),
        ("label,predict,predict\njoy,joy,anger\n", ":1: the column `predict` is there twice"),
        ("label,predict,label\njoy,joy,anger\n", ":1: the column `label` is there twice"),
        ('{"label": "joy", "predict": "joy"}\n{"label": "joy", "predict": "joy", "predict": "fear"}',
         ":2: the column `predict` is there twice"),
        ("label,prediction,response\njoy,joy,joy\njoy,joy,fear\n", ":3: `prediction` or `response`: both may hold"),
        ("label,gold,predict\njoy,fear,joy\n", ":2: `label` or `gold`: both may hold the label"),
        ("Label,label,predict\njoy,fear,joy\n", ":2: `Label` or `label`: both may hold the label"),
        ("label,utterance,response\njoy,what a joy,what a joy\nfear,no,no\n", "repeats column `utterance`"),
        ("label,utterance,response\njoy,what a joy ,What a  joy\nfear,no,no\n", "repeats column `utterance`"),
        ("label,predict\nwhat a joy,joy\nno,fear\n", "`label` holds no label of MELD: `no`, `what a joy`"),
        ("question,answer,prediction\n?,so joyful,joy\n", "cannot tell which column holds the label"),
        ("id,answer\n1,joy\n", "cannot tell which column holds the label"),
        ([{"label": "joy", "output": {"said": {"text": "joy"}}}] * 2, "--answer-column output.said"),
        ([{"label": "joy", "response": ["joy", "fear"]}] * 2, "`response` holds a list"),
        (json.dumps({"label": {"0": "joy"}, "predict": {"0": "joy"}}), "to_json('rows.json', orient='records')"),
        (json.dumps({"a": [{"x": 1}], "b": [{"y": 1}]}, indent=1), "one JSON object, whose rows may be in `a`, `b`"),
    ],
)  # fmt: skip
def test_what_may_mean_something_else(tmp_path: Path, content: str | list[Any], message: str) -> None:
    file = written(tmp_path, content)
    with pytest.raises(InputError) as raised:
        read(file)
    assert message in str(raised.value)
    assert len(raised.value.problems) <= 2, "one for each of the two columns"


def test_columns_that_are_named_win(tmp_path: Path) -> None:
    file = written(tmp_path, "label,gold,text,predict,response\njoy,fear,fear,joy,joy\njoy,fear,fear,joy,no\n")
    named = {"label_column": "gold", "answer_column": "text"}
    assert read(file, **named) == ("gold", "text", 100)
    file = written(tmp_path, [{"doc": {"a.b": "joy"}, "target": "fear", "out": [{"text": "joy"}]}] * 2)
    with pytest.raises(InputError, match=r"columns found: doc, doc\.a\.b, target, out"):
        read(file, label_column="doc.a.b")
    file = written(tmp_path, [{"doc": {"a.b": "joy"}, "target": "fear", "out": {"text": "joy"}}] * 2)
    assert read(file, label_column="doc.a.b", answer_column="out.text") == ("doc.a.b", "out.text", 100)
    file = written(tmp_path, "Label,LABEL,predict\njoy,fear,joy\n")
    assert read(file, label_column="LABEL")[2] == 0
    with pytest.raises(InputError, match="`label` may be `Label`, `LABEL`"):
        read(file, label_column="label")
    with pytest.raises(InputError, match="cannot hold both"):
        read(file, label_column="predict", answer_column="predict")


def test_a_column_of_labels_that_is_named_may_hold_others(tmp_path: Path) -> None:
    file = written(tmp_path, "label,predict\nbored,joy\nbored,joy\n")
    (scored,) = score_file(file, MELD, label_column="label")
    assert "2 of 2 true labels are not in the list of MELD" in scored.notes[0]


def test_what_is_no_sign_is_shown(tmp_path: Path) -> None:
    file = written(tmp_path, "label,predict\njo\u200by,joy\njoy,joy\n\x1b[2J\x9b,fear\n")
    assert "`jo<U+200B>y` (1), `<U+001B>[2j<U+009B>` (1)" in score_file(file, MELD)[0].notes[0]
