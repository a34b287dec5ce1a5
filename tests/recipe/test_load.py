from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.benchmark.model import models
from orchestrator.benchmark.task import benchmark_tasks
from orchestrator.checked_yaml.nodes import Node, at_node, merge, plain
from orchestrator.checked_yaml.reader import MAX_BYTES, scalar
from orchestrator.errors import InputError
from orchestrator.recipe.load import load_recipe
from orchestrator.recipe.schema import recipe_schema
from tests.shared import RECIPES

GOOD = "method: sft\nmodel: tiny_qwen2\ntasks: [MELD]\n"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MMLA_DATA_ROOT", raising=False)


def write(text: str | bytes, name: str = "x.yaml") -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def problems(text: str | bytes, **arguments: Any) -> list[str]:
    with pytest.raises(InputError) as caught:
        load_recipe(write(text), **arguments)
    return [str(problem) for problem in caught.value.problems]


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


def test_numbers_and_words_of_yaml_1_2() -> None:
    text = "train: {learning_rate: 1e-4, weight_decay: 1.e-3, epochs: 1E1}\nmodel: {name: tiny_qwen2, template: no}\n"
    recipe = load_recipe(write("method: sft\ntasks: [MELD]\n" + text))
    assert recipe.train is not None
    assert (recipe.train.learning_rate, recipe.train.weight_decay, recipe.train.epochs) == (1e-4, 1e-3, 10.0)
    assert recipe.model.template == "no"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4), ("1E5", 1e5), (".5", 0.5), ("-3", -3), ("+5", 5), ("0", 0), ("true", True), ("False", False),
        ("", None), ("~", None), ("null", None), ("no", "no"), ("Yes", "Yes"), ("on", "on"), ("012", "012"),
        ("0o17", "0o17"), ("0x1F", "0x1F"), ("1:30", "1:30"), ("2020-01-01", "2020-01-01"), ("1_000", "1_000"),
        (".inf", ".inf"), (".nan", ".nan"), ("1e999", "1e999"), ("-", "-"), (".", "."), ("1e", "1e"),
    ],
)  # fmt: skip
def test_scalars(text: str, value: object) -> None:
    assert scalar(text) == value
    assert type(scalar(text)) is type(value)


def test_a_model_of_the_catalogue_with_differences() -> None:
    model = load_recipe(write("method: sft\ntasks: [MELD]\nmodel: {name: qwen2_7b, path: /w, revision: abc}\n")).model
    assert (model.name, model.path, model.revision, model.template) == ("Qwen2-7B", "/w", "abc", "qwen")


def test_a_path_takes_the_place_of_a_model_from_scratch_and_the_other_way_round() -> None:
    assert load_recipe(write(GOOD), ["model.path=/w"]).model.init is None
    init = "model: {name: qwen2_7b, init: {config: {model_type: qwen2}}}\n"
    assert load_recipe(write("method: sft\ntasks: [MELD]\n" + init)).model.path is None


def test_a_model_outside_the_catalogue() -> None:
    text = "model: {name: Mine, path: org/mine, toolkit: swift, type: MLLM}\nmethod: sft\ntasks: [MELD]\n"
    assert load_recipe(write(text)).model.name == "Mine"


