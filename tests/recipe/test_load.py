from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.benchmark.task import benchmark_tasks
from orchestrator.errors import InputError
from orchestrator.recipe.load import load_recipe
from tests.recipe_files import GOOD, JSON, problems, write
from tests.shared import RECIPES

pytestmark = pytest.mark.usefixtures("own_folder")


# --- what is right


def test_a_minimal_recipe() -> None:
    recipe = load_recipe(write(GOOD))
    assert (recipe.name, recipe.method, recipe.tasks) == ("x", "sft", ("MELD",))
    assert recipe.model.name == "Tiny-Qwen2"
    assert recipe.source == Path("x.yaml")


def test_a_resolved_recipe_is_a_recipe_file() -> None:
    recipe = load_recipe(write(GOOD + "train: {extra: {a: [1, null, {b: 1e-3}]}, learning_rate: 1e-5}\n"))
    again = load_recipe(write(json.dumps(recipe.resolved()), "y.yaml"))
    assert again.resolved() == recipe.resolved()
    assert again.digest == recipe.digest


def test_all_means_the_benchmark_in_its_order() -> None:
    recipe = load_recipe(write("method: it\nmodel: tiny_qwen2\ntasks: all\n"))
    assert recipe.tasks == tuple(benchmark_tasks("mmla"))
    assert len(recipe.tasks) == 12


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_recipe_of_the_project_is_valid(path: Path) -> None:
    recipe = load_recipe(path)
    assert recipe.description
    if path.stem != "demo":
        assert recipe.name.endswith(recipe.method)


# --- extends


def test_extends_merges_deeply_and_later_wins() -> None:
    write(
        "train: {epochs: 1, lora: {rank: 4, alpha: 8}}\ntasks: [MOSI, MELD]\nmethod: sft\nmodel: qwen2_7b\n",
        "b/one.yaml",
    )
    write("train: {lora: {alpha: 9}}\nmodel: tiny_qwen2\n", "two.yaml")
    recipe = load_recipe(write("extends: [b/one.yaml, two.yaml]\ntasks: [MUStARD]\ntrain: {max_steps: 5}\n"))
    assert recipe.train is not None
    assert (recipe.train.epochs, recipe.train.max_steps) == (1, 5)
    assert (recipe.train.lora.rank, recipe.train.lora.alpha) == (4, 9)
    assert (recipe.tasks, recipe.model.name) == (("MUStARD",), "Tiny-Qwen2")


def test_extends_is_relative_to_the_file_and_may_be_a_diamond() -> None:
    write(GOOD, "base.yaml")
    write("extends: ../base.yaml\nseed: 1\n", "a/l.yaml")
    write("extends: ../base.yaml\ninference: {batch_size: 2}\n", "a/r.yaml")
    recipe = load_recipe(write("extends: [l.yaml, r.yaml]\n", "a/x.yaml"))
    assert (recipe.seed, recipe.inference.batch_size) == (1, 2)


def test_null_removes_what_the_base_says() -> None:
    write(GOOD + "train: {epochs: 1, lora: {rank: 4}}\nvideo: {frames: 8}\n", "base.yaml")
    recipe = load_recipe(write("extends: base.yaml\ntrain: {lora: null}\nvideo:\n"))
    assert recipe.train is not None
    assert (recipe.train.epochs, recipe.train.lora.rank, recipe.video.frames) == (1, 8, 4)


def test_a_model_named_in_the_base_takes_keys_from_the_child() -> None:
    write(GOOD, "base.yaml")
    assert load_recipe(write("extends: base.yaml\nmodel: {template: default}\n")).model.template == "default"


def test_errors_name_the_base_file() -> None:
    write(GOOD + "train:\n  epochs: '3'\n", "_base/b.yaml")
    assert problems("extends: _base/b.yaml\nsed: 3\n") == [
        "_base/b.yaml:5:11: `train.epochs` must be a number, not the text '3'\n    remove the quotes",
        "x.yaml:2:1: unknown key `sed`\n    did you mean `seed`?",
    ]


def test_a_cycle_shows_the_chain() -> None:
    write("extends: b.yaml\n", "a.yaml")
    write("seed: 1\nextends: [x.yaml]\n", "b.yaml")
    chain = "x.yaml -> a.yaml -> b.yaml -> x.yaml"
    assert problems("extends: a.yaml\n") == [f"b.yaml:2:11: `extends` goes round in a circle\n    {chain}"]


def test_many_diamonds_are_read_once_each() -> None:
    write(GOOD, "d0.yaml")
    for level in range(1, 60):
        write(f"extends: [d{level - 1}.yaml, d{level - 1}.yaml]\n", f"d{level}.yaml")
    assert load_recipe(Path("d59.yaml")).name == "d59"


# --- overrides


def test_overrides_are_typed_by_the_schema() -> None:
    overrides = [
        "name=2024", "train.epochs=1", "tasks=[MELD, MOSI]", "data.root=/x: y", "train.extra.flash_attn=sdpa",
        "train.extra.n=3", "inference.batch_size=64", "model.template=no", "model.path=m", "data.modality=null",
        "resources.env.OMP_NUM_THREADS=1", "train.learning_rate=1e-5", "data.limit=null", "description=",
        'prompt.train_system=""',
    ]  # fmt: skip
    recipe = load_recipe(write(GOOD + "data: {limit: 3, modality: text}\n"), overrides)
    assert recipe.train is not None
    assert (recipe.name, recipe.tasks, recipe.data.root) == ("2024", ("MELD", "MOSI"), "/x: y")
    assert (recipe.train.epochs, recipe.train.learning_rate) == (1, 1e-5)
    assert recipe.train.extra == {"flash_attn": "sdpa", "n": 3}
    assert (recipe.model.template, recipe.model.path, recipe.inference.batch_size) == ("no", "m", 64)
    assert (recipe.data.modality, recipe.data.limit, recipe.description) == (None, None, "")
    assert recipe.resources.env == {"OMP_NUM_THREADS": "1"}
    assert recipe.prompt.train_system == "", "quoted: a text, though an empty one"


