"""Answers a second of a hosted model: ``python -m tests.benchmarks.bench_hosted``.

2,000 requests that a server on this machine answers after 50 ms, every fiftieth after 2 s, 16 at once. Ideal is what
16 slots give that are never empty.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from orchestrator.environments.environment import Environment
from tests.shared import ROOT
from tests.toolkits.inside import argv_of, program

COUNT, AT_ONCE = 2000, 16
SECONDS = 0.05, 2.0


def ideal() -> float:
    """Answers a second."""
    slow = COUNT // 50
    return COUNT * AT_ONCE / (SECONDS[1] * slow + SECONDS[0] * (COUNT - slow))


def measure(folder: Path) -> tuple[float, float]:
    """Answers a second from the first request to the last answer, and those of the whole process."""
    requests = [{"id": f"r{at}", "task": "demo", "prompt": f"Utterance {at}", "video": None} for at in range(COUNT)]
    (folder / "requests.jsonl").write_text("".join(json.dumps(request) + "\n" for request in requests))
    config = {"requests": "requests.jsonl", "predictions": "predictions.jsonl", "model": "served", "seed": 1,
              "batch_size": AT_ONCE, "max_new_tokens": 32, "temperature": 0.0, "top_p": 1.0, "frames": 4,
              "max_pixels": 1600}  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.toolkits.hosted_server"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    env = os.environ | {"OPENAI_BASE_URL": server.stdout.readline().strip(), "NO_PROXY": "127.0.0.1"}
    argv = argv_of(Environment.load("openai_api").python, program("openai_api", "infer"), folder / "config.json")
    begun = time.monotonic()
    try:
        done = subprocess.run(argv, cwd=folder, env=env, capture_output=True, text=True)
    finally:
        server.communicate("")
    seconds = time.monotonic() - begun
    assert done.returncode == 0, done.stdout + done.stderr
    answers = [json.loads(line) for line in (folder / "predictions.jsonl").read_text().splitlines()]
    assert sorted(answer["text"] for answer in answers) == sorted(f"question {at}" for at in range(COUNT))
    last = done.stdout.strip().splitlines()
    rate = next(line for line in reversed(last) if line.startswith("answered "))
    return float(rate.split(", ")[1].partition("/s")[0]), COUNT / seconds


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        rate, whole = measure(Path(temporary))
    print(f"ideal {ideal():.1f}/s; {rate:.1f}/s = {100 * rate / ideal():.0f} %; the whole process {whole:.1f}/s")
