"""How inputs differ, in words."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestrator.plan.differences import differences
from orchestrator.plan.plan import Plan
from tests.plan.demo import demo_plan


def each(said: str, *kinds: str) -> dict[str, list[str]]:
    """The same of some kinds of stages."""
    return {kind: [said] for kind in kinds}


def told(before: Plan, after: Plan) -> dict[str, list[str]]:
    """What differs between the stages of two plans of the demo, by kind, as their files tell it."""
    found = {}
    for old, new in zip(before.stages, after.stages, strict=True):
        if texts := differences(*(json.loads(json.dumps(stage.inputs)) for stage in (old, new))):
            found[new.kind] = texts
    return found


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("train.learning_rate=1e-4", "train.learning_rate=5e-5", {"train": ["train.learning_rate 0.0001 -> 5e-05"]}),
        ("train.learning_rate=5e-5", "train.learning_rate=1e-4", {"train": ["train.learning_rate 5e-05 -> 0.0001"]}),
        ("train.lora={rank: 8}", "train.lora={rank: 64}", {"train": ["train.lora.rank 8 -> 64"]}),
        ("train.lora={rank: 4}", "train.lora={dropout: 0.5, rank: 4}", {"train": ["train.lora.dropout 0.0 -> 0.5"]}),
        ("train.extra={a: 1}", "train.extra={a: 2, b: x y}",
         {"train": ["train.extra.a 1 -> 2", 'train.extra.b (none) -> "x y"']}),
        ("train.save_steps=null", "train.save_steps=5", {"train": ["train.save_steps (none) -> 5"]}),
        ("seed=42", "seed=1", each("seed 42 -> 1", "init", "train")),
        ("data.limit=null", "data.limit=5",
         each("data.limit (none) -> 5", "init", "convert", "infer")),
        ("data={limit: 5}", "data={limit: 6, limit_seed: 1}",
         {kind: ["data.limit 5 -> 6", "data.limit_seed 0 -> 1"] for kind in ("init", "convert", "infer")}),
        ("prompt.system=null", "prompt.system=Be kind.",
         each('prompt.system (none) -> "Be kind."', "init", "convert", "infer")),
        ("inference.split=test", "inference.split=dev",
         {"infer": ["inference.split test -> dev"]}),
        # what is drawn from a seed follows from the temperature
        ("inference.temperature=0", "inference.temperature=0.5", {"infer": ["inference.temperature 0.0 -> 0.5"]}),
        ("inference={temperature: 0.5, batch_size: 2}", "inference={temperature: 0.5, batch_size: 3}",
         {"infer": ["inference.batch_size 2 -> 3"]}),
        ("model.attention=auto", "model.attention=eager",
         each("model.attention auto -> eager", "train", "infer")),
        ("model.init.config.hidden_size=64", "model.init.config.hidden_size=32",
         {"init": ["model.init.config.hidden_size 64 -> 32"]}),
        ("model.init.vocab_size=3000", "model.init.vocab_size=500", {"init": ["model.init.vocab_size 3000 -> 500"]}),
        ("resources.env={PYTHONHASHSEED: '1'}", "resources.env={PYTHONHASHSEED: '2'}",
         each("resources.env.PYTHONHASHSEED 1 -> 2", "init", "train", "infer")),
        ("train.extra={a: 1}", "train.extra={a: 1, b: null}", {"train": ["train.extra.b"]}),
        ("select.strategy=last", "select.strategy=dev_accuracy",
         each("select.strategy last -> dev_accuracy", "train", "select")),
        ("train.deepspeed=zero2", "train.deepspeed=zero3", {"train": ["the DeepSpeed configuration"]}),
        ("select.strategy=best_eval", "select.strategy=last",
         each("select.strategy best_eval -> last", "train", "select")),
        ("data.columns=null", "data.columns={text: text}",
         each("data.columns of demo", "init", "convert", "infer")),
    ],
)  # fmt: skip
def test_settings_are_told_by_value(data: Path, old: str, new: str, said: dict[str, list[str]]) -> None:
    lora = "train.finetuning=lora"
    found = told(demo_plan(data, lora, old), demo_plan(data, lora, new))
    if "config" in old:
        found = {"init": found["init"]}
    assert found == said


def test_what_a_training_mix_leaves_out(data: Path) -> None:
    def plan(*chosen: str) -> Plan:
        return demo_plan(data, "method=it", *chosen)

    none, by_id, by_text = plan(), plan("it.exclude_leaks=ids"), plan("it.exclude_leaks=text")
    assert told(by_id, plan("it.exclude_leaks=true")) == {}
    assert told(none, by_id) == {"convert": ["it.exclude_leaks false -> true"]}
    assert told(none, by_text) == {"convert": ["it.exclude_leaks false -> text"]}
    assert told(by_id, by_text) == {"convert": ["it.exclude_leaks true -> text"]}
    other = plan("it.exclude_leaks=text", "it.leak_words=5", "it.leak_characters=9")
    assert told(by_text, other) == {"convert": ["it.leak_words 6 -> 5", "it.leak_characters 12 -> 9"]}


def test_a_limit_that_took_the_first_rows() -> None:
    assert differences({"limit": 5}, {"limit": 5, "drawn": {"seed": 0, "version": 1}}) == [
        "how data.limit chooses its samples"
    ]


def test_how_videos_are_shown(data: Path) -> None:
    video = ("model=tiny_qwen2_vl", "data.modality=video")
    plans = [demo_plan(data, *video, *more) for more in ((), ("video.training={}",), ("video.training={fps: 1}",))]
    assert told(plans[0], plans[1]) == {"train": ["video.training (none) -> {}"]}
    assert told(plans[1], plans[2]) == {"train": ["video.training.fps 2.0 -> 1.0"]}
    bad = demo_plan(data, *video, "data.on_bad_video=skip")
    said = ["data.on_bad_video fail -> skip"]
    assert told(plans[0], bad) == {"convert": said, "infer": said}


@pytest.mark.parametrize(
    ("split", "said"),
    [
        ("train", {"init": ["the train data of demo"], "convert": ["the train data of demo"]}),
        ("test", {"infer": ["the test data of demo"]}),
    ],
)
def test_data_is_told_by_split_and_task(data: Path, split: str, said: dict[str, list[str]]) -> None:
    before = demo_plan(data)
    path = data / "Demo" / f"{split}.tsv"
    path.write_text(path.read_text().replace("the", "this"))
    assert told(before, demo_plan(data)) == said


def test_a_model_folder_is_told_by_its_files(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for name in "abcde":
        (folder / name).write_text(name)

    def plan(*more: str) -> Plan:
        model = f"{{name: Mine, path: {folder}, toolkit: llamafactory, template: qwen, type: LLM}}"
        return demo_plan(data, f"model={model}", *more, recipe="tiny_qwen2_zero_shot")

    before = plan()
    (folder / "a").write_text("other")
    (folder / "f").write_text("more")
    assert told(before, plan()) == {"infer": ["the model's files (a, f)"]}
    for name in "bcd":
        (folder / name).write_text("other")
    assert told(before, plan()) == {"infer": ["the model's files (a, b, c and 2 more)"]}
    hub = plan("model.path=someone/model", "model.revision=main")
    assert told(before, hub) == {"infer": ["the model's files"]}
    other = plan("model.path=someone/else", "model.revision=v2")
    assert told(hub, other) == {
        "infer": ["model.path someone/model -> someone/else", "model.revision main -> v2"]
    }  # fmt: skip
    part = plan("model.path=someone/model", "model.revision=main", "model.parts={vision_tower: a/b}")
    assert told(hub, part) == {"infer": ["model.parts.vision_tower"]}


ENTRY = {"task": "MELD", "word": "emotion", "labels": ["a"], "test": "x"}


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("programs", "x", "y", "the orchestrator's programs for inference"),
        ("lock", "x", "y", "the environment's lock"),
        ("prompt", "x", "y", "the prompt template"),
        ("prompt", "x", [["y"]], "the prompt template"),
        ("parser", 1, 2, "how answers are read (version 1 -> 2)"),
        ("labels", {"MELD": ["a"], "demo": ["b"]}, {"MELD": ["b"], "demo": ["b"]}, "the labels of MELD"),
        ("data", [ENTRY], [ENTRY | {"word": "mood"}], "the word for the labels of MELD"),
        ("data", [ENTRY | {"language": "en"}], [ENTRY | {"language": "zh"}], "the language of MELD"),
        ("data", [ENTRY], [ENTRY | {"labels": ["a", "b"]}], "the labels of MELD"),
        ("data", [ENTRY], [ENTRY, ENTRY | {"task": "demo"}], "the task demo is new"),
        ("data", [ENTRY, ENTRY | {"task": "demo"}], [ENTRY], "the task demo is left out"),
        ("data", [ENTRY | {"test_videos": "x"}], [ENTRY], "the videos of MELD's test data"),
        ("exclude_leaks", None, [ENTRY], "it.exclude_leaks false -> true"),
        ("exclude_leaks", [ENTRY], None, "it.exclude_leaks true -> false"),
        ("seed", 1, 2, "seed 1 -> 2"),
        ("seed", None, 2, None),
        ("history", None, [["a", "b"]], 'prompt.history (none) -> [["a", "b"]]'),
        ("system", None, "x" * 200, f"prompt.system (none) -> {'x' * 50}..."),
        ("system", None, "y " * 100, 'prompt.system (none) -> "' + "y " * 25 + '..."'),
        ("system", None, "", 'prompt.system (none) -> ""'),
        ("system", "x" * 200, "x" * 201, f"prompt.system (both begin with {'x' * 50}...)"),
        ("of a later version", 1, 2, "of a later version"),
        ("needs", {"train": "x"}, {"train": "y"}, None),
    ],
)
def test_each_input_has_its_words(name: str, old: Any, new: Any, said: str | None) -> None:
    then, now = ({"stage": "infer", **({name: value} if value is not None else {})} for value in (old, new))
    assert differences(then, now) == ([said] if said else [])


@pytest.mark.parametrize("change", [dict, lambda inputs: {**inputs, "data": inputs["data"][::-1]}])
def test_what_is_the_same_is_not_told(data: Path, change: Callable[[Any], Any]) -> None:
    for stage in demo_plan(data).stages:
        assert differences(stage.inputs, dict(stage.inputs)) == []
