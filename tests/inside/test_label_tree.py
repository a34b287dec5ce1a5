"""The tree of answers: what it holds, and that it is as small as it can be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any
from zlib import crc32

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from orchestrator.inside.label_answers import LabelAnswers, behind, to_its_end
from orchestrator.inside.label_tree import Node, grow, ways

END = 99
TEXT = st.text(alphabet="ab ü中性😀.", min_size=1, max_size=8)
SPELLERS = {
    "bytes": lambda text: [*text.encode()],
    "letters": lambda text: [ord(letter) for letter in text],
    # two at a time, as a tokenizer that knows pairs
    "pairs": lambda text: [sum(map(ord, text[at : at + 2])) << 8 for at in range(0, len(text), 2)],
    "words": lambda text: [crc32(word.encode()) for word in text.split(" ")],
}


def nodes_of(tree: Sequence[Node]) -> list[Node]:
    return [one for node in tree for one in (node, *nodes_of(node.children))]


@given(st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=6), min_size=1, max_size=12))
@example([[1], [1, 2], [1, 2, 3], [1, 2]])
def test_a_tree_holds_what_it_was_made_of(answers: list[list[int]]) -> None:
    tree = grow(answers)
    assert {place: list(tokens) for place, tokens in ways(tree)} == dict(enumerate(answers))
    assert len(list(ways(tree))) == len(answers)


@given(st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=6), min_size=1, max_size=12))
def test_every_beginning_is_read_once(answers: list[list[int]]) -> None:
    tree = grow(answers)
    beginnings = {tuple(ids[:size]) for ids in answers for size in range(1, len(ids) + 1)}
    assert sum(len(node.tokens) for node in nodes_of(tree)) == len(beginnings)
    # behind the last token of an answer nothing is asked, where none goes on from there
    longer = {tuple(ids[:size]) for ids in answers for size in range(1, len(ids))}
    assert sum(node.read for node in nodes_of(tree)) == len(longer)
    for node in nodes_of(tree):
        assert node.tokens
        assert node.ends or len(node.children) > 1, "a node that says nothing"
        assert len({child.tokens[0] for child in node.children}) == len(node.children)


@pytest.mark.parametrize("speller", SPELLERS)
@given(labels=st.lists(TEXT, min_size=1, max_size=8, unique_by=lambda text: " ".join(text.split())))
@example(labels=["sad", "sad and angry", "very sad", "sa", "中", "中性"])
def test_labels_that_begin_others_end_apart(speller: str, labels: list[str]) -> None:
    """However a tokenizer cuts them, each label is a way of its own with the token that ends the turn."""
    labels = [" ".join(label.split()) or "x" for label in labels]
    spell = SPELLERS[speller]
    if len({tuple(spell(f"emotion: {label}")) for label in labels}) < len(labels):
        return  # told apart below
    made = LabelAnswers(labels, [f"emotion: {label}" for label in labels], lambda text: [*spell(text), END])
    found = dict(ways(made.tree))
    assert [list(found[place]) for place in range(len(labels))] == [[*spell(f"emotion: {one}"), END] for one in labels]
    assert made.sizes == [len(found[place]) for place in range(len(labels))]
    assert all(not node.children for node in nodes_of(made.tree) if node.ends), "no label ends within another one"


def test_labels_that_are_the_same_to_a_tokenizer_are_refused() -> None:
    with pytest.raises(SystemExit, match="`emotion: 中` and `emotion: 性` are the same"):
        LabelAnswers(
            ["中", "性"], ["emotion: 中", "emotion: 性"], lambda text: [0 if letter > "z" else 1 for letter in text]
        )


def test_an_answer_without_tokens_is_an_error() -> None:
    with pytest.raises(ValueError, match="without tokens"):
        grow([[1], []])


def test_tokens_behind_a_prompt() -> None:
    assert behind([1, 2], [1, 2, 3, 4]) == [3, 4]
    with pytest.raises(SystemExit, match="set it to free"):
        behind([1, 2], [1, 7, 3])


def test_an_answer_ends_with_its_turn() -> None:
    assert to_its_end([5, 6, 2, 10], {2, 3}, 2) == [5, 6, 2]  # of Qwen's "<|im_end|>\n" the first
    assert to_its_end([5, 6], {2, 3}, 3) == [5, 6, 3]


def compared(sums: dict[int, float], score: str) -> tuple[str, str, dict[str, Any]]:
    answer = abbc().chosen(sums, score)
    assert isinstance(answer, tuple)
    return answer


def abbc() -> LabelAnswers:
    return LabelAnswers(["a", "bb", "c"], ["x: a", "x: bb", "x: c"], lambda text: [*text.encode(), END])


@pytest.mark.parametrize("worst", [math.nan, math.inf])
def test_what_is_no_number_is_no_answer(worst: float) -> None:
    for sums in ({0: -1.0, 1: worst, 2: -2.0}, dict.fromkeys(range(3), -math.inf)):
        assert "no numbers" in str(abbc().chosen(sums, "sum"))
        assert isinstance(abbc().chosen(sums, "mean"), ValueError)


def test_a_label_that_is_impossible() -> None:
    text, _, known = compared({0: -math.inf, 1: -1.0, 2: -2.0}, "sum")
    assert (text, known["logprobs"]["a"]) == ("x: bb", -1e6)


def test_sum_and_mean_and_ties() -> None:
    made = abbc()
    assert made.sizes == [5, 6, 5]
    text, reason, known = compared({0: -5.0, 1: -5.4, 2: -5.0}, "sum")
    assert (text, reason, known["label"]) == ("x: a", "stop", "a")  # the first of two that are equal
    assert known["logprobs"] == {"a": -5.0, "bb": -5.4, "c": -5.0}
    text, _, known = compared({0: -5.0, 1: -5.4, 2: -5.0}, "mean")
    assert (text, known["logprobs"]) == ("x: bb", {"a": -1.0, "bb": -0.9, "c": -1.0})
    # what differs less than what is kept is equal
    assert compared({0: -5.00000001, 1: -9.0, 2: -5.0}, "sum")[2]["label"] == "a"
