"""How fast data becomes requests: read + check + render + JSON, one core, every task's labels and prompt.

``python tests/benchmarks/bench_convert.py [DATA_ROOT]``: without a folder, on generated sentences. Bar: 20,000
samples a second.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

from orchestrator import prompts
from orchestrator.benchmark import Task, tasks
from orchestrator.data import read_split, split_file
from orchestrator.demo import write_demo_data


def convert(found: list[tuple[Task, str]], root: Path, out: Path) -> int:
    encode = json.JSONEncoder(ensure_ascii=False).encode
    prompt, count = prompts.load("mmla/video.j2"), 0
    with out.open("w", encoding="utf-8") as file:
        for task, split in found:
            for sample in read_split(task, split, root, "{root}/{dataset}/video"):
                asked, answer = prompt.render(task, text=sample.text), prompt.answer(task, sample.label)
                turns = [{"from": "human", "value": asked}, {"from": "gpt", "value": answer}]
                line = encode({"id": f"{task.name}/{sample.id}", "conversations": turns, "videos": [sample.video]})
                file.write(f"{line}\n")
                count += 1
    return count


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(folder)
        if len(sys.argv) == 1:
            write_demo_data(root, sizes=(16_000, 2_000, 2_000))
        splits = [(task, split) for task in tasks().values() for split in task.sizes if split_file(task, split, root)]
        best = float("inf")
        for _ in range(3):
            start = time.perf_counter()
            count = convert(splits, root, Path(folder) / "out.jsonl")
            best = min(best, time.perf_counter() - start)
    print(f"read + render + write: {count:,} samples in {best:.3f} s ({count / best:,.0f} a second)")


if __name__ == "__main__":
    main()
