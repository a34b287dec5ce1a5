"""`inference.answers: labels` with each toolkit's tiny model: 500 requests, one by one beside batches."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from orchestrator.environments.environment import Environment
from tests.media import write_video
from tests.shared import ROOT
from tests.toolkits.conftest import ready
from tests.toolkits.inside import HERE, argv_of
from tests.toolkits.labels import LABELS, check_job, write_job

pytestmark = [pytest.mark.toolkit, pytest.mark.long]
MANY, CLIPS, BATCH = 500, 48, 6
WORDS = ("the", "coach", "asks", "what", "you", "would", "like", "to", "change", "and", "waits", "for", "an", "answer")
ENV = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1"}
COMMON: dict[str, Any] = {
    "revision": None, "adapter": None, "finetuning": "lora", "device": "cpu", "precision": "fp32", "batch_size": BATCH,
    "max_new_tokens": 16, "temperature": 0.0, "top_p": 1.0, "seed": 42, "frames": 4, "max_pixels": 151200,
    "max_length": None, "trust_remote_code": False, "attention": "auto", "parts": {},
}  # fmt: skip


def texts() -> list[str]:
    said = [f"{word}: {label}" for word, labels in LABELS.values() for label in labels]
    return [" ".join(WORDS[at % 5 : 6 + at % 11] * (1 + at % 4)) + f" {at}?" for at in range(MANY)] + said


def requests_of(folder: Path, clips: int) -> list[dict[str, Any]]:
    """Questions about nothing but text, and some about clips."""
    paths = [write_video(folder / f"{number}.mp4", number, 6 + number % 5) for number in range(min(clips, 12))]
    found = []
    for at, text in enumerate(texts()[:MANY]):
        video = str(paths[at % len(paths)]) if at < clips else None
        found.append({"id": f"r{at}", "prompt": text, "video": video, "system": None})
    return found


def run(environment: Environment, *words: object, **env: str) -> None:
    own = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | ENV | env
    argv = [str(environment.python), *map(str, words)]
    done = subprocess.run(argv, env=own, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]


def tiny(environment: Environment, *words: object, **env: str) -> None:
    run(environment, HERE / f"tiny_{environment.name}.py", *words, **env)


def llamafactory(environment: Environment, folder: Path, corpus: Path) -> Sequence[tuple[dict[str, Any], int]]:
    from tests.toolkits.inside import program
    from tests.toolkits.test_llamafactory_runner import TEXT_CONFIG, VIDEO_CONFIG

    for name, config in (("text", TEXT_CONFIG), ("video", VIDEO_CONFIG)):
        job = {"out": str(folder / name), "config": config, "vocab_size": 400, "seed": 7, "template": "qwen"}
        (folder / f"{name}.json").write_text(json.dumps(job | {"corpus": str(corpus)}))
        run(environment, *argv_of("", program("llamafactory", "init"), folder / f"{name}.json")[1:])
    return [
        ({"model": str(folder / "text"), "template": "qwen", "finetuning": "full"}, 0),
        ({"model": str(folder / "video"), "template": "qwen2_vl", "finetuning": "full"}, CLIPS),
    ]


def swift(environment: Environment, folder: Path, corpus: Path) -> Sequence[tuple[dict[str, Any], int]]:
    tiny(environment, folder, corpus)
    return [
        ({"model": str(folder / "qwen2"), "template": "qwen2/qwen"}, 0),
        ({"model": str(folder / "qwen2_vl"), "template": "qwen2_vl/qwen2_vl"}, CLIPS),
    ]


def llava_next(environment: Environment, folder: Path, corpus: Path) -> Sequence[tuple[dict[str, Any], int]]:
    tiny(environment, folder / "model", folder / "siglip", corpus)
    return [({"model": str(folder / "model"), "frames": 1, "attention": "sdpa"}, 24)]


def videollama2(environment: Environment, folder: Path, corpus: Path) -> Sequence[tuple[dict[str, Any], int]]:
    tiny(environment, folder / "made")
    return [({"model": str(folder / "made" / "complete"), "frames": 8}, CLIPS)]


MAKERS: dict[str, Callable[..., Sequence[tuple[dict[str, Any], int]]]] = {
    "llamafactory": llamafactory, "swift": swift, "llava_next": llava_next, "videollama2": videollama2,
}  # fmt: skip


@pytest.mark.parametrize("toolkit", MAKERS)
def test_the_answer_is_the_most_probable_label(toolkit: str, tmp_path: Path) -> None:
    environment = ready(toolkit)
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text("".join(json.dumps(text) + "\n" for text in texts()))
    for number, (settings, clips) in enumerate(MAKERS[toolkit](environment, tmp_path, corpus)):
        job = tmp_path / f"{number}.labels.json"
        requests = requests_of(tmp_path, clips)
        write_job(job, COMMON | settings, requests, label_score=("sum", "mean")[number])
        run(environment, *argv_of("", HERE / "inside_labels.py", toolkit, job)[1:])
        check_job(job, MANY)