def test_every_model_of_the_catalogue_is_valid() -> None:
    for name in models():
        load_recipe(write(f"method: zero_shot\nmodel: {name}\ntasks: all\n"))


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
    ("epoch: 3", "4:1: unknown key `epoch`\n    did you mean `train.epochs`?"),
    ("max_steps: 3", "4:1: unknown key `max_steps`\n    `max_steps` belongs under `train`"),
    ("sede: 3", "4:1: unknown key `sede`\n    did you mean `seed`?"),
    ("source: a", "4:1: unknown key `source`\n    did you mean `resources`?"),
    ("train: {epoch: 3}", "4:9: unknown key `train.epoch`\n    did you mean `epochs`?"),
    ("train: {extends: a}",
     "4:9: unknown key `train.extends`\n    `extends` belongs at the top of the file, not indented"),
    ("train: {lora: {alph: 3}}", "4:16: unknown key `train.lora.alph`\n    did you mean `alpha`?"),
    ("select: {x: 3}", "4:10: unknown key `select.x`\n    known keys: strategy"),
    ("train: {epochs: '3'}", "4:17: `train.epochs` must be a number, not the text '3'\n    remove the quotes"),
    ("train: {epochs: 0}", "4:17: `train.epochs` must be greater than 0, not 0"),
    ("train:\n  epochs:", "5:10: `train.epochs` must be a number, not nothing (null)\n    "
     "write a value, or remove the key to use the default"),
    ("train: {learning_rate: .inf}", "4:24: `train.learning_rate` must be a number, not the text '.inf'"),
    ("train: {learning_rate: 1_0}", "4:24: `train.learning_rate` must be a number, not the text '1_0'\n    write 10"),
    ("train: {max_steps: 1e3}",
     "4:20: `train.max_steps` must be a whole number, not the number 1000.0\n    write 1000"),
    ("train: {max_steps: 012}", "4:20: `train.max_steps` must be a whole number, not the text '012'\n    write 12"),
    ("train: {warmup_ratio: 1}", "4:23: `train.warmup_ratio` must be less than 1, not 1"),
    ("train: [1]", "4:8: `train` must be a mapping (lines of `key: value`), not a list"),
    ("train: {deepspeed: zero_2}", "4:20: `train.deepspeed`: unknown DeepSpeed configuration `zero_2`\n    "
     "did you mean `zero2`?"),
    ("train: {batch_size: 10, micro_batch_size: 4}", "4:21: `train.batch_size` 10 cannot be split over 1 process(es) "
     "x micro_batch_size 4 = 4 samples\n    "
     "batch_size 8 or 12 would work, or with 10 a micro_batch_size of 1, 2, 5, 10"),
    ("resources: {processes: 3}", "4:24: `train.batch_size` 16 cannot be split over 3 process(es) x micro_batch_size 1 "
     "= 3 samples\n    batch_size 15 or 18 would work"),
    ("name: 2024", "4:7: `name` must be text, not the number 2024\n    put it in quotes"),
    ("name: a/b", "4:7: `name` 'a/b' holds other characters\n    "
     "letters, digits and . _ - + only, for it names a folder: set `name:`, or rename the file"),
    ("seed: true", "4:7: `seed` must be a whole number, not true"),
    ("seed: -1", "4:7: `seed` must be at least 0, not -1"),
    ("data: {video_root: '{rot}/x'}",
     "4:20: `data.video_root`: unknown placeholder {rot}\n    use {root} and {dataset}"),
    ("data: {modality: video}", "4:18: `Tiny-Qwen2` is an LLM: it reads no video\n    "
     "choose a model of type MLLM, or `modality: text`"),
    ("inference: {top_p: 0.9}", "4:20: `inference.top_p` 0.9 has no effect at temperature 0 (greedy)\n    "
     "set a temperature above 0, or remove top_p"),
    ("inference: {split: tset}", "4:20: `inference.split` must be one of train, dev, test, not the text 'tset'\n    "
     "did you mean `test`?"),
    ("resources: {env: {A: 1}}", "4:22: `resources.env.A` must be text, not the number 1\n    put it in quotes"),
    ("resources: {env: {HF_TOKEN: x}}", "4:29: `HF_TOKEN` looks like a secret, and recipes are shared\n    "
     "remove it here and type `export HF_TOKEN=...` in the shell: the toolkit inherits it"),
    ("resources: {stage_timeout_hours: 1:30}", "4:34: `resources.stage_timeout_hours` must be a number, "
     "not the text '1:30'"),
    ("seed: 1\nseed: 2", "5:1: duplicate key `seed`\n    it stands already at x.yaml:4:1: remove one"),
    ("train:\n  epochs: 1\n  epochs: 2",
     "6:3: duplicate key `epochs`\n    it stands already at x.yaml:5:3: remove one"),
    ("<<: {seed: 1}", "4:1: `<<` merge keys are not read\n    share settings with `extends`"),
    ("resources: {env: {1: x}}", "4:19: a key must be text, not the number 1\n    put it in quotes"),
    ("train: {extra: {[a]: x}}", "4:17: a key must be text, not a list\n    put it in quotes"),
    ("name: !!python/object/apply:os.system ['ls']", "4:7: `name` must be text, not a list"),
    ("seed: *x", "4:7: `*x` refers to nothing above it"),
    ('description: "\\0"', "4:14: a character that text files do not hold\n    delete it"),
    ("a: b: c", "4:5: this is not valid YAML: mapping values are not allowed in this context\n    "
     "text with `: ` in it needs quotes; or this line is indented too far"),
    ("train:\n\tepochs: 1", "5:1: this is not valid YAML: found character that cannot start any token\n    "
     "text that starts with @, ` or % needs quotes; indent with spaces, not tabs"),
    ("name: 'x", "4:7: this is not valid YAML: found unexpected end of stream\n    a quote is not closed"),
    ("description: a\x01", "4:15: a character that text files do not hold\n    delete it"),
    ("---\nseed: 1", "4:1: a second YAML document starts here\n    keep one"),
    ("extends: 3",
     "4:10: `extends` must be a file name or a list of them\n    for example `extends: _base/tiny_qwen2.yaml`"),
    ("extends: y.yaml", "4:10: there is no file `y.yaml`\n    did you mean `x.yaml`?"),
    ("extends: " + "a" * 3000, "4:10: `" + "a" * 3000 + "` cannot be read: File name too long"),
    ("extends: no/y.yaml", "4:10: there is no file `no/y.yaml`\n    there is no folder `no` either"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), BAD, ids=[text[:40].replace("\n", " ") for text, _ in BAD])
