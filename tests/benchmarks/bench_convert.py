"""How fast data becomes training files (read, check, render, write) and in how much memory, in each toolkit's format.

python -m tests.benchmarks.bench_convert TOOLKIT MODALITY ROOT     # one format, in a process of its own
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from orchestrator.benchmark.task import Task, tasks
from orchestrator.data.demo import write_demo_data
from orchestrator.data.samples import read_split, split_file
from orchestrator.prompts import template as prompts
from orchestrator.prompts.examples import Example
from orchestrator.toolkits.registry import trainer

FORMATS = (("llamafactory", "text"), ("llamafactory", "video"), ("llava_next", "video"), ("swift", "video"),
           ("videollama2", "video"))  # fmt: skip


def examples(found: list[tuple[Task, str]], root: Path, modality: str) -> Iterator[Example]:
    """The examples of some splits, read and rendered as they are asked for."""
    prompt = prompts.load(f"mmla/{modality}.j2")
    for task, split in found:
        for sample in read_split(task, split, root, "{root}/{dataset}/video"):
            yield Example(sample, prompt.render(task, text=sample.text), prompt.answer(task, sample.label))


def measure(toolkit: str, modality: str, root: Path) -> tuple[int, float, float]:
    """Samples, the best of three times in seconds, and the process's peak memory in MB."""
    found = [(task, split) for task in tasks().values() for split in task.sizes if split_file(task, split, root)]
    best, count = float("inf"), 0
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(3):
            start = time.perf_counter()
            with (Path(folder) / "out").open("w", encoding="utf-8") as file:
                count = trainer(toolkit).write_examples(examples(found, root, modality), file, modality)
            best = min(best, time.perf_counter() - start)
    return count, best, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def rows(real: Path) -> list[tuple[str, str, str]]:
    """(what, bar, measured) for generated sentences and, where it is there, for the benchmark's own text."""
    with tempfile.TemporaryDirectory() as folder:
        write_demo_data(Path(folder), sizes=(16_000, 2_000, 2_000))
        found = [_row("generated", Path(folder), *FORMATS[0])]
    return found + [_row("real", real, *form) for form in FORMATS if real.is_dir()]


def _row(name: str, root: Path, toolkit: str, modality: str) -> tuple[str, str, str]:
    argv = [sys.executable, "-m", "tests.benchmarks.bench_convert", toolkit, modality, str(root)]
    count, seconds, memory = json.loads(subprocess.run(argv, capture_output=True, check=True).stdout)
    what = f"convert to {toolkit} ({modality}), {count:,} {name} samples"
    return what, "20,000/s", f"{count / seconds:,.0f}/s (best of 3; {memory:.0f} MB peak)"


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], sys.argv[2], Path(sys.argv[3]))))
