from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestrator.scores.answer_file import answers_path
from orchestrator.scores.compare.agreement import differing, unlike
from orchestrator.scores.compare.runs import Run, read_runs
from orchestrator.scores.compare.sources import find_sources
from tests.scores.compare.made import Samples, samples, settings, write_run

SAID = samples("joy joy anger", "joy anger anger")


def run(folder: Path, name: str, said: Samples = SAID, *, alone: bool = False, **more: Any) -> Run:
    path = write_run(folder, name, {"MELD": said}, **more)
    if alone:
        answers_path(path).unlink()
    return read_runs(find_sources([str(path)], folder)[0])[0][0]


def test_what_may_differ(tmp_path: Path) -> None:
    other = run(tmp_path, "b", SAID[::-1], signature={"prompt": "x", "decoding": "t=1", "frames": "8x4", "env": "y"})
    assert unlike(run(tmp_path, "a"), other) == []


@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize(
    ("part", "said"),
    [
        ("data", "the utterances (or their labels) (data 11111111 and 22222222)"),
        ("labels", "the task's list of labels (labels 11111111 and 22222222)"),
        ("split", "the split (split 11111111 and 22222222)"),
        ("n", "the number of samples (n 11111111 and 22222222)"),
        ("parser", "the rule by which answers are read (parser 11111111 and 22222222)"),
    ],
)
def test_what_must_agree(tmp_path: Path, part: str, said: str, *, alone: bool) -> None:
    one = run(tmp_path, "a", signature={part: "11111111"}, alone=alone)
    two = run(tmp_path, "b", signature={part: "22222222"}, alone=alone)
    (odd,) = unlike(one, two)
    assert (odd.task, odd.run, odd.parts) == ("MELD", "b", (part,))
    assert odd.problem.message == f"MELD: `a` and `b` differ in {said}"
    assert odd.problem.where == str(two.path)


def test_other_samples_and_labels_under_the_same_signature(tmp_path: Path) -> None:
    same = {"signature": {"data": "dddddddd"}}
    one = run(tmp_path, "a", **same)
    (odd,) = unlike(one, run(tmp_path, "b", samples("joy joy anger", "joy joy joy", "t"), **same))
    assert odd.problem.message.endswith("their samples: 6 ids are in one of them alone (s0, s1, s2 and 3 more)")
    (odd,) = unlike(one, run(tmp_path, "c", samples("joy fear joy", "joy joy joy"), **same))
    assert odd.problem.message.endswith("the true labels of 2 samples: `s1` is `joy` and `fear`")
    assert odd.parts == ("data",)


def test_a_row_without_a_signature_tells_its_split_and_number(tmp_path: Path) -> None:
    one = run(tmp_path, "a")
    other = run(tmp_path, "b", split="dev", alone=True)
    other.rows["MELD"]["signature"] = None
    (odd,) = unlike(one, other)
    assert odd.parts == ("split",)


def test_settings_that_differ(tmp_path: Path) -> None:
    one = run(tmp_path, "a", seed=1, signature={"frames": "4x10"}, prompt="p.j2@1")
    two = run(tmp_path, "b", seed=2, signature={"frames": "8x10"}, prompt="p.j2@1")
    for each, told in ((one, settings(train__weight_decay=0.5, seed=1)), (two, settings(train__extra={"x": 1}))):
        each.rows["MELD"]["settings"] = told
    assert differing([one, two], ["MELD"]) == {
        "frames": ["4x10", "8x10"],
        "seed": ["1", "2"],
        "train.weight_decay": ["0.5", "default"],
        "train.extra": ["default", '{"x": 1}'],
    }
    # an earlier version's CSV does not tell
    two.rows["MELD"]["settings"] = None
    assert differing([one, two], ["MELD"])["train.weight_decay"] == ["0.5", "?"]


def test_a_setting_that_differs_by_task(tmp_path: Path) -> None:
    paths = [
        write_run(tmp_path, name, dict.fromkeys(("MELD", "MOSI", "IEMOCAP"), SAID), prompt="p.j2@1") for name in "ab"
    ]
    one, two = read_runs(find_sources(list(map(str, paths)), tmp_path)[0])[0]
    for place, task in enumerate(("MELD", "MOSI", "IEMOCAP")):
        one.rows[task]["prompt"] = f"p.j2@{place}"
    assert differing([one, two], list(one.rows)) == {"prompt": ["p.j2@0, p.j2@1 and 1 more", "p.j2@1"]}
