"""LLaMA-Factory itself, from a recipe to the results CSV, on the CPU with tiny models made from scratch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from orchestrator.data.demo import write_demo_data
from orchestrator.machine.logs import LOG
from orchestrator.toolkits.hf_output import BAR
from tests.checkpoints import write_safetensors
from tests.media import write_video
from tests.recipes import write_rows
from tests.running import stage_folder, texts
from tests.shared import ROOT, needs_compiler
from tests.toolkits.all_clips import DATA, check_run, write_all

pytestmark = [pytest.mark.toolkit, pytest.mark.usefixtures("llamafactory_env")]


def orchestrator(*arguments: object, code: int = 0) -> str:
    """Run the command line; returns what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "orchestrator", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={name: value for name, value in os.environ.items() if name != "MMLA_DATA_ROOT"},
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def run(recipe: Path, folder: Path, *arguments: object, code: int = 0) -> str:
    return orchestrator("run", recipe, "--runs-dir", folder / "runs", "--results-dir", folder, *arguments, code=code)


def recipe_file(folder: Path, text: str) -> Path:
    path = folder / "tiny.yaml"
    path.write_text(f"extends: {ROOT}/recipes/_base/tiny_qwen2.yaml\n{text}")
    return path


@pytest.fixture(scope="module")
def demo_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    write_demo_data(root, sizes=(160, 16, 24))
    return root


@pytest.fixture(scope="module")
def video_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 clips of 8 to 12 frames, alternating codecs, each with an utterance of the demo's kind."""
    root = tmp_path_factory.mktemp("videos")
    (root / "Demo" / "video").mkdir(parents=True)
    labels = ("statement", "question", "command", "apology")
    number = 0
    for split, count in (("train", 16), ("dev", 4), ("test", 4)):
        rows = []
        for _ in range(count):
            name = f"demo_{number}.mp4"
            write_video(root / "Demo" / "video" / name, seed=number, frames=8 + number % 5)
            rows.append((f"demo_{number}", name, f"Utterance {number} says <video>.", labels[number % 4]))
            number += 1
        write_rows(root / "Demo" / f"{split}.tsv", rows)
    return root


def test_sft_from_recipe_to_csv(tmp_path: Path, demo_data: Path) -> None:
    recipe = recipe_file(
        tmp_path,
        f"""method: sft
tasks: [demo]
data: {{root: {demo_data}}}
train: {{epochs: 2, save_steps: 5}}
resources: {{env: {{TQDM_MININTERVAL: "0"}}}}  # bars are drawn ten times a second at most, and these steps are shorter
""",
    )
    said = run(recipe, tmp_path)
    assert f"results: {tmp_path}/tiny.csv" in said
    table = pd.read_csv(tmp_path / "tiny.csv")
    assert list(table["task"]) == ["demo"]
    row: dict[str, Any] = table.iloc[0].to_dict()
    assert row["n"] == 24
    assert row["method"] == "sft"
    assert row["error"] == 0
    assert row["train_seconds"] + row["startup_seconds"] > 1
    assert min(row["train_seconds"], row["startup_seconds"]) > 0
    assert str(row["toolkit_version"]).startswith("llamafactory")
    # the first maximum of LLaMA-Factory's own evaluation was chosen, and kept
    state = json.loads((stage_folder(tmp_path, "train") / "output" / "trainer_state.json").read_text())
    scores = {entry["step"]: entry["eval_accuracy"] for entry in state["log_history"] if "eval_accuracy" in entry}
    best = min(step for step in scores if scores[step] == max(scores.values()))
    assert row["checkpoint"] == f"checkpoint-{best}"
    assert (stage_folder(tmp_path, "train") / "output" / f"checkpoint-{best}" / "model.safetensors").is_file()
    assert len(texts(stage_folder(tmp_path, "infer") / "predictions.jsonl")) == 24
    assert not (stage_folder(tmp_path, "train") / "cache").exists()
    # each step could be seen, though LLaMA-Factory logs each tenth
    bars = BAR.findall((stage_folder(tmp_path, "train") / LOG).read_bytes().decode())
    seen = [int(done) for done, total in bars if int(total) == state["max_steps"]]
    assert sorted(set(seen)) == list(range(state["max_steps"] + 1))
    # a second run does nothing and gives the same file
    before = (tmp_path / "tiny.csv").read_bytes()
    assert "everything is done already" in run(recipe, tmp_path)
    assert (tmp_path / "tiny.csv").read_bytes() == before
    # another way to decode runs inference again, but no training; the older results are kept
    said = run(recipe, tmp_path, "--set", "inference.max_new_tokens=4")
    assert "4 of 6 stages are done already" in said
    assert "held other results" in said
    assert len(list(tmp_path.glob("tiny*.csv"))) == 2