def test_bad_lines(text: str, expected: str) -> None:
    found = problems(GOOD + text + "\n")
    assert f"x.yaml:{expected}" in found
    if not text.startswith(("name: !!", "resources: {env: {1", "seed: *x", "name: 'x")):  # these mean a second one
        assert len(found) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["x.yaml: the file is empty\n    write at least `extends: another.yaml`"]),
        ("# only a comment\n", ["x.yaml: the file is empty\n    write at least `extends: another.yaml`"]),
        ("- a\n", ["x.yaml:1:1: a recipe is a mapping: lines of `key: value`"]),
        ("just words\n", ["x.yaml:1:1: a recipe is a mapping: lines of `key: value`"]),
        (b"a: 1\nb: \xe9\n", ["x.yaml:2: this is not UTF-8 text\n    save the file as UTF-8"]),
        ("{}", ["x.yaml: `method` is missing\n    add `method: zero_shot` (or sft, it)",
                "x.yaml: `model` is missing\n    add `model: qwen2_7b`",
                "x.yaml: `tasks` is missing\n    add `tasks: all`"]),
        ("[" * 100_000, ["x.yaml:1:42: values are nested more than 40 levels deep"]),
        ("x" * (MAX_BYTES + 1), ["x.yaml: this is no recipe: it holds 1,000,001 bytes"]),
        ("method: sft\nmodel: qwen2_7\ntasks: [MELD]\n",
         ["x.yaml:2:8: unknown model `qwen2_7`\n    did you mean `qwen2_7b`? "
          "(a model outside the catalogue needs toolkit, type, and path or init)"]),
        ("method: sft\nmodel: {name: tiny_qwen2, toolkit: swfit}\ntasks: [MELD]\n",
         ["x.yaml:2:36: unknown toolkit `swfit`\n    did you mean `swift`?"]),
        ("method: sft\nmodel: {revision: 3}\ntasks: [MELD]\n",
         ["x.yaml:2:1: `model.name` is missing\n    add `name: ...`",
          "x.yaml:2:1: `model.toolkit` is missing\n    add `toolkit: llamafactory`",
          "x.yaml:2:1: `model.type` is missing\n    add `type: LLM` (or MLLM)",
          "x.yaml:2:19: `model.revision` must be text, not the number 3\n    put it in quotes"]),
        ("method: sft\nmodel: {name: tiny_qwen2, trust_remote_code: yes}\ntasks: MELD\n",
         ["x.yaml:2:46: `model.trust_remote_code` must be true or false, not the text 'yes'\n    write true or false",
          "x.yaml:3:8: `tasks` must be a list, not the text 'MELD'\n    write `[MELD]`"]),
        ("method: sft\nmodel: tiny_qwen2\ntasks: []\n", ["x.yaml:3:8: `tasks` must not be empty"]),
    ],
)  # fmt: skip
def test_bad_files(text: str | bytes, expected: list[str]) -> None:
    assert problems(text) == expected


def test_everything_wrong_is_said_at_once_in_the_order_of_the_file() -> None:
    text = (
        "method: stf\nmodel: qwen2_7\ntasks: [MELD, MELDD, MELD, 3, all]\nmethod: it\n"
        "train: {epochs: x, batch_size: 3, micro_batch_size: 2}\ninfer: {}\n"
    )
    assert [problem.split("\n")[0].removeprefix("x.yaml:") for problem in problems(text)] == [
        "1:9: `method` must be one of zero_shot, sft, it, not the text 'stf'",
        "2:8: unknown model `qwen2_7`",
        "3:15: unknown task `MELDD`",
        "3:22: task `MELD` is listed twice",
        "3:28: `tasks[3]` must be text, not the number 3",
        "3:31: unknown task `all`",
        "4:1: duplicate key `method`",
        "5:17: `train.epochs` must be a number, not the text 'x'",
        "5:32: `train.batch_size` 3 cannot be split over 1 process(es) x micro_batch_size 2 = 2 samples",
        "6:1: unknown key `infer`",
    ]


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


