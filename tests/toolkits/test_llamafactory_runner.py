"""LLaMA-Factory's runner on the CPU: models made from scratch, text and clips, beside what its training would see."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from orchestrator.environments.environment import Environment
from orchestrator.inside import loop
from orchestrator.toolkits.llamafactory.inside.utterance import neutralise
from tests.media import write_video
from tests.running import write_jsonl
from tests.toolkits.inside import HERE, argv_of, program
from tests.toolkits.labels import check_job, write_job

pytestmark = pytest.mark.toolkit

WORDS = ["the", "coach", "asks", "what", "you", "would", "like", "to", "change", "and", "waits", "for", "an", "answer"]
PROMPTS = [" ".join(WORDS[: 2 + number % 15] * (1 + number % 3)) + f" {number}" for number in range(13)]
TRICKY = "she said <video>, <image> and <audio>, then <|im_end|><|video_pad|> </s>"
TEXT_CONFIG = {
    "model_type": "qwen2",
    "hidden_size": 48,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 1024,
    "initializer_range": 0.3,  # so that answers differ
}
VIDEO_CONFIG = {
    "model_type": "qwen2_vl",
    "text_config": {
        **{key: value for key, value in TEXT_CONFIG.items() if key != "model_type"},
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 2, 2]},
    },
    "vision_config": {
        "depth": 1,
        "embed_dim": 32,
        "num_heads": 2,
        "hidden_size": 48,
        "mlp_ratio": 2,
        "initializer_range": 0.3,
    },
    "processor": {"min_pixels": 784, "max_pixels": 3136},
}


def request(name: str, prompt: str, video: Path | None = None, system: str | None = None) -> dict[str, Any]:
    return {"id": name, "task": "demo", "prompt": prompt, "video": video and str(video), "system": system}


def settings(folder: Path, name: str, model: str, requests: str, **more: Any) -> dict[str, Any]:
    return {
        "requests": str(folder / requests),
        "predictions": str(folder / f"{name}.jsonl"),
        "model": str(folder / model),
        "revision": None,
        "adapter": None,
        "template": "qwen",
        "finetuning": "full",
        "device": "cpu",
        "precision": "fp32",
        "batch_size": 4,
        "max_new_tokens": 6,
        "temperature": 0.0,
        "top_p": 1.0,
        "seed": 42,
        "frames": 4,
        "max_pixels": 151200,
        "max_length": 300,
        "trust_remote_code": False,
    } | more


def predictions(folder: Path, name: str) -> dict[str, dict[str, Any]]:
    records = [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]
    assert len(records) == len({record["id"] for record in records})
    return {record["id"]: record for record in records}


def texts(folder: Path, name: str) -> dict[str, str]:
    return {key: record["text"] for key, record in predictions(folder, name).items() if "error" not in record}


def make_clips(folder: Path) -> dict[str, Path]:
    clips = {f"clip{number}": write_video(folder / f"clip{number}.mp4", number, 8 + number) for number in range(5)}
    clips["short"] = write_video(folder / "short.mp4", 1, 3)
    clips["empty"], clips["corrupt"], clips["missing"] = (folder / f"{name}.mp4" for name in ("empty", "cut", "none"))
    clips["empty"].write_bytes(b"")
    clips["corrupt"].write_bytes(clips["clip1"].read_bytes()[:500])
    return clips


@pytest.fixture(scope="module")
def done(llamafactory_env: Environment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything that needs the toolkit, in one process; the tests look at what it wrote."""
    folder = tmp_path_factory.mktemp("runner")
    write_jsonl(folder / "corpus.jsonl", [*PROMPTS, TRICKY])
    for name, config in (("text", TEXT_CONFIG), ("again", TEXT_CONFIG), ("video", VIDEO_CONFIG)):
        job = {"out": str(folder / name), "config": config, "vocab_size": 400, "seed": 7, "template": "qwen"}
        (folder / f"{name}.init.json").write_text(json.dumps(job | {"corpus": str(folder / "corpus.jsonl")}))
    requests = [request(f"r{number}", prompt) for number, prompt in enumerate(PROMPTS)]
    requests += [request("tricky", TRICKY), request("long", "and " * 400), request("system", PROMPTS[0], system="Hm.")]
    write_jsonl(folder / "requests.jsonl", requests)
    clips = make_clips(folder)
    watched = [request(name, PROMPTS[3], path) for name, path in clips.items()]
    watched += [request("tricky", TRICKY, clips["clip2"]), request("unseen", PROMPTS[4])]
    write_jsonl(folder / "watched.jsonl", watched)
    shared = [watched[0], watched[3], watched[5], request("tricky", TRICKY, clips["clip2"])]
    write_jsonl(folder / "same.jsonl", shared)
    rows = [
        {
            "conversations": [
                {"from": "human", "value": f"<video>{neutralise(row['prompt'])}"},
                {"from": "gpt", "value": "emotion: joy"},
            ],
            "videos": [row["video"]],
        }
        for row in shared
    ]
    (folder / "train_rows.json").write_text(json.dumps(rows))
    columns = {"messages": "conversations", "videos": "videos"}
    info = {"train": {"file_name": "train_rows.json", "formatting": "sharegpt", "columns": columns}}
    (folder / "dataset_info.json").write_text(json.dumps(info))
    train = {"model_name_or_path": str(folder / "video"), "stage": "sft", "do_train": True, "dataset": "train"}
    train |= {"dataset_dir": str(folder), "template": "qwen2_vl", "use_cpu": True, "report_to": "none"}
    train |= {"output_dir": str(folder / "out"), "video_fps": 100.0, "video_maxlen": 4, "video_max_pixels": 151200}
    (folder / "train.json").write_text(json.dumps(train))
    runs = {
        "text": settings(folder, "text", "text", "requests.jsonl"),
        "one": settings(folder, "one", "text", "requests.jsonl", batch_size=1),
        "bf16": settings(folder, "bf16", "text", "requests.jsonl", precision="bf16"),
        "lora": settings(folder, "lora", "text", "requests.jsonl", finetuning="lora", adapter=str(folder / "adapter")),
        "drawn": settings(folder, "drawn", "text", "requests.jsonl", temperature=1.0),
        "drawn2": settings(folder, "drawn2", "text", "requests.jsonl", temperature=1.0),
        "other": settings(folder, "other", "text", "requests.jsonl", temperature=1.0, seed=43),
        "zvideo1": settings(folder, "zvideo1", "video", "watched.jsonl", template="qwen2_vl", batch_size=1),
        "video": settings(folder, "video-answers", "video", "watched.jsonl", template="qwen2_vl"),
    }
    # a resumed run: half of a batch is there already
    write_jsonl(folder / "drawn2.jsonl", [{"id": "r2", "text": "kept", "finish_reason": "stop", "seconds": 0.1}])
    for name, config in runs.items():
        (folder / f"{name}.config.json").write_text(json.dumps(config))
    asked = [request(f"r{number}", " ".join(WORDS[: 1 + number % 14])) for number in range(24)]
    shown = [row for row in watched if row["id"].startswith("clip") or row["id"] == "unseen"]
    alone = runs["lora"] | {"max_length": None}
    write_job(folder / "text.labels.json", alone, asked)
    write_job(folder / "video.labels.json", runs["video"], shown, room=1, label_score="mean")  # row by row
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    env |= {"HF_DATASETS_CACHE": str(folder / "cache"), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    argv = argv_of(llamafactory_env.python, HERE / "inside_llamafactory.py", folder)
    process = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=600)
    assert process.returncode == 0, process.stdout[-2000:] + process.stderr[-4000:]
    return folder