def test_it_by_dev_accuracy_with_lora_and_merge(tmp_path: Path, demo_data: Path) -> None:
    """LoRA on random weights learns nothing; this is about the files: adapters, selection by answers, merging."""
    recipe = recipe_file(
        tmp_path,
        f"""method: it
tasks: [demo]
data: {{root: {demo_data}, limit: 48}}
train: {{finetuning: lora, epochs: 2, lora: {{rank: 4, alpha: 8}}}}
select: {{strategy: dev_accuracy}}
""",
    )
    run(recipe, tmp_path, "--merge")
    select = stage_folder(tmp_path, "select", "it")
    selection = json.loads((select / "stage.json").read_text())["outputs"]
    assert set(selection["accuracy_percent"]) == {"3", "6"}
    assert len(texts(select / "checkpoint-3" / "predictions.jsonl")) == 16
    assert len(texts(select / "checkpoint-6" / "predictions.jsonl")) == 16
    config = json.loads((stage_folder(tmp_path, "infer", "it") / "config.json").read_text())
    adapter = stage_folder(tmp_path, "infer", "it") / config["adapter"]
    assert (adapter / "adapter_model.safetensors").is_file()
    assert (stage_folder(tmp_path, "merge", "it") / "merged" / "model.safetensors").is_file()


def test_qwen2_vl_on_videos(tmp_path: Path, video_data: Path) -> None:
    recipe = recipe_file(
        tmp_path,
        f"""model: tiny_qwen2_vl
method: sft
tasks: [demo]
data: {{root: {video_data}}}
train: {{batch_size: 4, micro_batch_size: 2, eval_batch_size: 2, epochs: 1, max_length: 1024}}
video: {{frames: 4, max_pixels: 3136}}
inference: {{batch_size: 3, max_new_tokens: 6}}
""",
    )
    run(recipe, tmp_path)
    row = pd.read_csv(tmp_path / "tiny.csv").iloc[0]
    assert (row["frames"], row["n"], row["error"]) == (4, 4, 0)
    assert len(texts(stage_folder(tmp_path, "infer") / "predictions.jsonl")) == 4
    converted = json.loads((stage_folder(tmp_path, "convert") / "train.json").read_text())
    assert converted[0]["videos"] == [str(video_data / "Demo" / "video" / "demo_0.mp4")]
    # the utterance's own <video> is no second media token
    assert converted[0]["conversations"][0]["value"].count("<video>") == 1


@needs_compiler
@pytest.mark.parametrize(
    ("stage", "finetuning"), [("zero2", "lora"), pytest.param("zero3", "full", marks=pytest.mark.long)]
)
def test_deepspeed_on_two_processes(tmp_path: Path, demo_data: Path, stage: str, finetuning: str) -> None:
    recipe = recipe_file(
        tmp_path,
        f"""method: sft
tasks: [demo]
data: {{root: {demo_data}, limit: 32}}
train: {{deepspeed: {stage}, finetuning: {finetuning}, epochs: 1, batch_size: 16, micro_batch_size: 4}}
resources: {{processes: 2, env: {{OMP_NUM_THREADS: "1"}}}}
""",
    )
    run(recipe, tmp_path)
    train = stage_folder(tmp_path, "train")
    log = (train / "log.txt").read_text()
    assert "Num examples = 32" in log
    assert "Gradient Accumulation steps = 2" in log
    assert f"/deepspeed/{stage}.json" in (train / "train.yaml").read_text()
    (optimizer,) = (train / "output").glob("checkpoint-2/global_step2")  # DeepSpeed's own, one file per process
    assert len(list(optimizer.glob("*optim_states.pt"))) == 2
    assert pd.read_csv(tmp_path / "tiny.csv").iloc[0]["n"] == 24


