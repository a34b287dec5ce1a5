"""LLaVA-NeXT itself on the CPU with a tiny random model: recipes to CSV, DeepSpeed, kills, bad clips, batches."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from orchestrator.data.samples import Sample
from orchestrator.environments.environment import Environment
from orchestrator.launch.diagnose import advice
from orchestrator.machine.logs import last_lines
from orchestrator.machine.processes import STAGE_MARK, marked
from orchestrator.prompts.examples import Example
from orchestrator.recipe.recipe import Recipe
from orchestrator.toolkits.base import TrainInputs
from orchestrator.toolkits.llava_next.inside.train import PROJECTOR, flags
from orchestrator.toolkits.registry import trainer
from tests.media import write_video
from tests.recipes import write_rows
from tests.running import answers, stage_folder, write_jsonl
from tests.shared import ROOT, needs_compiler
from tests.toolkits.all_clips import DATA, check_run, write_all
from tests.toolkits.inside import HERE, argv_of, program
from tests.toolkits.labels import check_job, write_job

pytestmark = [pytest.mark.toolkit, pytest.mark.usefixtures("environment")]
PROGRAM = HERE / "inside_llava_next.py"
LABELS = {"Demo": ("statement", "question", "command", "apology"), "MUStARD": ("sarcastic", "sincere")}
TOWER = "tiny/siglip-tiny-patch14-384"
ANSWER = re.compile(r"(dialogue act|speaking style): (\w+)")
# threads that spin or change the order of sums would make two runs differ
ENV = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
TRAIN = (
    "{batch_size: 4, micro_batch_size: 2, max_steps: 32, save_steps: 12, max_length: 640, learning_rate: 1e-2, "
    "lora: {rank: 64, alpha: 128}, extra: {gradient_checkpointing: true}}"
)


@pytest.fixture(scope="session")
def environment(llava_next_env: Environment) -> Environment:
    return llava_next_env


def write_split(root: Path, dataset: str, split: str, numbers: range) -> None:
    folder = root / dataset
    (folder / "video").mkdir(parents=True, exist_ok=True)
    labels, rows = LABELS[dataset], []
    for number in numbers:
        name = f"{dataset.lower()}_{number}"
        write_video(folder / "video" / f"{name}.mp4", seed=number, frames=8 + number % 5)
        text = f"Utterance {number} says <image> {'and more ' * (number % 7)}."
        rows.append((name, f"{name}.mp4", text, labels[number % len(labels)]))
    write_rows(folder / f"{split}.tsv", rows)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    for dataset in LABELS:
        write_split(root, dataset, "train", range(16))
        write_split(root, dataset, "dev", range(16, 18))
        write_split(root, dataset, "test", range(18, 26))
    return root


@pytest.fixture(scope="module")
def tiny(environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of `model` (no word of its path tells the class) and of the hub cache with its tower."""
    folder = tmp_path_factory.mktemp("yi-llama")
    lines = [f"You are presented with a video in which the speaker says: Utterance {n} says and more." for n in "0123"]
    kinds = zip(("dialogue act", "speaking style"), LABELS.values(), strict=True)
    lines += [f"{kind}: {label}" for kind, labels in kinds for label in labels] * 5
    lines.append("Based on the text, video, and audio content, what is the dialogue act of this speaker?")
    (folder / "corpus.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    program = ROOT / "tests" / "toolkits" / "tiny_llava_next.py"
    argv = [str(environment.python), str(program), str(folder / "model"), TOWER, str(folder / "corpus.jsonl")]
    done = subprocess.run(argv, env=os.environ | ENV | {"HF_HOME": str(folder), "HF_HUB_OFFLINE": "1"},
                          capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def model_of(tiny: Path, name: str = "Tiny") -> str:
    return f"{{name: {name}, path: {tiny}/model, toolkit: llava_next, template: qwen_1_5, type: MLLM, params_b: 0.007}}"


def recipe_file(tiny: Path, data: Path, folder: Path, method: str, tasks: str = "[demo]", **more: str) -> Path:
    lines = {
        "method": method,
        "model": model_of(tiny),
        "tasks": tasks,
        "data": f"{{root: {data}}}",
        "video": "{frames: 1}",
        "inference": "{batch_size: 3, max_new_tokens: 10, precision: fp32}",
        "select": "{strategy: last}",
        "resources": json.dumps({"env": ENV | {"HF_HOME": str(tiny)}}),
    } | more
    path = folder / "tiny.yaml"
    path.write_text("".join(f"{key}: {value}\n" for key, value in lines.items()))
    return path


def start(recipe: Path, *arguments: object) -> subprocess.Popen[str]:
    folder = recipe.parent
    argv = [sys.executable, "-m", "orchestrator", "run", str(recipe), "--runs-dir", str(folder / "runs")]
    argv += ["--results-dir", str(folder), "--allow-env", "HF_HOME"]  # the cache that holds the tiny tower
    return subprocess.Popen([*argv, *map(str, arguments)], cwd=ROOT, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # fmt: skip


def run(recipe: Path, *arguments: object, code: int = 0) -> str:
    process = start(recipe, *arguments)
    said, _ = process.communicate()
    assert process.returncode == code, said
    return said


@pytest.fixture(scope="module")
def trained(tiny: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an sft run that nobody disturbed."""
    folder = tmp_path_factory.mktemp("sft")
    run(recipe_file(tiny, data, folder, "sft", train=TRAIN))
    return folder


def test_zero_shot_on_two_tasks(tiny: Path, data: Path, tmp_path: Path) -> None:
    run(recipe_file(tiny, data, tmp_path, "zero_shot", tasks="[demo, MUStARD]"))
    table = pd.read_csv(tmp_path / "tiny.csv")
    assert list(table["task"]) == ["demo", "MUStARD", "overall"]
    assert list(table["n"]) == [8, 8, 16]
    assert (table["error"] == 0).all()
    assert str(table["toolkit_version"][0]).startswith("llava 1.7")
    # random weights say nothing of the kind that training teaches
    assert not any(ANSWER.fullmatch(text) for text in answers(tmp_path).values())


def test_the_adapter_answers(trained: Path) -> None:
    row = pd.read_csv(trained / "tiny.csv").iloc[0]
    assert (row["n"], row["frames"], row["unknown"], row["error"]) == (8, 1, 0, 0)
    assert row["checkpoint"] == "checkpoint-32"
    assert all(ANSWER.fullmatch(text) for text in answers(trained).values()), answers(trained)
    output = stage_folder(trained, "train") / "output"
    assert sorted(path.name for path in output.glob("checkpoint-*")) == ["checkpoint-24", "checkpoint-32"]
    for path in output.glob("checkpoint-*"):
        assert (path / "non_lora_trainables.bin").stat().st_size > 100_000, "the projector is trained and kept"
    assert len(list(output.glob("*/optimizer.pt"))) == 2, "to go on from either"


@pytest.mark.long
@needs_compiler
def test_instruction_tuning_with_zero2_on_two_processes(tiny: Path, data: Path, tmp_path: Path) -> None:
    """With gradient accumulation, which newer DeepSpeed refuses, and a resumption from DeepSpeed's own states."""
    train = "{deepspeed: zero2, batch_size: 4, micro_batch_size: 1, max_steps: 8, save_steps: 2, max_length: 640}"
    resources = json.dumps({"processes": 2, "env": ENV | {"HF_HOME": str(tiny)}})
    recipe = recipe_file(tiny, data, tmp_path, "it", tasks="[demo, MUStARD]", train=train, resources=resources)
    process = start(recipe)
    wait_for(lambda: any((tmp_path / "runs").glob("*/*/train-*/output/checkpoint-2/trainer_state.json")), process)
    stage = stage_folder(tmp_path, "train")
    for victim in marked(STAGE_MARK, str(stage.resolve())):
        victim.send_signal(signal.SIGKILL)
    said, _ = process.communicate()
    assert process.returncode == 1, said
    run(recipe)
    record = json.loads((stage / "stage.json").read_text())
    assert record["outputs"]["resumed_from"] in {f"output/checkpoint-{step}" for step in (2, 4, 6)}
    assert "Loaded 32 samples" in (stage / "log.txt").read_text()
    output = stage / "output"
    assert sorted(path.name for path in output.glob("checkpoint-*")) == ["checkpoint-6", "checkpoint-8"]
    states = sorted(path.parent.parent.name for path in output.glob("*/global_step*/*optim_states.pt"))
    assert states == ["checkpoint-6"] * 2 + ["checkpoint-8"] * 2, "of the newest two, one per process"
    table = pd.read_csv(tmp_path / "tiny.csv")
    assert list(table["task"]) == ["demo", "MUStARD", "overall"]
    assert (table["error"] == 0).all()
    # the same training, undisturbed
    calm = stage.parent / "calm"
    calm.mkdir()
    env = os.environ | record["env"]
    done = subprocess.run(record["argv"], cwd=calm, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert trained_weights(calm / "output" / "checkpoint-8") == trained_weights(output / "checkpoint-8")


def trained_weights(checkpoint: Path) -> dict[str, bytes]:
    """The bytes of every trained tensor of the adapter by name, and of the projector's file."""
    content = (checkpoint / "adapter_model.safetensors").read_bytes()
    begin = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:begin])
    # the tower gets an adapter, too, that is not trained; resuming changes its precision
    offsets = {name: header[name]["data_offsets"] for name in header if ".layers." in name and "vision" not in name}
    assert len(offsets) == 28, "two matrices for each of seven layers in two blocks"
    tensors = {name: content[begin + first : begin + last] for name, (first, last) in offsets.items()}
    return tensors | {PROJECTOR: (checkpoint / PROJECTOR).read_bytes()}


def wait_for(event: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    while not event():
        assert process.poll() is None, process.stdout and process.stdout.read()
        time.sleep(0.1)


def test_killed_in_training_and_in_inference(tiny: Path, data: Path, trained: Path, tmp_path: Path) -> None:
    recipe = recipe_file(tiny, data, tmp_path, "sft", train=TRAIN)
    process = start(recipe)
    wait_for(lambda: any((tmp_path / "runs").glob("*/*/train-*/output/checkpoint-12/trainer_state.json")), process)
    process.kill()  # the orchestrator; its watchdog ends the training
    process.wait()
    stage = stage_folder(tmp_path, "train")
    deadline = time.monotonic() + 20
    while list(marked(STAGE_MARK, str(stage.resolve()))):
        assert time.monotonic() < deadline, "something is left running"
        time.sleep(0.1)
    process = start(recipe)
    journals = "*/*/infer-*/predictions.jsonl"
    wait_for(lambda: any(path.stat().st_size for path in (tmp_path / "runs").glob(journals)), process)
    for victim in marked(STAGE_MARK, str(stage_folder(tmp_path, "infer").resolve())):
        victim.send_signal(signal.SIGKILL)
    said, _ = process.communicate()
    assert process.returncode == 1, said
    run(recipe)
    assert json.loads((stage / "stage.json").read_text())["outputs"]["resumed_from"] is not None
    assert answers(tmp_path) == answers(trained)
    mine, theirs = (folder / "output" / "checkpoint-32" for folder in (stage, stage_folder(trained, "train")))
    assert trained_weights(mine) == trained_weights(theirs), "a resumed training equals one that was never stopped"


def bad_clips(folder: Path) -> dict[str, Path]:
    import av
    import numpy as np

    clips = {name: folder / f"{name}.mp4" for name in ("missing", "empty", "truncated", "audio")}
    clips["empty"].write_bytes(b"")
    clips["truncated"].write_bytes(write_video(folder / "whole.mp4", 3, 12).read_bytes()[:900])
    with av.open(str(clips["audio"]), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.float32), format="fltp", layout="mono")
        sound.sample_rate = 16000
        container.mux([*stream.encode(sound), *stream.encode()])
    return clips


def train_command(tiny: Path, folder: Path) -> tuple[tuple[str, ...], dict[str, str]]:
    content = {
        "name": "direct",
        "method": "sft",
        "model": {"name": "Tiny", "path": str(tiny / "model"), "toolkit": "llava_next", "type": "MLLM"},
        "tasks": ["demo"],
        "video": {"frames": 1},
        "train": {"batch_size": 4, "micro_batch_size": 2, "epochs": 1, "max_length": 640},
        "select": {"strategy": "last"},
        "resources": {"env": ENV | {"HF_HOME": str(tiny)}},
    }
    inputs = TrainInputs(model=str(tiny / "model"), data=str(folder), device="cpu")
    command = trainer("llava_next").train(Recipe.model_validate(content), inputs)
    return command.argv, {**os.environ, **command.env}


def test_bad_clips_in_training(tiny: Path, tmp_path: Path) -> None:
    """Without the preflight. By itself LLaVA-NeXT takes the next sample for a bad one and ends with status 0, which our
    check sees; our launcher stops at the first, in a worker process, too.
    """
    rows = []
    for name, clip in {**bad_clips(tmp_path), "good": write_video(tmp_path / "good.mp4", 1)}.items():
        turns = [{"from": "human", "value": "<image>\nWhat?"}, {"from": "gpt", "value": "dialogue act: question"}]
        rows.append({"id": name, "video": str(clip), "conversations": turns})
    (tmp_path / "train.json").write_text(json.dumps(rows))
    argv, env = train_command(tiny, tmp_path)
    words = argv[3:]
    commands = {
        "alone": argv_of(argv[0], PROGRAM, "alone", *words),
        "ours": argv,
        "workers": [*argv, "--dataloader_num_workers", "2"],
    }
    running = {}
    for name, command in commands.items():
        (tmp_path / name).mkdir()
        with (tmp_path / name / "log.txt").open("w") as log:
            running[name] = subprocess.Popen(command, cwd=tmp_path / name, env=env, stdout=log, stderr=log)
    codes = {name: process.wait(300) for name, process in running.items()}
    said = {name: (tmp_path / name / "log.txt").read_text() for name in running}
    toolkit = trainer("llava_next")
    assert codes["alone"] == 0, said["alone"][-3000:]
    assert [found.step for found in toolkit.checkpoints(tmp_path / "alone")] == [1]
    (problem,) = toolkit.train_problems(tmp_path / "alone", said["alone"], len(rows))
    assert "videos of 4 samples" in problem
    assert all(f"{name}.mp4" in problem for name in ("missing", "empty", "truncated", "audio"))
    assert toolkit.resumable(tmp_path / "alone") is None, "it begins anew once the clips are mended"
    for name in ("ours", "workers"):
        assert codes[name] == 1, said[name][-3000:]
        # at the end of the log, as a user is shown it: a second worker may still say something
        assert f"RuntimeError: cannot read the video {tmp_path}/" in last_lines(tmp_path / name / "log.txt", 15), name
        assert "a video cannot be read" in advice(said[name], 1)
        assert not list((tmp_path / name).glob("output/checkpoint-*"))


@pytest.mark.long
def test_samples_that_would_be_cut_end_the_training(tiny: Path, tmp_path: Path) -> None:
    clip = str(write_video(tmp_path / "good.mp4", 1))
    turns = [{"from": "human", "value": "<image>\n" + "why " * 600}, {"from": "gpt", "value": "dialogue act: question"}]
    (tmp_path / "train.json").write_text(json.dumps([{"id": "wordy", "video": clip, "conversations": turns}]))
    argv, env = train_command(tiny, tmp_path)
    done = subprocess.run(argv, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 1
    assert "1 of 1 samples are over train.max_length 648" in done.stderr  # with room for a placeholder
    assert "wordy" in done.stderr


PARSE = """
import json, sys, transformers
from llava.train.train import DataArguments, ModelArguments, TrainingArguments
parser = transformers.HfArgumentParser((ModelArguments, DataArguments, TrainingArguments))
model, data, training = parser.parse_args_into_dataclasses(json.loads(sys.argv[1]))
print(json.dumps([model.mm_newline_position, data.frames_upbound, data.force_sample, training.lora_r, training.bf16]))
"""


def test_the_toolkit_accepts_the_arguments_of_the_plan(
    environment: Environment, tiny: Path, data: Path, tmp_path: Path
) -> None:
    recipe = recipe_file(tiny, data, tmp_path, "sft", train=TRAIN)
    argv = [sys.executable, "-m", "orchestrator", "plan", str(recipe), "--json", "--runs-dir", str(tmp_path / "runs")]
    argv += ["--allow-env", "HF_HOME"]
    (plan,) = json.loads(subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True).stdout)
    (words,) = [stage["argv"] for job in plan["jobs"] for stage in job["stages"] if stage["stage"] == "train"]
    place = next(at for at, word in enumerate(words) if word.endswith("llava_next/inside/train.py"))
    decided = flags(json.loads((tiny / "model" / "config.json").read_text()))
    given = json.dumps([*words[place + 1 :], *decided])
    env = os.environ | ENV | {"HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
    argv = [str(environment.python), "-c", PARSE, given]
    done = subprocess.run(argv, env=env, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout.splitlines()[-1]) == ["grid", 1, True, 64, True]


def config_of(tiny: Path, **more: Any) -> dict[str, Any]:
    return {
        "requests": "requests.jsonl", "predictions": "predictions.jsonl", "model": str(tiny / "model"),
        "revision": None, "adapter": None, "template": "qwen_1_5", "finetuning": "lora", "device": "cpu",
        "precision": "fp32", "batch_size": 4, "max_new_tokens": 6, "temperature": 0.0, "top_p": 1.0, "seed": 42,
        "frames": 2, "max_pixels": 151200, "max_length": 1200, "trust_remote_code": False, "attention": "sdpa",
        "parts": {},
    } | more  # fmt: skip


def request(name: str, prompt: str, video: Path | None = None, system: str | None = None) -> dict[str, Any]:
    return {"id": name, "task": "demo", "prompt": prompt, "video": video and str(video), "system": system}


def test_inference_sees_what_training_saw(environment: Environment, tiny: Path, tmp_path: Path) -> None:
    clips = [write_video(tmp_path / f"{number}.mp4", number, 3 + 4 * number) for number in range(3)]
    prompt = "Who says <image> {} <|im_end|> and \u201c\u00e9\u201d?\n"
    asked = [request(str(number), prompt.format(number), clip) for number, clip in enumerate(clips)]
    asked.append(request("text", "What is said?"))
    write_jsonl(tmp_path / "requests.jsonl", asked)
    samples = [Sample(row["id"], "demo", "train", "", "question", row["video"]) for row in asked]
    examples = [
        Example(sample, row["prompt"], "dialogue act: question") for sample, row in zip(samples, asked, strict=True)
    ]
    with (tmp_path / "train.json").open("w") as file:
        trainer("llava_next").write_examples(examples, file, "video")
    (tmp_path / "config.json").write_text(json.dumps(config_of(tiny)))
    shown = [*asked[:3], *(request(f"text {at}", "What is said? " * (1 + at % 7)) for at in range(21))]
    write_job(tmp_path / "all.labels.json", config_of(tiny), shown)
    argv = argv_of(environment.python, PROGRAM, "same")
    done = subprocess.run(
        argv, cwd=tmp_path, env=os.environ | ENV | {"HF_HOME": str(tiny)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    for sample in json.loads((tmp_path / "report.json").read_text()):
        assert sample["ids"], "prompt tokens"
        assert sample["rest"] == "dialogue act: question<|im_end|>\n"
        assert sample["label"], "labels are scored in the tokens of training"
        assert sample["frames"], "the same frames"
        assert sample["counted"], "the token budget counts what the model makes"
    check_job(tmp_path / "all.labels.json", 24)


@pytest.mark.long
def test_checkpoints_that_lack_weights(environment: Environment, tiny: Path, tmp_path: Path) -> None:
    """Those without a vision tower get the one that they name; others would answer with random weights."""
    shutil.copytree(tiny / "model", tmp_path / "model")
    (tmp_path / "config.json").write_text(json.dumps(config_of(tiny, model="model")))
    env = os.environ | ENV | {"HF_HOME": str(tiny), "HF_HUB_OFFLINE": "1"}
    argv = argv_of(environment.python, PROGRAM, "missing")
    done = subprocess.run(argv, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    whole, projector, layer = json.loads((tmp_path / "ends.json").read_text())
    assert whole is True, "every weight is there, those of the tower from its own place"
    assert projector == "model lacks 4 weights of a LLaVA model, e.g. model.mm_projector.0.bias; is it complete?"
    assert "vision_model.encoder.layers.0" in layer, "a part of the tower is not made up for"


def answer_with(environment: Environment, tiny: Path, folder: Path, **config: Any) -> dict[str, dict[str, Any]]:
    name = config["predictions"]
    path = folder / f"{name}.config.json"
    path.write_text(json.dumps(config_of(tiny, **config)))
    argv = argv_of(environment.python, program("llava_next", "infer"), path.name)
    env = os.environ | ENV | {"HF_HOME": str(tiny)}
    done = subprocess.run(argv, cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    records = [json.loads(line) for line in (folder / name).read_text().splitlines()]
    assert len(records) == len({record["id"] for record in records})
    return {record["id"]: {key: record.get(key) for key in ("text", "error")} for record in records}


@pytest.mark.long
def test_batches_shards_and_bad_clips(environment: Environment, tiny: Path, tmp_path: Path) -> None:
    """40 requests of which four have bad clips and a few no clip: in batches, one by one, by two processes."""
    bad = bad_clips(tmp_path)
    rows = [request(name, "What is said?", clip) for name, clip in bad.items()]
    for number in range(36):
        clip = None if number % 9 == 0 else write_video(tmp_path / f"{number}.mp4", number, 2 + number % 6)
        rows.append(request(f"r{number}", f"Utterance {number} says {'and more ' * (number % 11)}.", clip))
    rows.append(request("long", "why " * 1200))
    rows.append(request("system", "What is said?", None, "You are a pirate."))
    write_jsonl(tmp_path / "requests.jsonl", rows)
    batched = answer_with(environment, tiny, tmp_path, predictions="batched.jsonl")
    assert {key for key, record in batched.items() if record["error"]} == {*bad, "long"}
    assert "no video" in batched["missing"]["error"]
    assert "cannot be decoded" in batched["audio"]["error"]
    assert "over max_length 1200" in batched["long"]["error"]
    assert len({record["text"] for record in batched.values()}) > 3, "the model must say different things"
    assert answer_with(environment, tiny, tmp_path, predictions="alone.jsonl", batch_size=1) == batched
    halves = [answer_with(environment, tiny, tmp_path, predictions=f"half{at}.jsonl", shard=[at, 2]) for at in (0, 1)]
    assert halves[0].keys().isdisjoint(halves[1])
    assert halves[0] | halves[1] == batched


@pytest.mark.long
def test_clips_of_every_form(tiny: Path, tmp_path: Path) -> None:
    root = write_all(tmp_path / "data")
    train = TRAIN.replace("max_steps: 32, save_steps: 12", "epochs: 1")
    file = recipe_file(tiny, root, tmp_path, "sft", train=train)
    file.write_text(file.read_text().replace(f"data: {{root: {root}}}", DATA.format(root=root)))
    run(file)
    check_run(tmp_path)