def test_aliases_are_read_but_a_bomb_is_refused() -> None:
    recipe = load_recipe(write(GOOD + "train: {lora: &l {rank: 4}, extra: {x: *l, y: *l}}\n"))
    assert recipe.train is not None
    assert recipe.train.extra == {"x": {"rank": 4}, "y": {"rank": 4}}
    levels = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    (problem,) = problems("\n".join(["a0: &a0 [x]", *levels]))
    assert "more than 20,000 values, aliases expanded" in problem
    chain = "\n".join(["a0: &a0 [x]", *(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 100))])
    assert problems(chain) == ["x.yaml:40:12: values are nested more than 40 levels deep"]


# --- properties


def load_or_refuse(text: str | bytes, overrides: Sequence[str] = ()) -> None:
    refused: InputError | None = None
    try:
        load_recipe(write(text), overrides)
    except InputError as error:
        refused = error
    assert refused is None or (refused.problems and all(problem.message for problem in refused.problems))


FUZZ = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
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


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text()),
    lambda child: st.one_of(st.lists(child, max_size=3), st.dictionaries(st.text(), child, max_size=3)),
    max_leaves=8,
)
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


TREE = st.dictionaries(st.sampled_from("abcd"), JSON, max_size=4)


def merged(*trees: dict[str, Any]) -> Any:
    nodes = [at_node(tree, Node(None, "here")) for tree in trees]
    result = nodes[0]
    for node in nodes[1:]:
        result = merge(result, node)
    return plain(result)


@given(TREE)
def test_merging_nothing_changes_nothing(tree: dict[str, Any]) -> None:
    assert merged(tree, {}) == tree == merged({}, tree) == merged(tree, tree)


@given(TREE, TREE)
def test_merging_keeps_all_keys_and_the_later_values(base: dict[str, Any], over: dict[str, Any]) -> None:
    result = merged(base, over)
    for key in base.keys() | over.keys():
        old, new = base.get(key), over.get(key)
        if key not in over:
            assert result[key] == old
        elif new is None and isinstance(old, dict):
            assert key not in result
        elif isinstance(old, dict) and isinstance(new, dict):
            assert result[key] == merged(old, new)
        else:
            assert result[key] == new


# --- JSON Schema


def test_schema_describes_files() -> None:
    schema = recipe_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["additionalProperties"] is False
    assert "required" not in schema
    keys = schema["properties"]
    assert {"extends", "model", "tasks", "train", "name"} <= keys.keys()
    assert "source" not in keys
    assert "MIntRec2.0" in keys["tasks"]["anyOf"][1]["items"]["enum"]
    assert {"const": "all"} in keys["tasks"]["anyOf"]
    assert "tiny_qwen2" in keys["model"]["anyOf"][0]["enum"]
    assert all(
        section["additionalProperties"] is False for section in schema["$defs"].values() if "properties" in section
    )
    assert schema["$defs"]["Train"]["properties"]["learning_rate"]["exclusiveMinimum"] == 0
    assert json.loads(json.dumps(schema)) == schema


@pytest.mark.parametrize("path", sorted(RECIPES.rglob("*.yaml")), ids=lambda path: path.stem)
def test_schema_knows_every_key_of_the_projects_recipes(path: Path) -> None:
    import yaml

    schema = recipe_schema()

    def check(value: Any, rule: dict[str, Any]) -> None:
        rules = rule.get("anyOf", [rule])
        rules = [schema["$defs"][option["$ref"].rsplit("/")[-1]] if "$ref" in option else option for option in rules]
        if isinstance(value, dict):
            (mapping,) = [option for option in rules if option.get("type") == "object"]
            for key, child in value.items():
                if "properties" in mapping:
                    assert key in mapping["properties"]
                    check(child, mapping["properties"][key])
        elif isinstance(value, str) and any("enum" in option or "const" in option for option in rules):
            assert any(value in option.get("enum", [option.get("const")]) for option in rules)

    check(yaml.safe_load(path.read_text()), schema)
