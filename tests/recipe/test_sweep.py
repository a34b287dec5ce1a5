"""Sweeps: which combinations there are, and which are refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.errors import InputError
from orchestrator.recipe.files import RecipeFiles
from orchestrator.recipe.load import load_recipe, load_sweep, sweep_of
from orchestrator.recipe.recipe import Recipe
from orchestrator.recipe.sweep import MOST
from tests.recipe_files import GOOD, JSON, write

pytestmark = pytest.mark.usefixtures("own_folder")


def swept(*sweep: str, text: str = "", **options: Any) -> list[Recipe]:
    return load_sweep(write(GOOD + text), sweep=sweep, **options)


def refused(*sweep: str, text: str = "", **options: Any) -> list[str]:
    with pytest.raises(InputError) as caught:
        swept(*sweep, text=text, **options)
    return [str(problem) for problem in caught.value.problems]


def rates(recipes: Sequence[Recipe]) -> list[tuple[float, int]]:
    return [(recipe.training.learning_rate, recipe.seed) for recipe in recipes]


EVERY = [(1e-5, 1), (1e-5, 2), (5e-5, 1), (5e-5, 2)]


def test_all_combinations_with_the_last_key_fastest() -> None:
    found = swept("train.learning_rate=1e-5,5e-5", "seed=1,2")
    assert rates(found) == EVERY
    assert [recipe.name for recipe in found] == [
        "x-learning_rate_1e-5-seed_1", "x-learning_rate_1e-5-seed_2",
        "x-learning_rate_5e-5-seed_1", "x-learning_rate_5e-5-seed_2",
    ]  # fmt: skip
    assert {recipe.results_name for recipe in found} == {"x.sweep-learning_rate-seed"}
    assert [dict(recipe.swept.values) for recipe in found if recipe.swept][1] == {
        "train.learning_rate": "1e-5",
        "seed": "2",
    }


def test_a_combination_is_the_recipe_with_these_values() -> None:
    (one,) = swept("seed=3", "train.lora={rank: 4}")
    (other,) = load_sweep(write(GOOD), ["seed=3", "train.lora.rank=4"])
    assert one.resolved() | {"name": "x"} == other.resolved()
    assert one.model_copy(update={"name": "x"}).digest == other.digest
    assert (other.name, other.swept, other.results_name) == ("x", None, "x")


def test_a_section_of_the_file_and_the_command_line_over_it() -> None:
    text = "sweep: {train.learning_rate: [1e-5, 5e-5], seed: [1, 2]}\n"
    assert rates(swept(text=text)) == EVERY
    assert rates(swept("seed=7", text=text)) == [(1e-5, 7), (5e-5, 7)]
    assert [recipe.training.epochs for recipe in swept("train.epochs=1,2", text=text)] == [1, 2] * 4
    assert sweep_of(write(GOOD + text)) == {"sweep": {"train.learning_rate": [1e-5, 5e-5], "seed": [1, 2]}}
    assert load_recipe(write(GOOD + text)).name == "x"


def test_a_sweep_is_extended_key_by_key() -> None:
    write(GOOD + "sweep: {train.learning_rate: [1e-5, 5e-5], seed: [1, 2]}\n", "b.yaml")
    found = load_sweep(write("extends: b.yaml\nsweep: {seed: [3], train.epochs: null}\n"))
    assert rates(found) == [(1e-5, 3), (5e-5, 3)]
    (alone,) = load_sweep(write("extends: b.yaml\nsweep:\n"))
    assert alone.swept is None


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("inference.batch_size=[1,8]", [1, 8]),
        ("inference.batch_size=1,8", [1, 8]),
        ("tasks=[MELD],[MIntRec, MOSI]", [("MELD",), ("MIntRec", "MOSI")]),
        ("tasks=[[MELD],[MIntRec, MOSI]]", [("MELD",), ("MIntRec", "MOSI")]),
        ("tasks=[MELD]", [("MELD",)]),
        ("prompt.history=[[a, b]],[]", [(("a", "b"),), ()]),
        ("prompt.system=it's, that's", ["it's", "that's"]),
        ("prompt.system='a, b',\"c, d\"", ["a, b", "c, d"]),
        ("select.strategy=last,best_eval", ["last", "best_eval"]),
        ("data.modality=null,text", [None, "text"]),
        ("data.limit=null,10", [None, 10]),
        ("train.lora={rank: 8, alpha: 16},{rank: 16, alpha: 32}", [(8, 16), (16, 32)]),
        ("train.extra.neftune_noise_alpha=[1, 5.5]", [{"neftune_noise_alpha": 1}, {"neftune_noise_alpha": 5.5}]),
        ("train.extra.betas=[[0.9, 0.99]]", [{"betas": [0.9, 0.99]}]),
    ],
)
def test_values_are_read_as_the_schema_wants_them(option: str, expected: list[Any]) -> None:
    found = []
    for recipe in swept(option):
        value: Any = recipe
        for key in option.partition("=")[0].split(".")[:2]:
            value = getattr(value, key)
        found.append((value.rank, value.alpha) if "lora" in option else value)
    assert found == expected


def test_a_model_is_swept_by_its_name() -> None:
    found = swept("model=tiny_qwen2,qwen2_7b")
    assert [recipe.model.name for recipe in found] == ["Tiny-Qwen2", "Qwen2-7B"]
    assert [recipe.name for recipe in found] == ["x-model_tiny_qwen2", "x-model_qwen2_7b"]


def test_rows_of_tasks_behave_as_with_set() -> None:
    text = "train: {epochs: 3, per_task: {MELD: {epochs: 10, learning_rate: 1e-3}}}\n"
    assert [recipe.train_for("MELD").epochs for recipe in swept("train.epochs=1,2", text=text)] == [1, 2]
    found = swept("train.per_task.MELD.epochs=1,2", text=text)
    assert [recipe.train_for("MELD").epochs for recipe in found] == [1, 2]
    assert [recipe.name for recipe in found] == ["x-MELD.epochs_1", "x-MELD.epochs_2"]
    (row,) = swept("train.per_task.MELD={epochs: 4}", text=text)
    assert (row.train_for("MELD").epochs, row.train_for("MELD").learning_rate) == (4, 1e-3)


def test_set_task_and_limit_are_for_all_combinations() -> None:
    found = swept("seed=1,2", overrides=["train.epochs=9"], tasks=["MOSI"], limit=5)
    assert {(recipe.training.epochs, recipe.tasks, recipe.data.limit) for recipe in found} == {(9, ("MOSI",), 5)}


REFUSED: list[tuple[list[str], list[str]]] = [
    (["sed=1"], ["--sweep sed=1: unknown key `sed`\n    did you mean `seed`?"]),
    (["learning_rate=1"],
     ["--sweep learning_rate=1: unknown key `learning_rate`\n    `learning_rate` belongs under `train`"]),
    (["train.epoch=1,2"], ["--sweep train.epoch=1,2: unknown key `train.epoch`\n    did you mean `epochs`?"]),
    (["seed"], ["--sweep seed: a sweep is KEY=VALUE,VALUE,...\n    for example --sweep seed=1,2,3"]),
    (["seed=1", "seed=2"], ["--sweep seed=2: `seed` is swept twice\n    also by --sweep seed=1"]),
    (["train.learning_rate=1e-4,0.0001"],
     ["--sweep train.learning_rate=1e-4,0.0001: two combinations come to the same run: `train.learning_rate` is "
      "1e-4 twice\n    leave one out"]),
    (["train.epochs=3,3.0"],
     ["--sweep train.epochs=3,3.0: two combinations come to the same run: `train.epochs` is 3 twice\n"
      "    leave one out"]),
    (["seed=1,x"], ["--sweep seed=1,x: `seed` must be a whole number, not the text 'x'"]),
    (["tasks=MELD,MOSI"],
     ["--sweep tasks=MELD,MOSI: `tasks` must be a list, not the text 'MELD'\n    write `[MELD]`",
      "--sweep tasks=MELD,MOSI: `tasks` must be a list, not the text 'MOSI'\n    write `[MOSI]`"]),
    (["train.extra.x=[1,2"],
     ["--sweep train.extra.x=[1,2: this is not valid YAML: did not find expected ',' or ']'\n"
      "    a colon, quote or bracket is missing, or the indentation is wrong"]),
]  # fmt: skip


@pytest.mark.parametrize(("options", "expected"), REFUSED, ids=[options[0] for options, _ in REFUSED])
def test_bad_options(options: list[str], expected: list[str]) -> None:
    assert refused(*options)[: len(expected)] == expected


@pytest.mark.parametrize("key", ["name", "description", "extends", "sweep"])
def test_what_is_no_setting_is_not_swept(key: str) -> None:
    assert refused(f"{key}=a,b")[0].startswith(f"--sweep {key}=a,b: `{key}` cannot be swept: it is no setting\n")


def test_bad_sections_all_at_once() -> None:
    text = "sweep:\n  seed: 1\n  train: {epochs: [1]}\n  train.epochs: []\n  inference.top_p: [1, 2]\n  tsks: [1]\n"
    assert refused(text=text) == [
        "x.yaml:5:9: the values of `seed` must be a list, not the number 1\n    write `seed: [1]`",
        "x.yaml:6:10: the values of `train` must be a list, not a mapping\n"
        "    write dotted keys, e.g. `train.epochs: [...]`",
        "x.yaml:7:3: the sweep has no values for `train.epochs`\n"
        "    for example `sweep: {train.learning_rate: [1e-5, 5e-5], seed: [1, 2, 3]}`",
        "x.yaml:8:24: `inference.top_p` must be at most 1, not 2",
        "x.yaml:9:3: unknown key `tsks`\n    did you mean `tasks`?",
    ]
    assert refused(text="sweep: [seed]\n")[0].startswith(
        "x.yaml:4:8: `sweep` must be a mapping of keys to lists of values, not a list\n"
    )


def test_a_problem_of_every_combination_is_told_once() -> None:
    assert refused("seed=1,2", text="train: {epochs: 0}\nprompt: {x: 1}\n") == [
        "x.yaml:4:17: `train.epochs` must be greater than 0, not 0",
        "x.yaml:5:10: unknown key `prompt.x`\n    known keys: template, system, train_system, history",
    ]
    assert refused("seed=1,2", text="name: a b\n") == [
        "x.yaml:4:7: `name` 'a b' holds other characters\n"
        "    letters, digits and . _ - + only, for it names a folder: set `name:`, or rename the file"
    ]


def test_too_many_combinations() -> None:
    values = ",".join(map(str, range(MOST + 1)))
    (said,) = refused(f"seed={values}")
    assert said.endswith("the sweep has 501 combinations, and 500 at most are run by one command\n    leave values out")
    assert len(swept(f"seed={values.rpartition(',')[0]}")) == MOST


def test_an_option_and_the_sweep_do_not_both_say_the_tasks_or_the_limit() -> None:
    assert refused("tasks=[MELD],[MOSI]", tasks=["MELD"]) == [
        "--sweep tasks=[MELD],[MOSI]: --task and the sweep both say `tasks`\n    leave --task out"
    ]
    assert refused("data.limit=1,2", limit=4) == [
        "--sweep data.limit=1,2: --limit and the sweep both say `data.limit`\n    leave --limit out"
    ]


@pytest.mark.parametrize(
    ("option", "sweep"),
    [
        ("seed=3", "seed=1,2"),
        ("train.epochs=3", "train={learning_rate: 1e-4},{epochs: 2}"),
        ("train={epochs: 3}", "train.epochs=1,2"),
        ("train.per_task.MELD.epochs=3", "train.epochs=1,2"),
    ],
)
def test_an_override_that_the_sweep_would_override_is_refused(option: str, sweep: str) -> None:
    said = (
        f"--set {option}: the sweep says otherwise of the same key\n    leave one of them out; one value of a recipe's "
    )
    (told,) = refused(sweep, overrides=[option])
    assert told.startswith(said)
    key, _, values = sweep.partition("=")
    (told,) = refused(text=f"sweep: {{{key}: [{values}]}}\n", overrides=[option])
    assert told.startswith(said)


def test_an_override_beside_the_sweep_is_in_all_combinations() -> None:
    found = swept("train.lora={rank: 4},{rank: 8}", overrides=["train.lora.alpha=3", "seed=1", "seed=2"])
    assert [(one.training.lora.rank, one.training.lora.alpha, one.seed) for one in found] == [(4, 3, 2), (8, 3, 2)]


def test_files_with_what_a_command_line_changes() -> None:
    asked = RecipeFiles([write(GOOD), write(GOOD, "y.yaml")], ["seed=1"], ["MOSI"], 4, ["train.epochs=1,2"])
    assert [recipe.name for recipe in asked.load()] == ["x-epochs_1", "x-epochs_2", "y-epochs_1", "y-epochs_2"]
    assert asked.options() == ["--set", "seed=1", "--sweep", "train.epochs=1,2", "--task", "MOSI", "--limit", "4"]
    last = asked.with_all_tasks(asked.load()[-1])
    assert (last.name, last.tasks, last.training.epochs) == ("y-epochs_2", ("MELD", "MOSI"), 2)
    twice = RecipeFiles([write(GOOD), write(GOOD + "name: x\n", "y.yaml")], sweep=["seed=1,2"])
    with pytest.raises(InputError) as caught:
        twice.load()
    assert [problem.message for problem in caught.value.problems] == [
        "the name `x-seed_1` is also that of x.yaml",
        "the name `x-seed_2` is also that of x.yaml",
    ]


def sweep_or_refuse(*sweep: str, text: str = "") -> None:
    found: list[Recipe] = []
    refused: InputError | None = None
    try:
        found = swept(*sweep, text=text)
    except InputError as error:
        refused = error
    assert len({recipe.name for recipe in found}) == len(found)
    assert found or (refused and refused.problems and all(problem.message for problem in refused.problems))


@settings(max_examples=150)
@given(
    st.sampled_from(["", "seed=", "train.extra.x=", "tasks=", "prompt.system=", "train.lora=", "model=", "a.", "="]),
    st.one_of(st.text(), st.text(alphabet="[]{},:'\" 1a-.e", max_size=20)),
)
def test_no_option_crashes_the_loader(start: str, text: str) -> None:
    sweep_or_refuse(start + text)


@settings(max_examples=100)
@given(st.dictionaries(st.one_of(st.sampled_from(["seed", "train.epochs", "train", "train.extra.x"]), st.text()), JSON))
def test_no_section_crashes_the_loader(section: dict[str, Any]) -> None:
    sweep_or_refuse(text=f"sweep: {json.dumps(section)}\n")
