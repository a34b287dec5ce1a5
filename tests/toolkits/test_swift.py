"""ms-swift itself, from a recipe to the results CSV, on the CPU with tiny random models.

MiniCPM-V-2.6's class lies in no package, so Qwen2-VL stands in for it here; what differs, its frames and the refusal of
its code, is tested by itself.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest

from orchestrator.benchmark.task import tasks
from orchestrator.data.samples import Sample
from orchestrator.environments.environment import Environment
from orchestrator.machine.processes import STAGE_MARK, marked
from orchestrator.plan.make import make_plan
from orchestrator.prompts.examples import Example, examples_of
from orchestrator.recipe.load import load_recipe
from orchestrator.toolkits.base import TrainInputs
from orchestrator.toolkits.registry import trainer
from tests.media import write_video
from tests.recipes import write_rows
from tests.running import answers, records, run, stage_folder, start, texts, write_jsonl
from tests.shared import needs_compiler
from tests.toolkits.all_clips import DATA, check_run, write_all
from tests.toolkits.inside import HERE, argv_of, program
from tests.toolkits.labels import check_job, write_job
from tests.toolkits.test_llamafactory import orchestrator

LABELS = {"Demo": ("statement", "question", "command", "apology"), "MUStARD": ("sincere", "sarcastic")}
Run = tuple[subprocess.Popen[bytes], Path]
BATCH = "batch_size: 4, micro_batch_size: 4, precision: fp32"


pytestmark = [pytest.mark.toolkit, pytest.mark.usefixtures("swift_env")]


def inside(argv: list[str], **env: str) -> None:
    """Run a program in ms-swift's environment."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"OMP_NUM_THREADS": "1"} | env
    done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]


def write_task(root: Path, dataset: str, sizes: tuple[int, int, int]) -> None:
    """Clips of 8 to 12 frames, alternating codecs, each with an utterance that names its label."""
    (root / dataset / "video").mkdir(parents=True)
    number = 0
    for split, count in zip(("train", "dev", "test"), sizes, strict=True):
        rows = []
        for _ in range(count):
            name, label = f"{dataset}_{number}.mp4", LABELS[dataset][number % len(LABELS[dataset])]
            write_video(root / dataset / "video" / name, seed=number, frames=8 + number % 5)
            rows.append((f"{dataset}_{number}", name, f"Utterance {number} <video> says {label}.", label))
            number += 1
        write_rows(root / dataset / f"{split}.tsv", rows)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    write_task(root, "Demo", (12, 4, 24))
    write_task(root, "MUStARD", (8, 4, 16))
    return root


