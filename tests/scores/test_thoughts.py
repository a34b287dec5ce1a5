"""Thoughts before answers: what is read, what is not, and what has no end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.scores.answers import CUT_OFF, Answer, Parser
from orchestrator.scores.oddities import oddities
from orchestrator.scores.thoughts import answer_in
from tests.running import call

PARSE = Parser(["joy", "sadness", "surprise"]).parse


@pytest.mark.parametrize(
    "text",
    [
        "<think>not sadness, surprise</think> emotion: joy",
        "<think>\nsadness?\n</think>\n\nemotion: joy",
        "<think>\n\n</think>\n\njoy",
        "<think></think>joy",
        "</think>joy",
        "sadness or surprise\n</think>\n\njoy",
        "<THINK>sadness</Think> joy",
        # thoughts in thoughts, one after the other, and ends that nothing began
        "<think>a <think>sadness</think> surprise</think> joy",
        "<think>sadness</think> surprise <think>sadness</think> joy",
        "<think>sadness</think> surprise</think> joy",
        # other words for the same
        "<thinking>sadness</thinking>joy",
        "<seed:think>sadness</seed:think>joy",
        "</mm:think>joy",
        "<think:opensource>sadness</think:opensource>joy",
        "◁think▷sadness◁/think▷joy",
        "[THINK]sadness[/THINK]joy",
        "<|channel|>analysis<|message|>sadness<|end|><|start|>assistant<|channel|>final<|message|>emotion: joy",
        "<|channel|>analysis<|message|>sad<|end|><|channel|>analysis<|message|>sadness<|channel|>final<|message|>joy",
        "<|channel|>final<|message|>joy",
        "<|channel>thought\nsadness<channel|>joy",
        # no thought at all
        "I think joy",
        "joy, on any channel",
    ],
)
def test_what_follows_the_thought_is_read(text: str) -> None:
    assert PARSE(text) == Answer("joy", "label")


@pytest.mark.parametrize(
    "text",
    [
        "<think>",
        "<think>\nnot sadness, surprise",
        "<think>sadness",
        "<think>a <think>sadness</think> so it is joy",
        "<think>surprise</think> sadness <think>or is it joy",
        "<seed:think>joy",
        "[THINK]joy",
        "<|channel|>analysis<|message|>joy",
        "<|channel>thought\njoy",
    ],
)
def test_a_thought_without_an_end_is_no_answer(text: str) -> None:
    answer = PARSE(text)
    assert answer == CUT_OFF == Answer(None, "cut_off")
    assert answer.scored_as == "unknown"


def test_the_rest_is_read_as_any_text() -> None:
    assert PARSE("<think>joy</think>").outcome == "empty"
    assert PARSE("<think>joy</think>\n\n").outcome == "empty"
    assert PARSE("<think>joy</think> no idea").outcome == "unknown"
    assert PARSE("<think>joy</think> joy or sadness").outcome == "multi"
    assert PARSE("<think>joy</think> sadness") == Answer("sadness", "label")
    assert answer_in("<think>a</think> b <b>c</b>") == " b <b>c</b>"
    assert answer_in("x < think > y </ think> z") == "x < think > y </ think> z"


def test_cut_thoughts_are_told() -> None:
    answers = [PARSE(text) for text in ("joy", "<think>joy", "<think>sadness")]
    told = oddities(["joy"] * 3, answers, ["joy", "<think>joy", "<think>sadness"])
    assert any(note.startswith("2 of 3 answers were cut off in a thought: raise inference.max_thi") for note in told)


def score_json(file: Path, *rows: dict[str, Any]) -> dict[str, Any]:
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    found: dict[str, Any] = json.loads(call("score", file, "--task", "MELD", "--json").splitlines()[-1])
    return found


def test_score_reads_files_with_thoughts(tmp_path: Path) -> None:
    answers = ["<think>not sadness, surprise</think> emotion: joy", "<think>joy", "joy", "<think>joy</think>"]
    found = score_json(tmp_path / "answers.jsonl", *({"label": "joy", "prediction": one} for one in answers))
    assert (found["acc"], found["cut_off"], found["empty"], found["multi"]) == (50, 25, 25, 0)
