"""Runs inside LLaMA-Factory's environment for bench_decoding.py: requests encoded in so many threads, and how long."""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.toolkits.inside import module


def main() -> None:
    """Load, say so, wait to be told to begin, print the seconds."""
    job = json.loads(Path(sys.argv[1]).read_text())
    answerer = module("llamafactory", "infer").LlamaFactoryAnswerer(job["config"])
    answerer.encode(job["requests"][0])  # imports happen here
    print("ready", flush=True)
    sys.stdin.readline()
    begun = time.perf_counter()
    with ThreadPoolExecutor(job["threads"]) as pool:
        for _ in pool.map(answerer.encode, job["requests"]):
            pass
    print(time.perf_counter() - begun)


main()