@pytest.fixture(scope="module")
def models(swift_env: Environment, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folders ``qwen2`` and ``qwen2_vl``; their tokenizers know the words of the prompts."""
    folder = tmp_path_factory.mktemp("models")
    recipe = load_recipe(recipe_file(folder, "it", data, folder / "none"))
    examples = [example for task in recipe.tasks for example in examples_of(recipe, tasks()[task], "train")]
    texts = [json.dumps(f"{example.prompt}{example.answer}") for example in examples]
    (folder / "corpus.jsonl").write_text("\n".join(texts) + "\n")
    inside([*map(str, (swift_env.python, HERE / "tiny_swift.py", folder, folder / "corpus.jsonl"))])
    return folder


def recipe_file(folder: Path, method: str, data: Path, model: Path, train: str = "", more: str = "") -> Path:
    """A recipe for the tiny Qwen2-VL: one task for `sft`, two for `it`."""
    folder.mkdir(parents=True, exist_ok=True)
    path, prompt = folder / "tiny.yaml", folder / "tiny.j2"
    prompt.write_text("{{ task }} of: {{ text }}")  # each token costs a row of 151,657 numbers
    path.write_text(
        f"""method: {method}
prompt: {{template: {prompt}}}
model: {{name: tiny, path: {model}, toolkit: swift, template: qwen2_vl/qwen2_vl, type: MLLM}}
tasks: [{"demo, MUStARD" if method == "it" else "demo"}]
data: {{root: {data}}}
train: {{{BATCH}, {train or "epochs: 1"}}}
inference: {{precision: fp32, max_new_tokens: 12, batch_size: 4}}
video: {{frames: 4, max_pixels: 3136}}
resources: {{device: cpu{more}, env: {{OMP_NUM_THREADS: "1"}}}}
"""
    )
    return path


LONG = "epochs: 5, save_steps: 5, learning_rate: 1e-2, lora: {rank: 64, alpha: 128}"  # 25 steps


@pytest.fixture(scope="module")
def calm_run(models: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """An `it` run that nobody disturbs, just started: the first test does something else meanwhile."""
    folder = tmp_path_factory.mktemp("calm")
    process = start(recipe_file(folder, "it", data, models / "qwen2_vl", f"{LONG}, report_to: tensorboard"), folder)
    yield process, folder
    process.terminate()
    process.wait()


@pytest.fixture(scope="module")
def calm(calm_run: Run) -> Path:
    """The folder of that run, when it is done."""
    process, folder = calm_run
    assert process.wait() == 0, (folder / "said.txt").read_text()
    return folder


def wait_for(what: Callable[[], bool], process: subprocess.Popen[bytes], said: Path) -> None:
    while not what():
        assert process.poll() is None, said.read_text()
        time.sleep(0.05)


def kill_toolkit(folder: Path, kind: str, process: subprocess.Popen[bytes]) -> None:
    """kill -9 for all processes of a stage; the orchestrator must notice."""
    stage = stage_folder(folder, kind).resolve()
    found = list(marked(STAGE_MARK, str(stage)))
    assert found, "the toolkit was through already"
    for group in {os.getpgid(one.pid) for one in found}:
        os.killpg(group, signal.SIGKILL)
    assert process.wait() == 1
    assert not [one for one in marked(STAGE_MARK, str(stage)) if one.status() != psutil.STATUS_ZOMBIE]


def test_killed_in_training_and_in_inference(
    calm_run: Run, models: Path, data: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """The answers are those of the run that nobody disturbed, each request is answered once."""
    recipe, said = recipe_file(tmp_path, "it", data, models / "qwen2_vl", LONG), tmp_path / "said.txt"
    process = start(recipe, tmp_path)
    state = "*/*/train-*/output/checkpoint-10/trainer_state.json"
    wait_for(lambda: any((tmp_path / "runs").glob(state)), process, said)
    kill_toolkit(tmp_path, "train", process)
    process = start(recipe, tmp_path)
    journal = "*/*/infer-*/predictions.jsonl"
    wait_for(lambda: any(path.stat().st_size for path in (tmp_path / "runs").glob(journal)), process, said)
    outputs = json.loads((stage_folder(tmp_path, "train") / "stage.json").read_text())["outputs"]
    assert outputs["resumed_from"] in {"output/checkpoint-10", "output/checkpoint-15"}
    kill_toolkit(tmp_path, "infer", process)
    assert start(recipe, tmp_path).wait() == 0, said.read_text()
    assert answers(tmp_path) == answers(request.getfixturevalue("calm"))


def test_it_from_recipe_to_csv(calm: Path) -> None:
    table = pd.read_csv(calm / "tiny.csv")
    assert list(table["task"]) == ["demo", "MUStARD", "overall"]
    assert list(table["n"]) == [24, 16, 40]
    row: dict[str, Any] = table.iloc[0].to_dict()
    assert row["error"] == 0
    assert row["toolkit_version"] == "ms-swift 4.6.0"
    assert row["train_seconds"] + row["startup_seconds"] > 1
    assert min(row["train_seconds"], row["startup_seconds"]) > 0
    # the first maximum of swift's own evaluation was chosen, and kept beside the last checkpoint
    output = stage_folder(calm, "train") / "output"
    history = json.loads((output / "checkpoint-25" / "trainer_state.json").read_text())["log_history"]
    scores = {entry["step"]: entry["eval_seq_acc"] for entry in history if "eval_seq_acc" in entry}
    assert sorted(scores) == [5, 10, 15, 20, 25]
    best = min(step for step in scores if scores[step] == max(scores.values()))
    assert row["checkpoint"] == f"checkpoint-{best}"
    assert (output / f"checkpoint-{best}" / "adapter_model.safetensors").is_file()
    assert len(list(output.glob("checkpoint-*"))) == 2, "the best and the last, or the last two"
    assert not (output.parent / "cache").exists()


@pytest.mark.long
def test_zero_shot_of_a_text_model(models: Path, data: Path, tmp_path: Path) -> None:
    recipe = recipe_file(tmp_path, "zero_shot", data, models / "qwen2")
    recipe.write_text(recipe.read_text().replace("qwen2_vl/qwen2_vl, type: MLLM", "qwen2/qwen, type: LLM"))
    orchestrator("run", recipe, "--runs-dir", tmp_path / "runs", "--results-dir", tmp_path)
    assert list(pd.read_csv(tmp_path / "tiny.csv")["error"]) == [0, 0]
    assert len(answers(tmp_path)) == 24


@pytest.mark.long
@needs_compiler
def test_deepspeed_on_two_processes(models: Path, data: Path, tmp_path: Path) -> None:
    recipe = recipe_file(tmp_path, "sft", data, models / "qwen2_vl", "deepspeed: zero2, epochs: 1", ", processes: 2")
    recipe.write_text(recipe.read_text().replace("micro_batch_size: 4, precision: fp32", "micro_batch_size: 2"))
    orchestrator("run", recipe, "--runs-dir", tmp_path / "runs", "--results-dir", tmp_path)
    train = stage_folder(tmp_path, "train")
    (optimizer,) = (train / "output").glob("checkpoint-3/global_step3")  # DeepSpeed's own, one file per process
    assert len(list(optimizer.glob("*optim_states.pt"))) == 2
    assert "world_size: 2" in (train / "log.txt").read_text()
    assert pd.read_csv(tmp_path / "tiny.csv").iloc[0]["n"] == 24


def bad_clips(folder: Path, good: Path) -> dict[str, Path]:
    """One clip of each kind that cannot be read."""
    clips = {name: folder / f"{name}.mp4" for name in ("missing", "empty", "truncated", "audio")}
    clips["empty"].write_bytes(b"")
    clips["truncated"].write_bytes(good.read_bytes()[: good.stat().st_size // 2])
    subprocess.run(
        [str(Environment.load("swift").python), "-c", AUDIO, str(clips["audio"])], check=True, capture_output=True
    )
    return clips


AUDIO = """
import av, numpy, sys
with av.open(sys.argv[1], "w") as file:
    stream = file.add_stream("aac", rate=16000)
    sound = av.AudioFrame.from_ndarray(numpy.zeros((1, 1024), numpy.float32), format="fltp", layout="mono")
    sound.rate = 16000
    for packet in [*stream.encode(sound), *stream.encode()]:
        file.mux(packet)
"""


def test_a_bad_clip_in_training(models: Path, data: Path, tmp_path: Path) -> None:
    """swift alone replaces it and exits with status 0, which we notice; as we start it, it fails and names the clip, in
    a process for data that is started anew, too.
    """
    toolkit = trainer("swift")
    clips = list((data / "Demo" / "video").glob("*.mp4"))
    bad = bad_clips(tmp_path, clips[0])
    rows = [*bad.values(), *clips[:12]]
    message = [{"role": "user", "content": "<video>What?"}, {"role": "assistant", "content": "dialogue act: question"}]
    text = "".join(json.dumps({"messages": message, "videos": [str(clip)]}) + "\n" for clip in rows)
    recipe = load_recipe(recipe_file(tmp_path, "sft", data, models / "qwen2_vl"), ["select.strategy=last"])
    command = toolkit.train(recipe, TrainInputs(str(models / "qwen2_vl"), ".", "cpu"))
    workers = ["--dataloader_num_workers", "1", "--dataloader_multiprocessing_context", "spawn"]
    running = {}
    for name in ("alone", "ours", "workers"):  # at once: most of the time is swift's start
        folder = tmp_path / name
        folder.mkdir()
        (folder / "train.jsonl").write_text(text)
        argv = [*command.argv, *(workers if name == "workers" else ())]
        if name == "alone":
            argv[argv.index("--strict") + 1] = "false"
        with (folder / "log.txt").open("wb") as log:
            running[name] = subprocess.Popen(
                argv, cwd=folder, env=os.environ | dict(command.env), stdout=log, stderr=log
            )
    status = {name: process.wait() for name, process in running.items()}
    said = {name: (tmp_path / name / "log.txt").read_text(errors="replace") for name in running}
    assert status["alone"] == 0, said["alone"][-3000:]
    assert toolkit.checkpoints(tmp_path / "alone")[-1].step == 4
    assert toolkit.train_problems(tmp_path / "alone", said["alone"], 16) == [
        "it replaced or left out samples that it could not read; its log says which"
    ]
    for name in ("ours", "workers"):
        assert status[name] == 1, said[name][-3000:]
        assert any(f"the training sample '{clip}': " in said[name] for clip in bad.values()), name
        assert toolkit.train_problems(tmp_path / name, said[name], 16) == ["it left no complete checkpoint"]


def requests_of(calm: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (stage_folder(calm, "infer") / "requests.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def done(
    swift_env: Environment, calm: Path, models: Path, data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Everything that wants a look inside, in one process; the tests look at what it wrote."""
    folder = tmp_path_factory.mktemp("inside")
    infer = stage_folder(calm, "infer")
    config = json.loads((infer / "config.json").read_text())
    config["adapter"] = str((infer / config["adapter"]).resolve())
    requests = requests_of(calm)
    bad = bad_clips(folder, Path(requests[0]["video"]))
    other = [requests[0] | {"id": name, "video": str(clip)} for name, clip in bad.items()]
    other += [requests[0] | {"id": "text only", "video": None}, requests[1], requests[2] | {"system": "Hm."}]
    other.append(requests[0] | {"id": "long", "prompt": "and " * 3000})
    short = folder / "short.mp4"
    write_video(short, seed=1, frames=3)
    other.append(requests[0] | {"id": "short", "video": str(short)})
    for name, rows in (("all", requests), ("other", other)):
        write_jsonl(folder / f"{name}.jsonl", rows)
    runs: dict[str, dict[str, Any]] = {
        "batches": {},
        "one": {"batch_size": 1},
        "shard0": {"shard": [0, 2]},
        "shard1": {"shard": [1, 2]},
        "base": {"adapter": None},
        "other": {"requests": "other.jsonl"},
    }
    for name, changes in runs.items():
        text = json.dumps(config | {"requests": "all.jsonl", "predictions": f"{name}.jsonl.out"} | changes)
        (folder / f"{name}.config.json").write_text(text)
    write_job(folder / "all.labels.json", config, requests[:24])
    write_same(folder, requests)
    (folder / "clips").mkdir()
    for name, frames in (("three", 3), ("four", 4), ("long", 100)):
        write_video(folder / "clips" / f"{name}.mp4", frames=frames)
    shutil.copy(bad["audio"], folder / "clips" / "sound.mp4")
    (folder / "own_code").mkdir()
    text = '{"model_type": "own", "auto_map": {"AutoConfig": "own.OwnConfig"}}'
    (folder / "own_code" / "config.json").write_text(text)
    code = f"open({str(folder / 'ran')!r}, 'w')\nfrom transformers import PretrainedConfig as OwnConfig\n"
    (folder / "own_code" / "own.py").write_text(code)
    recipe = load_recipe(recipe_file(folder, "it", data, models / "qwen2_vl", "save_steps: 5"))
    (job,) = make_plan(recipe, folder / "runs").jobs
    command = trainer("swift").train(job.recipe, TrainInputs(str(models / "qwen2_vl"), ".", "cpu"))
    argv = list(command.argv)
    (folder / "planned.argv.json").write_text(json.dumps(argv[argv.index(str(program("swift", "train"))) + 1 :]))
    inside(argv_of(swift_env.python, HERE / "inside_swift.py", folder), **command.env)
    return folder


def write_same(folder: Path, requests: list[dict[str, Any]]) -> None:
    """The same samples as requests and as the converter writes them for training."""
    tricky = "she said <video>, <image>, </slice> and <unk>, then <|im_end|><|video_pad|> {{ROUND0}} </s> 5 < 6"
    same = [requests[0] | {"video": None}, *requests[:3], requests[3] | {"prompt": tricky, "system": "Be <brief>."}]
    write_jsonl(folder / "same_requests.jsonl", same)
    samples = [Sample(str(at), "demo", "train", "", "joy", row["video"]) for at, row in enumerate(same)]
    examples = [
        Example(sample, row["prompt"], "emotion: joy", row["system"]) for sample, row in zip(samples, same, strict=True)
    ]
    with (folder / "same_train.jsonl").open("w", encoding="utf-8") as file:
        trainer("swift").write_examples(examples, file, "video")


def test_a_training_reports_to_tensorboard(calm: Path) -> None:
    folder = stage_folder(calm, "train")
    (events,) = (folder / "output" / "runs").glob("**/events.out.tfevents.*")
    assert events.stat().st_size > 1000
    assert (
        f"reports to TensorBoard: tensorboard --logdir {folder / 'output' / 'runs'}" in (calm / "said.txt").read_text()
    )


def test_batches_and_shards_do_not_change_answers(done: Path, calm: Path) -> None:
    expected = answers(calm)
    assert len(expected) == 40
    assert texts(done / "batches.jsonl.out") == texts(done / "one.jsonl.out") == expected
    first, second = texts(done / "shard0.jsonl.out"), texts(done / "shard1.jsonl.out")
    assert len(first) == len(second) == 20
    assert first | second == expected


def test_the_adapter_is_applied(done: Path) -> None:
    trained, base = texts(done / "batches.jsonl.out"), texts(done / "base.jsonl.out")
    form = ("dialogue ", "speaking ")  # of "dialogue act: question", "speaking style: sincere"
    assert all(text.startswith(form) for text in trained.values())
    assert not any(text.startswith(form) for text in base.values())


def test_the_answer_is_the_most_probable_label(done: Path) -> None:
    check_job(done / "all.labels.json", 24)


def test_a_bad_clip_is_its_own_requests_error(done: Path) -> None:
    given = records(done / "other.jsonl.out")
    wrong = {key for key, record in given.items() if "error" in record}
    assert wrong == {"missing", "empty", "truncated", "audio", "long"}
    assert "missing.mp4" in given["missing"]["error"]
    assert "max_length" in given["long"]["error"]
    assert given["text only"]["text"]
    assert {record["finish_reason"] for key, record in given.items() if key not in wrong} <= {"stop", "length"}


def test_inference_sees_what_training_saw(done: Path) -> None:
    report = json.loads((done / "training.report.json").read_text())
    assert len(report) == 5
    for sample in report:
        assert sample["ids"], sample["asked"]
        assert sample["media"]
        assert sample["learnt"].startswith("emotion: joy<|im_end|>")
        assert sample["label"], "labels are scored in the tokens of training"
    assert [sample["grid"] for sample in report[:2]] == [None, [[2, 2, 4]]]  # four frames, two by two
    tricky = report[-1]["asked"]
    assert "< video>, < image>, < /slice> and < unk>, then < |im_end|>< |video_pad|>" in tricky
    assert "< /s> 5 < 6<|im_end|>" in tricky
    assert "<|im_start|>system\nBe <brief>.<|im_end|>" in tricky
    assert "system\nYou are a helpful assistant." in report[0]["asked"]


def test_minicpm_frames_and_a_models_own_code(done: Path) -> None:
    report = json.loads((done / "patches.report.json").read_text())
    # grey levels: frame n is 20 n, modulo 255
    assert [round(grey / 20) for grey in report["three"]] == [0, 1, 2]
    assert [round(grey / 20) for grey in report["four"]] == [0, 1, 2, 3]
    wanted = [number * 20 % 255 for number in (12, 37, 62, 87)]
    assert all(abs(grey - want) <= 3 for grey, want in zip(report["long"], wanted, strict=True))
    assert "sound.mp4 cannot be decoded" in report["sound"]
    assert report["own_code"].startswith("PermissionError: the model brings Python code of its own (OwnConfig)")
    assert not (done / "ran").exists()


def test_swift_takes_the_planned_arguments(done: Path) -> None:
    parsed = json.loads((done / "planned.parsed.json").read_text())
    assert parsed == {
        "unknown": [],
        "model_type": "qwen2_vl",
        "template": "qwen2_vl",
        "learning_rate": 1e-4,
        "lora_rank": 8,
        "max_length": 1024,
        "strict": True,
        "fp16": False,
        "bf16": False,
        "metric_for_best_model": "eval_seq_acc",
        "eval_strategy": "steps",
        "save_total_limit": 2,
        "acc_strategy": "seq",
        "truncation_strategy": "delete",
    }


@pytest.mark.long
def test_clips_of_every_form(models: Path, tmp_path: Path) -> None:
    root = write_all(tmp_path / "data")
    file = recipe_file(tmp_path, "sft", root, models / "qwen2_vl")
    file.write_text(file.read_text().replace(f"data: {{root: {root}}}", DATA.format(root=root)))
    run(file, tmp_path)
    check_run(tmp_path)
