"""VideoLLaMA2 itself, from a recipe to the results CSV, on the CPU with tiny random weights and generated clips."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from orchestrator.environments.environment import Environment
from orchestrator.inside import start as starter
from orchestrator.launch.local import SHOWN_LINES
from orchestrator.machine.processes import STAGE_MARK, marked
from orchestrator.toolkits.registry import trainer
from tests.media import write_video
from tests.recipes import write_rows
from tests.running import records, run, stage_folder, start, texts, write_jsonl
from tests.shared import ROOT, needs_compiler
from tests.toolkits.all_clips import DATA, check_run, write_all
from tests.toolkits.inside import HERE, argv_of, program
from tests.toolkits.labels import check_job, write_job

pytestmark = [pytest.mark.toolkit, pytest.mark.usefixtures("environment")]
LABELS = {"Demo": ("statement", "question", "command", "apology"), "MUStARD": ("sincere", "sarcastic")}


@pytest.fixture(scope="session")
def environment(videollama2_env: Environment) -> Environment:
    return videollama2_env


@pytest.fixture(scope="module")
def weights(environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("weights")
    subprocess.run([environment.python, HERE / "tiny_videollama2.py", folder], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two data sets of clips of 8 to 12 frames, alternating codecs."""
    root: Path = tmp_path_factory.mktemp("data")
    for dataset, sizes in (("Demo", (64, 8, 40)), ("MUStARD", (16, 4, 8))):
        (root / dataset / "video").mkdir(parents=True)
        number = 0
        for split, count in zip(("train", "dev", "test"), sizes, strict=True):
            rows = []
            for _ in range(count):
                name = f"{dataset}_{number}.mp4"
                write_video(root / dataset / "video" / name, seed=number, frames=8 + number % 5)
                text = f"Utterance {number} says <video>" + " and more" * (number % 7)
                rows.append((f"{dataset}_{number}", name, text, LABELS[dataset][number % len(LABELS[dataset])]))
                number += 1
            write_rows(root / dataset / f"{split}.tsv", rows)
    return root


def recipe_file(folder: Path, weights: Path, data: Path, text: str) -> Path:
    """A recipe file named `tiny`; `text` holds the method and, for fine-tuning, its settings."""
    path = folder / "tiny.yaml"
    path.write_text(
        f"""model:
  name: Tiny-VideoLLaMA2
  path: {weights}/complete
  toolkit: videollama2
  type: MLLM
  parts: {{llm: {weights}/mistral, vision_tower: {weights}/clip, projector: {weights}/base}}
data: {{root: {data}}}
video: {{frames: 8}}
inference: {{batch_size: 8, max_new_tokens: 16, precision: fp32}}
{text}"""
    )
    return path


TRAIN = """train:
  epochs: 4
  batch_size: 8
  micro_batch_size: 4
  learning_rate: 1e-2
  warmup_ratio: 0.1
  save_steps: 7
  lora: {rank: 16, alpha: 32, dropout: 0.05}
select: {strategy: last}
"""
ONE_PROCESS = 'resources: {device: cpu, env: {OMP_NUM_THREADS: "1"}}\n'
SFT = f"method: sft\ntasks: [demo]\n{TRAIN}{ONE_PROCESS}"


