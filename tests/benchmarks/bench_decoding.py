"""Clips made ready for a model in threads, as the runners do, and in processes of one thread each.

python -m tests.benchmarks.bench_decoding [COUNT]     # clips of 3 s of 720p; LLaMA-Factory, a tiny Qwen2-VL

Processes are measured at their best: each has its share from the start, and nothing is sent from one to another.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.bench_clips import DIFFERENT, write_clip
from tests.running import write_jsonl
from tests.toolkits.conftest import ready
from tests.toolkits.inside import argv_of, program
from tests.toolkits.test_llamafactory_runner import VIDEO_CONFIG, request, settings

INSIDE = Path(__file__).with_name("inside_decoding.py")
ROUNDS = 3
WAYS = ((1, 1), (1, 2), (1, 4), (2, 1), (4, 1))  # processes, threads in each


def main(arguments: Sequence[str]) -> None:
    """Measure and print a table."""
    count = int(arguments[0]) if arguments else 48
    python = ready("llamafactory").python
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | {"OMP_NUM_THREADS": "1"}
    print("| processes | threads in each | clips a second |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        prompt = "what does she say"
        write_jsonl(folder / "corpus.jsonl", [prompt])
        init = {"out": str(folder / "video"), "config": VIDEO_CONFIG | {"processor": {}}, "vocab_size": 400, "seed": 7,
                "template": "qwen", "corpus": str(folder / "corpus.jsonl")}  # fmt: skip
        (folder / "init.json").write_text(json.dumps(init))
        subprocess.run(argv_of(python, program("llamafactory", "init"), folder / "init.json"), env=env, check=True,
                       capture_output=True)  # fmt: skip
        first = [write_clip(folder / f"{seed}.mp4", seed) for seed in range(DIFFERENT)]
        clips = [Path(shutil.copy(first[at % DIFFERENT], folder / f"copy{at}.mp4")) for at in range(count)]
        found: dict[tuple[int, int], list[float]] = {}
        for processes, threads in WAYS * ROUNDS:
            started = []
            for share in range(processes):
                config = settings(folder, "x", "video", "y", template="qwen2_vl", frames=10, max_length=None)
                asked = [request(clip.stem, prompt, clip) for clip in clips[share::processes]]
                path = folder / f"job{share}.json"
                path.write_text(json.dumps({"config": config, "requests": asked, "threads": threads}))
                argv = argv_of(python, INSIDE, path)
                started.append(subprocess.Popen(argv, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                                stderr=subprocess.DEVNULL))  # fmt: skip
            for one in started:  # all have loaded before any begins
                assert one.stdout is not None
                while (line := one.stdout.readline()) != "ready\n":
                    assert line, "it ended early"
            for one in started:
                assert one.stdin is not None
                one.stdin.write("go\n")
                one.stdin.flush()
            seconds = max(float(one.communicate()[0].splitlines()[-1]) for one in started)
            found.setdefault((processes, threads), []).append(count / seconds)
    for (processes, threads), rates in found.items():
        print(f"| {processes} | {threads} | {min(rates):.1f} to {max(rates):.1f} |")


if __name__ == "__main__":
    main(sys.argv[1:])
