"""A real server of the protocol, LLaMA-Factory's own with a tiny model: its answers are those of the runner."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.environments.environment import Environment
from tests.running import write_jsonl
from tests.toolkits.hosted import ended, start, totals
from tests.toolkits.inside import argv_of, program
from tests.toolkits.test_llamafactory_runner import PROMPTS, TEXT_CONFIG, predictions, request, settings

pytestmark = [pytest.mark.toolkit, pytest.mark.deadline(600)]
TOKENS = 6


@contextlib.contextmanager
def api(env: Environment, model: Path) -> Iterator[str]:
    """The server of a model; its address, once it answers there."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = {
        "model_name_or_path": model,
        "template": "qwen",
        "infer_dtype": "float32",
        "infer_backend": "huggingface",
    }
    argv = [env.bin / "llamafactory-cli", "api", *(word for name in options for word in (f"--{name}", options[name]))]
    own = {"API_HOST": "127.0.0.1", "API_PORT": str(port), "CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1",
           "OMP_NUM_THREADS": "1", "API_MODEL_NAME": "served", "MAX_CONCURRENT": "4"}  # fmt: skip
    log = model.parent / "api.log"
    with log.open("w") as file:
        process = subprocess.Popen([*map(str, argv)], stdout=file, stderr=file, env=os.environ | own)
    try:
        deadline = time.monotonic() + 300
        while True:
            with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/models", timeout=5):
                break
            assert process.poll() is None, log.read_text()[-3000:]
            assert time.monotonic() < deadline, log.read_text()[-3000:]
            time.sleep(0.5)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait(30)


def test_its_answers_equal_the_runners(tmp_path: Path, llamafactory_env: Environment, openai_env: Environment) -> None:
    write_jsonl(tmp_path / "corpus.jsonl", PROMPTS)
    job: dict[str, Any] = {"out": str(tmp_path / "text"), "config": TEXT_CONFIG, "vocab_size": 400, "seed": 7,
                           "template": "qwen", "corpus": str(tmp_path / "corpus.jsonl")}  # fmt: skip
    (tmp_path / "init.json").write_text(json.dumps(job))
    requests = [request(f"r{number}", prompt) for number, prompt in enumerate(PROMPTS)]
    requests.append(request("r13", PROMPTS[0], system="Hm."))
    requests.append(request("r14", PROMPTS[1]) | {"history": [["the coach waits", "and asks"]]})
    write_jsonl(tmp_path / "requests.jsonl", requests)
    config = settings(tmp_path, "here", "text", "requests.jsonl", max_new_tokens=TOKENS)
    (tmp_path / "here.json").write_text(json.dumps(config))
    own = os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    for name, file in (("init", "init.json"), ("infer", "here.json")):
        argv = argv_of(llamafactory_env.python, program("llamafactory", name), tmp_path / file)
        done = subprocess.run(argv, env=own, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    asked = tmp_path / "asked"
    asked.mkdir()
    with api(llamafactory_env, tmp_path / "text") as url:
        ended(start(asked, openai_env, url, requests, max_new_tokens=TOKENS))
    here, there = predictions(tmp_path, "here"), predictions(asked, "predictions")
    answers = {name: (line["text"], line["finish_reason"]) for name, line in here.items()}
    assert {name: (line["text"], line["finish_reason"]) for name, line in there.items()} == answers
    assert len(set(answers.values())) > 5, "the model must say different things"
    account = totals(asked)
    assert (account.requests, account.estimated, account.unsure) == (len(requests), 0, 0)
    assert len(requests) <= account.paid.completion <= TOKENS * len(requests)
