"""Thoughts with the toolkits themselves: prompts of training and of inference, token by token, of a tiny Qwen3."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from orchestrator.data.demo import write_demo_data
from orchestrator.data.samples import Sample
from orchestrator.environments.environment import Environment
from orchestrator.prompts.examples import Example
from orchestrator.recipe.recipe import Recipe
from orchestrator.toolkits import registry
from orchestrator.toolkits.base import MeasureInputs, TrainInputs
from orchestrator.toolkits.thinking import templates_of
from tests.running import answers, run
from tests.toolkits.inside import HERE, TOOLKITS, argv_of

pytestmark = pytest.mark.toolkit

QWEN3 = {
    "model_type": "qwen3", "hidden_size": 48, "intermediate_size": 96, "num_hidden_layers": 2, "head_dim": 12,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 1024, "initializer_range": 0.3,
}  # fmt: skip
WORDS = ["which", "emotion", "is", "it", "joy", "anger", "think", "user", "assistant"]
PROMPTS = [" ".join(WORDS[: 2 + number]) + f" {number}?" for number in range(6)]
EMPTY = "<think>\n\n</think>\n\n"
# toolkit, chat template, thinking -> how the prompt ends, and what is learnt before the answer
CASES = {
    ("llamafactory", "qwen3", "off"): (EMPTY, ""),
    ("llamafactory", "qwen3", "on"): ("assistant\n", EMPTY),
    ("llamafactory", "deepseekr1", "off"): (EMPTY, ""),
    ("llamafactory", "deepseekr1", "on"): ("<｜Assistant｜>", EMPTY),
    ("llamafactory", "glm4_7", "off"): ("</think>", "\n"),
    ("llamafactory", "gpt_oss", "off"): ("<|channel|>final<|message|>", ""),
    ("llamafactory", "qwen3_nothink", "off"): ("assistant\n", ""),
    ("swift", "qwen3/qwen3", "off"): (EMPTY, ""),
    ("swift", "qwen3/qwen3", "on"): ("assistant\n", EMPTY),
    ("swift", "qwen3/qwen3_thinking", "off"): (EMPTY, ""),
    ("swift", "qwen3/qwen3_thinking", "on"): ("assistant\n<think>\n", "\n</think>\n\n"),
    ("swift", "qwen2/deepseek_r1", "off"): (EMPTY, ""),
    ("swift", "qwen2/deepseek_r1", "on"): ("<｜Assistant｜><think>\n", "\n</think>\n\n"),
    ("swift", "qwen3/qwen3_nothinking", "off"): ("assistant\n", ""),
    ("swift", "glm4/glm4", "off"): ("<|assistant|>\n", ""),
    ("swift", "llama/llama3_2", "off"): ("assistant<|end_header_id|>\n\n", ""),
}

# with the tiny model; others have tokens that it lacks
ANSWERS = ("qwen3", "qwen3/qwen3", "qwen3/qwen3_thinking", "qwen2/deepseek_r1")


def inside(argv: list[str], folder: Path, **more: str) -> None:
    """Run a program in a toolkit's environment."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | more
    env |= {"HF_DATASETS_CACHE": str(folder / "cache"), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    env |= {"CUDA_VISIBLE_DEVICES": "", "MODELSCOPE_CACHE": str(folder / "cache"), "USE_HF": "1"}
    done = subprocess.run(argv, cwd=folder, env=env, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]


def recipe_of(toolkit: str, template: str, thinking: str, model: Path) -> Recipe:
    spec = {"name": "m", "path": str(model), "toolkit": toolkit, "type": "LLM", "template": template}
    train = {"batch_size": 2, "micro_batch_size": 2, "precision": "fp32"}
    content = {"name": "r", "method": "sft", "tasks": ["demo"], "select": {"strategy": "last"}, "train": train}
    inference = {"precision": "fp32", "max_new_tokens": 3} | ({"max_thinking_tokens": 4} if thinking == "on" else {})
    return Recipe.model_validate(content | {"model": spec | {"thinking": thinking}, "inference": inference})


def case(toolkit: str, template: str, thinking: str, folder: Path) -> dict[str, Any]:
    """What trains, asks and measures a few samples, as the orchestrator would start it."""
    recipe = recipe_of(toolkit, template, thinking, folder / "model")
    assert not registry.engine(toolkit).problems(recipe)
    part, own = registry.trainer(toolkit), folder / f"{template}-{thinking}".replace("/", "-")
    own.mkdir()
    rows = [Example(Sample(str(at), "demo", "train", text, "joy", None), text, "emotion: joy", None)
            for at, text in enumerate(PROMPTS)]  # fmt: skip
    with (own / f"train{part.suffix}").open("w", encoding="utf-8") as file:
        part.write_examples(rows, file, "text")
    for name, text in part.dataset_files(["train"], "text", system=False).items():
        (own / name).write_text(text)
    command = part.train(recipe, TrainInputs(str(folder / "model"), str(own), "cpu"))
    files = {"train": (str(own / f"train{part.suffix}"), True)}
    measured = part.lengths(recipe, MeasureInputs(str(folder / "model"), files, "out.json"))
    assert measured is not None
    config = {"model": str(folder / "model"), "adapter": None, "template": template, "finetuning": "full",
              "device": "cpu", "precision": "fp32", "max_new_tokens": 7, "temperature": 0, "top_p": 1, "seed": 1,
              "frames": 1, "max_pixels": 1000, "trust_remote_code": False}  # fmt: skip
    asked = registry.engine(toolkit).infer(recipe, config)
    found = {
        "program": Path(next(word for word in command.argv if word.endswith((f"{os.sep}train.py", "formed.py")))).stem,
        "env": dict(command.env),
        "infer": json.loads(asked.files["config.json"]),
        "lengths": json.loads(measured.files["config.json"]),
        "answers": template in ANSWERS,
        "requests": [{"id": str(at), "prompt": text} for at, text in enumerate(PROMPTS)],
    }
    if toolkit == "swift":
        start = next(at for at, word in enumerate(command.argv) if word.startswith("--"))
        return found | {"arguments": list(command.argv[start:])}
    return found | {"arguments": yaml.safe_load(command.files["train.yaml"])}


def reports(toolkit: str, environment: Environment, folder: Path) -> dict[str, Any]:
    """All cases of a toolkit, in one process of its own."""
    (folder / "corpus.jsonl").write_text("".join(f"{json.dumps(text)}\n" for text in [*PROMPTS, "emotion: joy"]))
    if toolkit == "swift":
        words = (environment.python, HERE / "tiny_qwen3.py", folder / "model", folder / "corpus.jsonl")
        inside([*map(str, words)], folder)
    job = {"out": str(folder / "model"), "config": QWEN3, "vocab_size": 400, "seed": 7, "template": "qwen3"}
    (folder / "init.json").write_text(json.dumps(job | {"corpus": str(folder / "corpus.jsonl")}))
    names = [(template, thinking) for name, template, thinking in CASES if name == toolkit]
    # what is trained by the toolkit alone comes first: a changed one stays changed
    cases = {f"{template} {thinking}": case(toolkit, template, thinking, folder) for template, thinking in names}
    cases = dict(sorted(cases.items(), key=lambda one: one[1]["program"] == "formed"))
    (folder / "cases.json").write_text(json.dumps(cases))
    inside(argv_of(environment.python, HERE / "inside_thinking.py", toolkit, folder), folder)
    found: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return found


@pytest.mark.parametrize("toolkit", ["llamafactory", "swift"])
def test_prompts_of_training_and_inference_are_the_same(
    toolkit: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    found = reports(toolkit, request.getfixturevalue(f"{toolkit}_env"), tmp_path)
    for (name, template, thinking), (end, learnt) in CASES.items():
        if name != toolkit:
            continue
        for one in found[f"{template} {thinking}"]:
            assert one["same"], one
            assert one["asked"].endswith(end), one
            assert one["learnt"].startswith(f"{learnt}emotion: joy"), one
            assert one["lengths"] == [True, True], one
            if template in ANSWERS:  # a thought that the prompt begins is shown
                assert one["answer"].startswith("<think>\n") == end.endswith("<think>\n"), one
            if toolkit == "llamafactory" and template in ANSWERS and one["finish"] == "length":
                assert one["answer"].startswith("<think>") == (thinking == "on"), one  # random weights write no mark
    if toolkit == "swift":
        assert "Today Date: 26 Jul 2024\n" in found["llama/llama3_2 off"][0]["asked"]


@pytest.mark.long
def test_every_chat_template_of_swift(swift_env: Environment, tmp_path: Path) -> None:
    """Prompts of training and inference are the same in all, but in those that are refused; and so says the table."""
    (tmp_path / "corpus.jsonl").write_text("".join(f"{json.dumps(text)}\n" for text in PROMPTS))
    words = (swift_env.python, HERE / "tiny_swift.py", tmp_path, tmp_path / "corpus.jsonl")
    inside([*map(str, words)], tmp_path)
    (tmp_path / "qwen2" / "SYSTEM_PROMPT.txt").write_text("Today is {today}, after {yesterday}.")
    inside(argv_of(swift_env.python, HERE / "inside_forms.py", tmp_path / "qwen2", tmp_path / "out.json"), tmp_path)
    found, table = json.loads((tmp_path / "out.json").read_text()), templates_of(TOOLKITS / "swift")
    own, off, on = found["own"], found["off"], found["on"]
    # rewards and embeddings: no answers are asked of them
    others = {"qwen2_5_math_prm", "qwen3_5_emb"}
    read = {name for name, one in off.items() if "error" not in one}
    assert len(read) > 220, {name: one["error"] for name, one in off.items() if "error" in one}
    unlike = {name for name in read if not off[name]["same"]}
    assert unlike - others == {"dummy", "seed_oss"}
    thinks = {name for name in found["think"] if "error" not in on[name]} - {*table.refused}
    assert {name for name in thinks if not on[name]["same"]} <= others
    assert not [name for name in read if off[name]["dated"]]
    assert {*table.think} == {*found["think"]} - {*table.refused, *table.always} - others
    # what the table calls formed is what is trained otherwise than swift itself does
    other = {name for name in read if own[name]["trained"] != off[name]["trained"] or own[name]["dated"]}
    assert {*table.formed} == other - {*table.refused, *table.always} - others
    types, formed = found["types"], {*table.formed}
    assert {*table.think_types} == {kind for kind, names in types.items() if {*names} & {*table.think}}
    able = {*table.think, *table.always}
    mixed = {kind: {*names} & able for kind, names in types.items() if {*names} & able and {*names} - able}
    assert {kind: {*names} for kind, names in table.mixed_types.items()} == mixed
    assert {*table.formed_types} == {kind for kind, names in types.items() if len(names) == 1 and {*names} <= formed}
    assert {*table.picked_types} == {kind for kind, names in types.items() if len(names) > 1 and {*names} & formed}
    for kind in table.picked_types:
        for name, template in found["names"][kind].items():
            if template in formed:
                assert any(re.search(part, name) for part in table.formed_names), (kind, name)


def test_chat_templates_of_llamafactory(llamafactory_env: Environment) -> None:
    """Those that its class for thoughts is for are those of the table."""
    (path,) = llamafactory_env.venv.glob("lib/python*/site-packages/llamafactory/data/template.py")
    calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
             if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "register_template"]  # fmt: skip
    given = [{word.arg: word.value for word in call.keywords} for call in calls]
    names = [str(one["name"].value) for one in given if isinstance(one["name"], ast.Constant)
             and getattr(one.get("template_class"), "id", "").endswith("ReasoningTemplate")]  # fmt: skip
    assert [*templates_of(TOOLKITS / "llamafactory").think] == sorted(names)


DEMO = """method: {method}
tasks: [demo]
data: {{root: {data}}}
model: {{name: tiny, toolkit: {toolkit}, type: LLM, template: {template}, thinking: {thinking}, {model}}}
train: {{finetuning: full, epochs: 10, learning_rate: 3e-3, batch_size: 16, micro_batch_size: 16, eval_batch_size: 64,
  max_length: 512, precision: fp32, warmup_ratio: 0.05}}
inference: {{precision: fp32, batch_size: 64, max_new_tokens: 16{more}}}
resources: {{device: cpu, env: {{OMP_NUM_THREADS: "1"}}}}
"""


def results(folder: Path, **filled: str) -> tuple[dict[str, Any], list[str]]:
    """A run from its recipe to its results: the row, and the texts of the answers."""
    folder.mkdir()
    more = ", max_thinking_tokens: 8" if filled["thinking"] == "on" else ""
    (folder / "tiny.yaml").write_text(DEMO.format(more=more, **filled))
    run(folder / "tiny.yaml", folder)
    row = pd.read_csv(folder / "tiny.csv").iloc[0].to_dict()
    assert row["thinking"] == filled["thinking"]
    assert row["signature"].endswith("|thinking:on") == (filled["thinking"] == "on")
    return row, list(answers(folder).values())


@pytest.mark.long
@pytest.mark.parametrize(
    ("toolkit", "template"), [("llamafactory", "qwen3"), ("swift", "qwen3/qwen3"), ("swift", "qwen3/qwen3_thinking")]
)
def test_from_recipe_to_csv(toolkit: str, template: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """With thinking off and on, trained and not."""
    environment = request.getfixturevalue(f"{toolkit}_env")
    write_demo_data(tmp_path / "data", sizes=(160, 16, 24))
    init = {**QWEN3, "hidden_size": 128, "intermediate_size": 256, "head_dim": 32, "initializer_range": 0.02}
    model = f"init: {{config: {json.dumps(init)}}}"
    if toolkit == "swift":
        model = f"path: {tmp_path / 'model'}"
        lines = (tmp_path / "data" / "Demo" / "train.tsv").read_text().splitlines()
        (tmp_path / "corpus.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
        words = (environment.python, HERE / "tiny_qwen3.py", tmp_path / "model", tmp_path / "corpus.jsonl")
        inside([*map(str, words)], tmp_path)
    filled = {"toolkit": toolkit, "template": template, "data": str(tmp_path / "data"), "model": model}
    for thinking in ("off", "on"):
        row, said = results(tmp_path / thinking, method="sft", thinking=thinking, **filled)
        assert row["acc"] > 90  # 76 where the same weights were asked otherwise than they were trained
        assert all(text.startswith(EMPTY) == (thinking == "on") for text in said), said
    row, said = results(tmp_path / "untrained", method="zero_shot", thinking="on", **filled)
    # random weights end hardly any thought that the prompt begins, or may have begun
    begun = [text.rfind("<think>") > text.rfind("</think>") for text in said]
    assert row["cut_off"] == pytest.approx(100 * sum(begun) / len(begun), abs=0.01)
    assert row["cut_off"] > (0 if template == "qwen3/qwen3" else 90)
    (journal,) = (tmp_path / "untrained").glob("runs/*/*/infer-*/predictions.jsonl")
    records = map(json.loads, journal.read_text().splitlines())
    assert all("think>" in record["text"] for record in records if record["finish_reason"] == "length")