@pytest.fixture(scope="module")
def trained(weights: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of method sft that nobody disturbed."""
    folder: Path = tmp_path_factory.mktemp("sft")
    run(recipe_file(folder, weights, data, SFT), folder)
    return folder


def test_sft_teaches_the_form_of_the_answers(trained: Path) -> None:
    table = pd.read_csv(trained / "tiny.csv")
    assert list(table["task"]) == ["demo"]
    row = table.iloc[0]
    assert (row["n"], row["frames"], row["checkpoint"], row["error"]) == (40, 8, "checkpoint-32", 0)
    assert row["unknown"] == 0
    assert row["toolkit_version"] == "videollama2 1.0"
    said = texts(stage_folder(trained, "infer") / "predictions.jsonl").values()
    assert len(said) == 40
    assert all(text.startswith("dialogue act: ") for text in said)
    # 32 steps are no multiple of 7: the last step was saved all the same; of the others only the newest is kept
    output = stage_folder(trained, "train") / "output"
    assert {path.name for path in output.glob("checkpoint-*")} == {"checkpoint-28", "checkpoint-32"}


def test_parts_from_the_hub_are_asked_for_at_their_commit(environment: Environment, tmp_path: Path) -> None:
    """With the toolkit's own transformers, up to the address that is asked."""
    asked: list[str] = []

    class Hub(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as hub:
        threading.Thread(target=hub.serve_forever, args=(0.01,), daemon=True).start()
        env = os.environ | {
            "HF_ENDPOINT": f"http://127.0.0.1:{hub.server_port}",
            "HF_HOME": str(tmp_path),
            "MMLA_HUB_PINS": f"other/clip={'a' * 40},some/clip={'b' * 40}",
        }
        done = subprocess.run(
            argv_of(environment.python, HERE / "inside_pins.py"), env=env, capture_output=True, text=True
        )
        hub.shutdown()
    assert done.returncode == 1
    assert asked[0] == f"/some/clip/resolve/{'b' * 40}/config.json", done.stderr[-2000:]


@pytest.mark.long
def test_zero_shot_is_the_complete_model(tmp_path: Path, weights: Path, data: Path) -> None:
    run(recipe_file(tmp_path, weights, data, f"method: zero_shot\ntasks: [demo]\n{ONE_PROCESS}"), tmp_path)
    row = pd.read_csv(tmp_path / "tiny.csv").iloc[0]
    assert (row["n"], row["method"], row["error"], row["unknown"]) == (40, "zero_shot", 0, 100)
    assert len(set(texts(stage_folder(tmp_path, "infer") / "predictions.jsonl").values())) > 1


@pytest.mark.long
@needs_compiler
def test_it_with_deepspeed_on_two_processes(tmp_path: Path, weights: Path, data: Path) -> None:
    settings = TRAIN.replace("train:", "train:\n  deepspeed: zero2").replace("strategy: last", "strategy: dev_accuracy")
    settings = settings.replace("epochs: 4", "epochs: 2").replace("save_steps: 7", "save_steps: 12")
    two = 'resources: {device: cpu, processes: 2, env: {OMP_NUM_THREADS: "1"}}\n'
    run(recipe_file(tmp_path, weights, data, f"method: it\ntasks: [demo, MUStARD]\n{settings}{two}"), tmp_path)
    table = pd.read_csv(tmp_path / "tiny.csv").set_index("task")
    assert list(table["n"]) == [40, 8, 48]
    assert table.loc["overall", "error"] == 0
    train, select = stage_folder(tmp_path, "train"), stage_folder(tmp_path, "select")
    log = (train / "log.txt").read_text()
    assert "Num examples = 80" in log
    assert "Gradient Accumulation steps = 1" in log
    # every checkpoint answered dev; the newest two could still be trained on
    assert set(json.loads((select / "stage.json").read_text())["outputs"]["accuracy_percent"]) == {"12", "20"}
    states = sorted(path.parent.parent.name for path in train.glob("output/checkpoint-*/global_step*/*optim_states.pt"))
    assert states == ["checkpoint-12"] * 2 + ["checkpoint-20"] * 2, "DeepSpeed's own, one per process"


def strike(folder: Path, kind: str, done: str) -> None:
    """Kill all of a stage's processes and the orchestrator without warning as soon as a file matches `done`."""
    orchestrator = start(folder / "tiny.yaml", folder)
    while not any(path.stat().st_size for path in (folder / "runs" / "tiny").glob(f"*/{kind}-*/{done}")):
        assert orchestrator.poll() is None, (folder / "said.txt").read_text()
        time.sleep(0.05)
    orchestrator.kill()
    for group in {os.getpgid(process.pid) for process in marked(STAGE_MARK, str(stage_folder(folder, kind).resolve()))}:
        os.killpg(group, signal.SIGKILL)
    assert orchestrator.wait() == -signal.SIGKILL


def test_killed_and_resumed_gives_the_same(tmp_path: Path, weights: Path, data: Path, trained: Path) -> None:
    recipe = recipe_file(tmp_path, weights, data, SFT)
    strike(tmp_path, "train", "output/checkpoint-14/trainer_state.json")
    strike(tmp_path, "infer", "predictions.jsonl")
    assert len(texts(stage_folder(tmp_path, "infer") / "predictions.jsonl")) < 40, "killed too late to show anything"
    run(recipe, tmp_path)
    resumed = json.loads((stage_folder(tmp_path, "train") / "stage.json").read_text())["outputs"]["resumed_from"]
    assert resumed in ("output/checkpoint-14", "output/checkpoint-21")
    # not only the answers: the same bytes of adapter and projector as if nothing had happened
    for name in ("adapter_model.safetensors", "non_lora_trainables.bin"):
        mine, calm = (stage_folder(at, "train") / "output" / "checkpoint-32" / name for at in (tmp_path, trained))
        assert mine.read_bytes() == calm.read_bytes(), name
    answers = [texts(stage_folder(at, "infer") / "predictions.jsonl") for at in (tmp_path, trained)]
    assert answers[0] == answers[1]


def write_sound(path: Path) -> Path:
    """An mp4 without a picture."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        for number in range(20):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = 16000, number * 1024, Fraction(1, 16000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Clips by name; those whose name ends in `!` cannot be read."""
    folder: Path = tmp_path_factory.mktemp("clips")
    found = {f"clip{number}": write_video(folder / f"{number}.mp4", number, 6 + number) for number in range(4)}
    found["short"] = write_video(folder / "short.mp4", 1, 3)
    found |= {f"{name}!": folder / f"{name}.mp4" for name in ("missing", "empty", "cut")}
    found["empty!"].write_bytes(b"")
    found["cut!"].write_bytes(found["clip1"].read_bytes()[:500])
    found["sound!"] = write_sound(folder / "sound.mp4")
    return found


def halve(path: Path) -> None:
    """Take half of the weights out of a safetensors file: 8 bytes of length, a JSON header, the numbers."""
    content = path.read_bytes()
    begin = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:begin])
    header.pop("__metadata__", None)
    kept = sorted(header.items(), key=lambda item: int(item[1]["data_offsets"][0]))[: len(header) // 2]
    text = json.dumps(dict(kept)).encode()
    end = kept[-1][1]["data_offsets"][1]
    path.write_bytes(len(text).to_bytes(8, "little") + text + content[begin : begin + end])


TRICKY = "  she said <video>, <image>, <unk> and </s>  "


@pytest.fixture(scope="module")
def inside(environment: Environment, weights: Path, trained: Path, clips: dict[str, Path],
           tmp_path_factory: pytest.TempPathFactory) -> Path:  # fmt: skip
    """Everything that needs the toolkit but no run, in one process and two shards; the tests look at the files."""
    folder: Path = tmp_path_factory.mktemp("inside")
    infer, train = stage_folder(trained, "infer"), stage_folder(trained, "train")
    adapter = train / "output" / "checkpoint-32"
    shutil.copy(infer / "requests.jsonl", folder / "requests.jsonl")
    asked = {"task": "demo", "prompt": "what?", "system": None}
    bad = [asked | {"id": name, "video": str(path)} for name, path in clips.items()]
    bad.append(asked | {"id": "text", "video": None})
    bad.append(asked | {"id": "long!", "video": None, "prompt": "word " * 2000})
    bad.append(asked | {"id": "system!", "video": None, "system": "You are a helpful assistant."})
    write_jsonl(folder / "bad_requests.jsonl", bad)
    rows = [(TRICKY, clips["clip2"]), ("plain", clips["short"]), (TRICKY, None)]
    write_jsonl(folder / "same.jsonl", [{"id": "x", "prompt": text, "video": v and str(v)} for text, v in rows])
    neutral = TRICKY.replace("<", "< ")
    records = [
        {"video": str(clips["clip2"]), "human": f"<video>\n{neutral}"},
        {"video": str(clips["short"]), "human": "<video>\nplain"},
        {"human": neutral},
    ]
    for record in records:
        human = {"from": "human", "value": record.pop("human")}
        record["conversations"] = [human, {"from": "gpt", "value": "emotion: joy"}]  # type: ignore[assignment]
    (folder / "same.json").write_text(json.dumps(records))
    # an adapter that was trained where nothing lies any more, and one that lost half of its weights
    for name in ("moved", "damaged"):
        shutil.copytree(adapter, folder / name)
    for name, key in (("config.json", "mm_vision_tower"), ("adapter_config.json", "base_model_name_or_path")):
        content = json.loads((folder / "moved" / name).read_text())
        (folder / "moved" / name).write_text(json.dumps(content | {key: "/nowhere/clip"}))
    halve(folder / "damaged" / "adapter_model.safetensors")
    config = json.loads((infer / "config.json").read_text()) | {"adapter": str(adapter)}
    configs = {
        "batches": {},
        "single": {"batch_size": 1},
        "base": {"adapter": None},
        "moved": {"adapter": str(folder / "moved")},
        "damaged": {"adapter": str(folder / "damaged")},
        "bf16": {"precision": "bf16"},
        "merged": {"model": str(folder / "merged"), "adapter": None},
        "bad": {"requests": str(folder / "bad_requests.jsonl")},
    }
    for name, changes in configs.items():
        own = {"requests": str(folder / "requests.jsonl"), "predictions": str(folder / f"{name}.jsonl")}
        (folder / f"{name}.config.json").write_text(json.dumps(config | own | changes))
    (folder / "merge.json").write_text(json.dumps(config))
    asked_first = [json.loads(line) for line in (folder / "requests.jsonl").read_text().splitlines()[:24]]
    write_job(folder / "all.labels.json", config, asked_first)
    planned = [sys.executable, "-m", "orchestrator", "plan", "recipes/videollama2_7b_sft.yaml", "--json"]
    (plan,) = json.loads(subprocess.run(planned, cwd=ROOT, check=True, capture_output=True).stdout)
    published = next(stage for stage in plan["jobs"][0]["stages"] if stage["stage"] == "train")
    argvs = {"run": json.loads((train / "stage.json").read_text())["argv"], "published": published["argv"]}
    flags = {name: argv[argv.index("auto") + 1 :] for name, argv in argvs.items()}
    (folder / "flags.json").write_text(json.dumps(flags))
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    env |= {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    shards = []
    for number in range(2):
        path = folder / f"shard{number}.json"
        own = {"requests": "requests.jsonl", "predictions": f"shard{number}.jsonl", "shard": [number, 2]}
        path.write_text(json.dumps(config | own))
        argv = argv_of(environment.python, program("videollama2", "infer"), path.name)
        shards.append(subprocess.Popen(argv, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT))
    for shard in shards:
        said, _ = shard.communicate()
        assert shard.returncode == 0, said.decode()[-2000:]
    done = subprocess.run(argv_of(environment.python, HERE / "inside_videollama2.py", folder), env=env,
                          capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return folder


def test_batches_and_shards_do_not_change_answers(inside: Path) -> None:
    batches = texts(inside / "batches.jsonl")
    assert len(batches) == 40
    assert texts(inside / "single.jsonl") == batches
    shards = [texts(inside / f"shard{number}.jsonl") for number in range(2)]
    assert not shards[0].keys() & shards[1].keys()
    assert shards[0] | shards[1] == batches
    assert texts(inside / "bf16.jsonl").keys() == batches.keys()


def test_the_adapter_is_applied(inside: Path, trained: Path) -> None:
    batches, base = texts(inside / "batches.jsonl"), texts(inside / "base.jsonl")
    assert batches == texts(stage_folder(trained, "infer") / "predictions.jsonl")
    assert all(text.startswith("dialogue act: ") for text in batches.values())
    assert not any("dialogue act: " in text for text in base.values())
    assert texts(inside / "moved.jsonl") == batches, "where the parts lie now counts, not where they lay in training"
    assert texts(inside / "merged.jsonl") == batches


def test_the_answer_is_the_most_probable_label(inside: Path) -> None:
    check_job(inside / "all.labels.json", 24)


def test_a_damaged_adapter_is_refused(inside: Path) -> None:
    ends = json.loads((inside / "report.json").read_text())["ends"]
    assert "14 adapter weights for a model that takes 28" in ends.pop("damaged")
    assert set(ends.values()) == {"0"}


def test_bad_requests_fail_alone(inside: Path) -> None:
    given = records(inside / "bad.jsonl")
    assert {name for name, record in given.items() if "error" in record} == {n for n in given if n.endswith("!")}
    assert "no video" in given["missing!"]["error"]
    assert "over max_length 1024" in given["long!"]["error"]
    assert "takes no system message" in given["system!"]["error"]


def test_inference_sees_what_training_saw(inside: Path) -> None:
    report = json.loads((inside / "report.json").read_text())["training"]
    assert [row["shape"] for row in report] == [[8, 3, 56, 56], [8, 3, 56, 56], None]
    for row in report:
        assert row["ids"], "prompt tokens"
        assert row["frames"], "frames"
        assert row["untaught"], "the prompt is no part of the loss"
        assert row["answer"] == "emotion: joy</s>"
        assert row["label"], "labels are scored in the tokens of training"


def test_the_toolkits_parser_takes_our_flags(inside: Path) -> None:
    parsed = json.loads((inside / "report.json").read_text())["flags"]
    assert [flags["rest"] for flags in parsed.values()] == [[], []]
    assert parsed["published"]["values"]["deepspeed"].endswith("videollama2/deepspeed/zero2.json")
    values = parsed["run"]["values"]
    expected = {"lora_r": "16", "lora_alpha": "32", "lora_enable": "True", "mm_vision_select_layer": "-2", "seed": "42"}
    expected |= {"num_frames": "8", "image_aspect_ratio": "pad", "model_max_length": "1024", "save_steps": "7.0"}
    assert {name: values[name] for name in expected} == expected


def test_bad_videos_in_training(
    environment: Environment, trained: Path, clips: dict[str, Path], tmp_path: Path
) -> None:
    """By itself VideoLLaMA2 trains on other samples and ends with status 0; our check sees it, our launcher stops."""
    turns = [{"from": "human", "value": "<video>\nwhat?"}, {"from": "gpt", "value": "dialogue act: question"}]
    rows: list[dict[str, Any]] = [
        {"id": name, "video": str(path), "conversations": turns} for name, path in clips.items()
    ]
    rows.append({"id": "text", "conversations": [{"from": "human", "value": "what?"}, turns[1]]})
    (tmp_path / "train.json").write_text(json.dumps(rows))
    stage = json.loads((stage_folder(trained, "train") / "stage.json").read_text())
    argv, at = stage["argv"], stage["argv"].index("--data_path") + 1
    argv[at] = "../train.json"
    argv += ["--num_train_epochs", "1"]  # the last of several counts
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | stage["env"]
    launcher = argv.index(str(starter.HERE))
    ours = argv[launcher : launcher + 3]
    assert ours[1] == str(program("videollama2", "train"))
    programs = {"alone": ["-m", "videollama2.train"], "ours": ours, "workers": ours}
    said, codes = {}, {}
    for name, words in programs.items():
        (tmp_path / name).mkdir()
        command = [*argv[:launcher], *words, *argv[launcher + 3 :]]
        if name == "alone":
            parts = command.index("--pretrain_mm_mlp_adapter") + 1
            command[parts] += "/mm_projector.bin"
        if name == "workers":
            command += ["--dataloader_num_workers", "2"]
        done = subprocess.run(command, cwd=tmp_path / name, env=env, capture_output=True, text=True, timeout=300)
        said[name], codes[name] = done.stdout + done.stderr, done.returncode
    assert codes["alone"] == 0, said["alone"][-3000:]
    found = trainer("videollama2").train_problems(tmp_path / "alone", said["alone"], len(rows))
    assert any("samples were replaced by others" in problem for problem in found), found
    # VideoLLaMA2 draws the other sample at random: it may be a bad one again
    assert int(next(problem for problem in found if "replaced" in problem).split()[0]) >= 4
    for name in ("ours", "workers"):
        assert codes[name] != 0
        assert "RuntimeError: cannot read the video " in "\n".join(said[name].split("\n")[-SHOWN_LINES:]), name
        assert not list((tmp_path / name).glob("output/checkpoint-*"))


@pytest.mark.long
def test_clips_of_every_form(tmp_path: Path, weights: Path) -> None:
    root = write_all(tmp_path / "data")
    file = recipe_file(tmp_path, weights, root, SFT.replace("epochs: 4", "epochs: 1"))
    file.write_text(file.read_text().replace(f"data: {{root: {root}}}", DATA.format(root=root)))
    run(file, tmp_path)
    check_run(tmp_path)
