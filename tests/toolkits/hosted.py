"""Running the program that asks a hosted model, alone: its requests, its configuration, what it left."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from orchestrator.environments.environment import Environment
from orchestrator.inside import spent
from tests.toolkits.inside import argv_of, program

KEY = "sk-test-0123456789abcdef-never-to-be-seen"
PRICES = {"input": 1000.0, "output": 2000.0}  # 100 and 7 tokens: 0.114 USD


def environment(**more: str) -> dict[str, str]:
    """A shell's environment without what is set here for real servers."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "MMLA_"))}
    return own | {"NO_PROXY": "127.0.0.1"} | more


def request(number: int, video: Path | None = None) -> dict[str, Any]:
    """A request about an utterance."""
    prompt = f"Utterance {number}"
    return {"id": f"r{number}", "task": "demo", "prompt": prompt, "video": video and str(video), "system": None}


def start(
    folder: Path, env: Environment, url: str, count: int | Sequence[dict[str, Any]], retries: int = 0,
    timeout: float = 120, **config: Any,
) -> subprocess.Popen[str]:  # fmt: skip
    """Start the program, for so many requests or for these."""
    requests = [request(number) for number in range(count)] if isinstance(count, int) else count
    (folder / "requests.jsonl").write_text("".join(json.dumps(request) + "\n" for request in requests))
    paths = {name: str(folder / f"{name}.jsonl") for name in ("requests", "predictions")}
    decoding = {"model": "served", "batch_size": 4, "max_new_tokens": 32, "temperature": 0.0, "top_p": 1.0, "seed": 5}
    settings = {**paths, **decoding, "frames": 4, "max_pixels": 1600, **config}
    (folder / "config.json").write_text(json.dumps(settings))
    own = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": url, "MMLA_API_RETRIES": str(retries)}
    own["MMLA_API_TIMEOUT_SECONDS"] = str(timeout)
    argv = argv_of(env.python, program("openai_api", "infer"), folder / "config.json")
    return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment(**own))


def ended(process: subprocess.Popen[str], code: int = 0) -> str:
    """What it printed, when it has ended as expected."""
    said, _ = process.communicate(timeout=120)
    assert process.returncode == code, said
    assert KEY not in said
    return said


def journal(folder: Path) -> dict[int, dict[str, Any]]:
    """The answers by number; each request has one at most."""
    lines = [json.loads(line) for line in (folder / "predictions.jsonl").read_text().splitlines()]
    found = {int(line["id"].rpartition("r")[2]): line for line in lines}
    assert len(found) == len(lines), "a request was answered twice"
    return found


def totals(folder: Path) -> spent.Totals:
    """What was spent, as the files say."""
    return spent.read(folder / spent.SPENT)
