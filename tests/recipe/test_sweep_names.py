"""What the runs of a sweep are called."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import example, given

from orchestrator.checked_yaml.nodes import Node, at_node
from orchestrator.recipe.recipe import NAME
from orchestrator.recipe.sweep_names import LONGEST, is_of_sweep, label, labels, results_name, run_name, value_text
from tests.recipe_files import JSON

HERE = Node(None, "here")


def text(value: Any) -> str:
    return value_text(at_node(value, HERE))


# a name that changes has everybody's sweeps done again
@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("seed", "seed"),
        ("model", "model"),
        ("model.path", "path"),
        ("train.learning_rate", "learning_rate"),
        ("train.lora.rank", "rank"),
        ("train.batch_size", "train.batch_size"),
        ("inference.batch_size", "inference.batch_size"),
        ("select.strategy", "strategy"),
        ("train.per_task.MIntRec2.0.lora.rank", "MIntRec2.0.lora.rank"),
        ("train.extra.epochs", "extra.epochs"),
        ("resources.env.MMLA_X", "env.MMLA_X"),
        ("model.init.config.hidden size", "config.hidden-size"),
    ],
)
def test_a_key_is_called_by_its_last_part_or_as_much_as_tells_it_apart(key: str, expected: str) -> None:
    assert label(key) == expected


def test_keys_that_would_be_called_alike_are_called_whole() -> None:
    assert labels(["train.extra.a b", "train.extra.a-b", "seed"]) == {
        "train.extra.a b": "train.extra.a b",
        "train.extra.a-b": "train.extra.a-b",
        "seed": "seed",
    }


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1e-5, "1e-5"), (0.0001, "1e-4"), (0.00025, "2.5e-4"), (0.01, "0.01"), (3.0, "3"), (3, "3"), (-1.5, "-1.5"),
        (1e22, "1e+22"), (True, "true"), (None, "null"), ("best_eval", "best_eval"), (["MELD"], "MELD"),
        (["MELD", "MIntRec2.0"], "MELD+MIntRec2.0"),
    ],
)  # fmt: skip
def test_plain_values_are_told_as_they_are(value: Any, expected: str) -> None:
    assert text(value) == expected


@pytest.mark.parametrize(
    ("value", "begins"),
    [
        ("/models/Qwen2-7B/", "Qwen2-7B"), ("Qwen/Qwen2-7B", "Qwen2-7B"), ("3", "3"), ("a+b", "a+b"), ("", ""),
        ({"rank": 8}, "rank-8"), ([], ""), (["MELD"] * 20, "MELD+MELD+MELD+MELD+MELD+MELD+ME"), ("愤怒 了", "愤怒-了"),
    ],
)  # fmt: skip
def test_others_are_shortened_with_a_hash(value: Any, begins: str) -> None:
    assert re.fullmatch(rf"{re.escape(begins)}{'-' if begins else ''}[0-9a-f]{{6}}", text(value))


@given(JSON, JSON)
@example("A", ["A"])
def test_names_hold_what_names_may_hold_and_tell_values_apart(one: Any, other: Any) -> None:
    for value in (one, other):
        assert re.fullmatch(r"[\w.+-]+", text(value))
        assert re.fullmatch(NAME, run_name("x", {"seed": text(value)}, {"seed": "seed"}))
    one, other = alone(one), alone(other)
    same = one == other and repr(one).replace(".0", "") == repr(other).replace(".0", "")
    if not same and not isinstance(one, float | int) and not isinstance(other, float | int):
        assert text(one) != text(other) or one == other


def alone(value: Any) -> Any:
    """A list of one name as this name: where a key takes both, they mean the same."""
    return value[0] if isinstance(value, list) and len(value) == 1 and isinstance(value[0], str) else value


def test_the_order_of_the_keys_is_no_part_of_a_name() -> None:
    called = labels(["train.learning_rate", "seed"])
    names = {
        run_name("x", values, called)
        for values in ({"seed": "1", "train.learning_rate": "2"}, {"train.learning_rate": "2", "seed": "1"})
    }
    assert names == {"x-learning_rate_2-seed_1"}
    assert results_name("x", labels(["seed", "train.learning_rate"])) == results_name("x", called)


def test_a_long_name_is_cut_and_stays_its_own() -> None:
    names = {run_name("x" * 90, {"seed": str(seed)}, {"seed": "seed_of_it"}) for seed in range(50)}
    assert {len(name) for name in names} == {LONGEST}
    assert len(names) == 50


def test_runs_of_a_recipes_sweep_are_known_by_their_names() -> None:
    for name in ("a-seed_1", "a-learning_rate_1e-5-seed_1", "a-MELD.epochs_3", "a-extra.x_1", "a-train.batch_size_4"):
        assert is_of_sweep(name, "a"), name
    for name in ("a", "a-2", "a-b_1", "ab-seed_1", "b-seed_1", "a-seed", "a_seed_1"):
        assert not is_of_sweep(name, "a"), name