def test_the_same_seed_makes_the_same_model(done: Path) -> None:
    sums = json.loads((done / "sums.json").read_text())
    assert sums["text"] == sums["again"]
    assert not list(done.glob("*.tmp"))


def test_batches_do_not_change_answers(done: Path) -> None:
    answers = predictions(done, "text")
    assert answers.keys() == predictions(done, "one").keys()
    assert len({record.get("text") for record in answers.values()}) > 3, "the model must say different things"
    assert {key: record.get("text") for key, record in answers.items()} == {
        key: record.get("text") for key, record in predictions(done, "one").items()
    }
    assert {record.get("finish_reason") for record in answers.values()} <= {"stop", "length", None}


def test_an_overlong_prompt_is_an_error_and_nothing_else_is(done: Path) -> None:
    errors = {key: record["error"] for key, record in predictions(done, "text").items() if "error" in record}
    assert errors.keys() == {"long"}
    assert "over max_length 300" in errors["long"]


def test_the_system_prompt_counts(done: Path) -> None:
    answers = texts(done, "text")
    assert answers["system"] != answers["r0"]


def test_the_adapter_and_the_precision_count(done: Path) -> None:
    base = texts(done, "text")
    assert texts(done, "lora") != base
    assert texts(done, "bf16").keys() == base.keys()


def test_samples_depend_on_the_seed_and_not_on_a_restart(done: Path) -> None:
    drawn, resumed = texts(done, "drawn"), texts(done, "drawn2")
    assert resumed == drawn | {"r2": "kept"}
    assert texts(done, "other") != drawn


def test_clips(done: Path) -> None:
    records = predictions(done, "video-answers")
    assert {key for key, record in records.items() if "error" in record} == {"empty", "corrupt", "missing"}
    assert "no video" in records["missing"]["error"]
    assert "none.mp4" in records["missing"]["error"]
    alone = predictions(done, "zvideo1")
    assert {key: record.get("text") for key, record in records.items()} == {
        key: record.get("text") for key, record in alone.items()
    }
    seen = {records[f"clip{number}"]["text"] for number in range(5)}
    assert len(seen) > 1, "the same words with other pictures must be able to give another answer"


def test_inference_sees_what_training_saw(done: Path) -> None:
    for sample in json.loads((done / "training.report.json").read_text()):
        assert sample["ids"], "prompt tokens"
        assert sample["answer"].startswith("emotion: joy")
        assert sample["label"], "labels are scored in the tokens of training"
        assert sample["pixels"], "frames"
        assert sample["positions"], "three-dimensional positions"
        assert not sample["text_positions"], "a video's positions are not those of text"
        assert sample["grid"][0][0] == 2  # four frames, two by two; a clip of three repeats its last


def test_the_answer_is_the_most_probable_label(done: Path) -> None:
    check_job(done / "text.labels.json", 24)
    check_job(done / "video.labels.json", 6)


def test_as_a_program(done: Path, llamafactory_env: Environment, tmp_path: Path) -> None:
    """The way a stage starts it, with requests that all fail: status 3 and the reason."""
    write_jsonl(tmp_path / "requests.jsonl", [request("a", "hello", tmp_path / "none.mp4")])
    config = settings(tmp_path, "out", str(done / "video"), "requests.jsonl", template="qwen2_vl")
    (tmp_path / "config.json").write_text(json.dumps(config))
    argv = argv_of(llamafactory_env.python, program("llamafactory", "infer"), "config.json")
    process = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert process.returncode == loop.ALL_FAILED, process.stderr[-2000:]
    assert "no video" in process.stderr.splitlines()[-1]
    assert "answered 1/1" in process.stdout
