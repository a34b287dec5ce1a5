"""The published protocol with the real LLaMA-Factory: what it trains on and what it is asked, seen from its outputs."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from orchestrator.cli.plain import View
from orchestrator.data.demo import write_demo_data
from orchestrator.environments.environment import Environment
from orchestrator.plan.make import make_plan
from orchestrator.recipe.files import RecipeFiles
from orchestrator.recipe.load import load_recipe
from orchestrator.run.run import run_recipes
from tests.media import write_video
from tests.recipes import write_rows
from tests.shared import ROOT
from tests.toolkits.inside import HERE, argv_of

pytestmark = [pytest.mark.toolkit, pytest.mark.usefixtures("llamafactory_env")]


def run(folder: Path, text: str) -> dict[str, Path]:
    """Run a tiny recipe; returns the folders of its stages by kind."""
    path = folder / "tiny.yaml"
    path.write_text(f"extends: {ROOT}/recipes/_base/tiny_qwen2.yaml\nprotocol: released\nmethod: sft\n{text}")
    assert run_recipes(RecipeFiles([path]), folder / "runs", folder, View, merge=False) == 0
    (job,) = make_plan(load_recipe(path), folder / "runs").jobs
    return {stage.kind: stage.folder for stage in job.stages}


def trained_on(stage: Path) -> str:
    """The first training example as LLaMA-Factory's log shows it, decoded from its tokens."""
    found = re.search(r"^inputs:\n(.*?)^label_ids:", (stage / "log.txt").read_text(), re.DOTALL | re.MULTILINE)
    assert found
    return found[1]


def requests(stage: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (stage / "requests.jsonl").read_text().splitlines()]


def test_text(llamafactory_env: Environment, tmp_path: Path) -> None:
    """Trained on the text prompt with one system message, asked with the video prompt and another."""
    write_demo_data(tmp_path / "data", sizes=(80, 8, 8))
    recipe = f"""tasks: [demo]
data: {{root: {tmp_path}/data}}
train: {{epochs: 1}}
inference: {{temperature: 0, max_new_tokens: 4}}
prompt: {{history: [[hello, Hi there.]]}}
"""
    stages = run(tmp_path, recipe)
    first = trained_on(stages["train"])
    assert "system\nYou are a helpful assistant.<|im_end|>" in first
    assert "The speaker says: " in first
    assert "'dialogue_act: [label]'.Only one" in first
    assert "Alibaba" not in first
    asked = requests(stages["infer"])
    assert {request["system"] for request in asked} == {
        "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."
    }
    assert asked[0]["history"] == [["hello", "Hi there."]]
    row = pd.read_csv(tmp_path / "tiny.csv").iloc[0]
    assert (row["n"], row["error"]) == (8, 0)
    assert row["prompt"].startswith("released/infer.j2@")
    # what the runner makes of an earlier turn: its tokens in front of the question's, and nothing else
    done = subprocess.run(
        argv_of(llamafactory_env.python, HERE / "inside_turns.py"),
        cwd=stages["infer"], capture_output=True, text=True, env={"PATH": "/usr/bin:/bin", "CUDA_VISIBLE_DEVICES": ""},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    plain, longer = json.loads(done.stdout.splitlines()[-1])
    turn = "<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\nHi.<|im_end|>\n"
    head, tail = plain.split("<|im_start|>user\n")
    assert longer == f"{head}{turn}<|im_start|>user\n{tail}"


def test_what_stands_behind_a_trained_answer(llamafactory_env: Environment) -> None:
    """What `released.yaml` says of the pinned templates: a line break behind the end, and no end besides."""
    program = """if True:
        import json
        from llamafactory.data.template import TEMPLATES
        used = [TEMPLATES[name] for name in ("qwen", "qwen2_vl", "intern2")]
        print(json.dumps([[one.format_assistant.apply(content="X"), one.efficient_eos] for one in used]))
    """
    done = subprocess.run([llamafactory_env.python, "-c", program], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == [[["X<|im_end|>\n"], False]] * 3


@pytest.mark.long
def test_video(tmp_path: Path) -> None:
    """Two frames a second in training, four in inference; and training without any system message, if so wished."""
    folder = tmp_path / "data" / "Demo"
    (folder / "video").mkdir(parents=True)
    for split, count in (("train", 8), ("dev", 2), ("test", 2)):
        names = [f"{split}_{number}" for number in range(count)]
        for number, name in enumerate(names):
            write_video(folder / "video" / f"{name}.mp4", seed=number, frames=12)
        rows = [(name, f"{name}.mp4", f"<video> {number}", "question") for number, name in enumerate(names)]
        write_rows(folder / f"{split}.tsv", rows)
    recipe = f"""model: tiny_qwen2_vl
tasks: [demo]
data: {{root: {tmp_path}/data}}
train: {{batch_size: 4, micro_batch_size: 2, eval_batch_size: 2, epochs: 1, max_length: 1024}}
inference: {{max_new_tokens: 4}}
prompt: {{train_system: ""}}
"""
    stages = run(tmp_path, recipe)
    arguments = yaml.safe_load((stages["train"] / "train.yaml").read_text())
    assert [arguments[f"video_{key}"] for key in ("fps", "maxlen", "max_pixels")] == [2.0, 64, 16384]
    assert json.loads((stages["infer"] / "config.json").read_text())["frames"] == 4
    assert trained_on(stages["train"]).count("You are presented with a video") == 1
    assert "system" not in trained_on(stages["train"])
    assert {request["system"] for request in requests(stages["infer"])} == {None}
    row = pd.read_csv(tmp_path / "tiny.csv").iloc[0]
    assert (row["frames"], row["n"], row["error"]) == (4, 2, 0)