def test_task_and_limit_replace_the_recipes() -> None:
    recipe = load_recipe(write(GOOD), tasks=["MOSI", "demo"], limit=7)
    assert (recipe.tasks, recipe.data.limit) == (("MOSI", "demo"), 7)


def test_bad_overrides_all_at_once() -> None:
    overrides = ["train.epoch=3", "foo", "=3", "train.=3", "train.epochs=abc", "train.extra.x=[1", "method=stf"]
    assert problems(GOOD, overrides=overrides, tasks=["MELDD"], limit=0) == [
        "--set foo: an override is KEY=VALUE\n    for example --set train.epochs=1",
        "--set =3: an override is KEY=VALUE\n    for example --set train.epochs=1",
        "--set train.=3: an override is KEY=VALUE\n    for example --set train.epochs=1",
        "--set train.extra.x=[1: this is not valid YAML: did not find expected ',' or ']'\n"
        "    a colon, quote or bracket is missing, or the indentation is wrong",
        "--task MELDD: unknown task `MELDD`\n    did you mean `MELD`?",
        "--set method=stf: `method` must be one of zero_shot, sft, it, not the text 'stf'\n    did you mean `sft`?",
        "--limit 0: `data.limit` must be at least 1, not 0",
        "--set train.epochs=abc: `train.epochs` must be a number, not the text 'abc'",
        "--set train.epoch=3: unknown key `train.epoch`\n    did you mean `epochs`?",
    ]


# --- what is wrong

BAD: list[tuple[str, str]] = [
    ("extends: 3",
     "4:10: `extends` must be a file name or a list of them\n    for example `extends: _base/tiny_qwen2.yaml`"),
    ("extends: y.yaml", "4:10: there is no file `y.yaml`\n    did you mean `x.yaml`?"),
    ("extends: " + "a" * 3000, "4:10: `" + "a" * 3000 + "` cannot be read: File name too long"),
    ("extends: no/y.yaml", "4:10: there is no file `no/y.yaml`\n    there is no folder `no` either"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), BAD, ids=[text[:40].replace("\n", " ") for text, _ in BAD])
def test_bad_extends(text: str, expected: str) -> None:
    found = problems(GOOD + text + "\n")
    assert f"x.yaml:{expected}" in found
    assert len(found) == 1


def test_paths_that_are_no_files(tmp_path: Path) -> None:
    write(GOOD, "demo.yaml")
    os.mkfifo("pipe")
    for path, message in (
        (Path("demo.yml"), "there is no file `demo.yml`\n    did you mean `demo.yaml`?"),
        (Path("demo"), "there is no file `demo`\n    did you mean `demo.yaml`?"),
        (tmp_path, f"{tmp_path}: this is a folder, not a file"),
        (Path("pipe"), "pipe: this is not a regular file"),
    ):
        with pytest.raises(InputError) as caught:
            load_recipe(path)
        assert str(caught.value) == message


# --- properties


def load_or_refuse(text: str | bytes, overrides: Sequence[str] = ()) -> None:
    refused: InputError | None = None
    try:
        load_recipe(write(text), overrides)
    except InputError as error:
        refused = error
    assert refused is None or (refused.problems and all(problem.message for problem in refused.problems))


FUZZ = settings(max_examples=200)
WORDS = st.sampled_from(
    ["method: ", "sft", "model: ", "tiny_qwen2", "tasks: ", "all", "[", "]", "{", "}", ": ", "\n", "  ", "- ", "train:",
     "epochs", "extends: ", "x.yaml", "&a ", "*a", "!!str ", "'", '"', "|", ">", "#", "1e-4", "no", "null", "<<: ", "?",
     "---\n", "...\n", "%", "\t", "\ufeff", "\\", ",", "lora: ", "env: ", "name: ", "init: ", "config: "]
)  # fmt: skip


@FUZZ
@given(
    st.one_of(st.text().map(str.encode), st.binary(), st.lists(WORDS, max_size=30).map(lambda w: "".join(w).encode()))
)
def test_no_file_crashes_the_loader(data: bytes) -> None:
    load_or_refuse(data)


SECTION = st.one_of(
    JSON, st.dictionaries(st.sampled_from(["name", "path", "init", "epochs", "lora", "env", "root"]), JSON)
)


@FUZZ
@given(
    st.dictionaries(
        st.sampled_from(["name", "method", "model", "tasks", "train", "data", "resources", "seed", "video", "source"]),
        SECTION,
    )
)
def test_no_values_crash_the_loader(data: dict[str, Any]) -> None:
    load_or_refuse(json.dumps(data))


@FUZZ
@given(
    st.text(), st.sampled_from(["", "name=", "train.extra.x=", "seed=", "model=", "tasks=", "model.init.config=", "a."])
)
def test_no_override_crashes_the_loader(text: str, start: str) -> None:
    load_or_refuse(GOOD, [start + text])