def test_toolkit_failure_is_told(tmp_path: Path, demo_data: Path) -> None:
    incomplete = tmp_path / "no_tokenizer"
    incomplete.mkdir()
    (incomplete / "config.json").write_text('{"model_type": "llama"}')
    write_safetensors(incomplete / "model.safetensors")
    recipe = recipe_file(
        tmp_path,
        f"""method: zero_shot
tasks: [demo]
data: {{root: {demo_data}}}
model: {{name: Broken, path: {incomplete}, toolkit: llamafactory, template: qwen, type: LLM}}
""",
    )
    said = run(recipe, tmp_path, code=1)
    assert "zero_shot/infer: FAILED: ended with exit status 1" in said
    assert "whole log:" in said
    assert "what to do: the model's folder is incomplete" in said


@pytest.mark.long
def test_out_of_memory_is_told(tmp_path: Path, demo_data: Path) -> None:
    """The toolkit's process may have 12 GB of address space, and the model wants more."""
    recipe = recipe_file(
        tmp_path,
        f"method: zero_shot\ntasks: [demo]\ndata: {{root: {demo_data}}}\n"
        "model: {name: tiny_qwen2, init: {config: {hidden_size: 16384, intermediate_size: 65536}}}\n",
    )
    command = f"ulimit -v 12000000; exec {sys.executable} -m orchestrator run {recipe} --runs-dir {tmp_path}/runs"
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "zero_shot/init: FAILED" in done.stdout
    assert "what to do: the machine's memory is too small" in done.stdout


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=5m", "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("no small file system can be mounted here (needs root)")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.long
def test_full_disk_is_told_and_the_run_goes_on_later(tmp_path: Path, demo_data: Path, small_disk: Path) -> None:
    recipe = recipe_file(tmp_path, f"method: zero_shot\ntasks: [demo]\ndata: {{root: {demo_data}}}\n")
    filler = small_disk / "filler"
    filler.write_bytes(bytes((5 << 20) - (1 << 14)))
    said = run(recipe, small_disk, code=2)  # the results would find no room
    assert "results cannot be written: No space left on device" in said
    runs = ("--runs-dir", small_disk / "runs", "--results-dir", tmp_path)
    said = orchestrator("run", recipe, *runs, code=1)  # the orchestrator itself cannot write
    assert "No space left on device" in said
    assert "--runs-dir" in said
    filler.write_bytes(bytes((4 << 20) + (400 << 10)))  # room for the texts, not for the weights
    said = run(recipe, small_disk, code=1)  # the toolkit cannot
    assert "what to do: the disk is full" in said
    filler.unlink()
    run(recipe, small_disk)
    assert len(texts(stage_folder(small_disk, "infer", "zero_shot") / "predictions.jsonl")) == 24


@pytest.mark.long
def test_clips_of_every_form(tmp_path: Path) -> None:
    recipe = recipe_file(
        tmp_path,
        f"""model: tiny_qwen2_vl
method: sft
tasks: [demo]
{DATA.format(root=write_all(tmp_path / "data"))}
train: {{batch_size: 4, micro_batch_size: 2, eval_batch_size: 2, epochs: 1, max_length: 1024}}
video: {{frames: 4, max_pixels: 3136}}
inference: {{batch_size: 3, max_new_tokens: 6}}
""",
    )
    run(recipe, tmp_path)
    check_run(tmp_path)
