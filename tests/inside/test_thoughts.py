"""Texts of answers in which what marks a thought is a special token, which decoding leaves out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from orchestrator.inside.thoughts import Thoughts
from orchestrator.scores.answers import Parser

WORDS = ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>")


class Tokenizer:
    """A token for each of its words, of which those in angle brackets with bars are special."""

    words = (
        "<|channel|>",
        "<|message|>",
        "<|end|>",
        "<|start|>",
        "<think>",
        "</think>",
        "analysis",
        "final",
        "assistant",
    )
    words += ("joy", "sadness", " ")
    all_special_ids = (0, 1, 2, 3)

    def encode(self, text: str, **_: Any) -> list[int]:
        found = []
        while text:
            word = next(word for word in self.words if text.startswith(word))
            found.append(self.words.index(word))
            text = text[len(word) :]
        return found

    def decode(self, ids: Sequence[int], **_: Any) -> str:
        return "".join(self.words[one] for one in ids if one not in self.all_special_ids)

    def batch_decode(self, output: Sequence[Sequence[int]], **_: Any) -> list[str]:
        return [self.decode(ids) for ids in output]


class Wordless(Tokenizer):
    """All that it reads are plain tokens."""

    def encode(self, text: str, **_: Any) -> list[int]:
        return [4]


def said(text: str, words: Sequence[str] | None = WORDS) -> str:
    tokenizer = Tokenizer()
    (found,) = Thoughts(tokenizer, words).texts([tokenizer.encode(text)])
    return found


def test_marks_are_seen_though_decoding_leaves_them_out() -> None:
    whole = "<|channel|>analysis<|message|>sadness<|end|><|start|>assistant<|channel|>final<|message|>joy"
    assert said(whole) == "<think>sadness</think>joy"
    assert said(whole, None) == "analysissadnessassistantfinaljoy"
    assert Parser(["joy", "sadness"]).parse(said(whole)).label == "joy"
    assert said("<|channel|>analysis<|message|>sadness joy") == "<think>sadness joy"
    assert said("joy<|end|>") == "joy"


@pytest.mark.parametrize("words", [WORDS, ("<think>\n", "\n</think>\n\n")])
def test_a_text_that_is_cut_off_without_a_mark_is_a_thought(words: Sequence[str]) -> None:
    parser, thoughts = Parser(["joy", "sadness"]), Thoughts(Tokenizer(), words)
    assert parser.parse(thoughts.begun("sadness ")).outcome == "cut_off"
    for text in ("<think>sadness", "<think>sadness</think>joy", "sadness</think>joy"):
        assert thoughts.begun(text) == text
    assert Thoughts(Tokenizer(), None).begun("sadness ") == "sadness "


def test_words_of_the_chat_template_are_marks() -> None:
    text = "◁think▷sadness"
    assert Thoughts(Wordless(), ("◁think▷", "◁/think▷")).begun(text) == text


def test_marks_that_are_plain_tokens_stay() -> None:
    assert said("<think>sadness</think>joy", ("<think>", "</think>")) == "<think>sadness</think>joy"
