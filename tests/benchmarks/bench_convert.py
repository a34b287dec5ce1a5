"""How fast data becomes training files: read, check, render, write LLaMA-Factory's JSON, on one core."""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from orchestrator import prompts, toolkits
from orchestrator.benchmark import Task, tasks
from orchestrator.data import read_split, split_file
from orchestrator.demo import write_demo_data
from orchestrator.toolkits.base import Example


def examples(found: list[tuple[Task, str]], root: Path) -> Iterator[Example]:
    """The examples of some splits, read and rendered as they are asked for."""
    prompt = prompts.load("mmla/video.j2")
    for task, split in found:
        for sample in read_split(task, split, root, "{root}/{dataset}/video"):
            yield Example(sample, prompt.render(task, text=sample.text), prompt.answer(task, sample.label))


def rows(real: Path) -> list[tuple[str, str, str]]:
    """(what, bar, measured) for generated sentences and, where it is there, for the benchmark's own text."""
    with tempfile.TemporaryDirectory() as folder:
        generated = Path(folder)
        write_demo_data(generated, sizes=(16_000, 2_000, 2_000))
        return [
            _row(name, root, generated / "out.json")
            for name, root in (("generated", generated), ("real", real))
            if root.is_dir()
        ]


def _row(name: str, root: Path, out: Path) -> tuple[str, str, str]:
    found = [(task, split) for task in tasks().values() for split in task.sizes if split_file(task, split, root)]
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        with out.open("w", encoding="utf-8") as file:
            count = toolkits.get("llamafactory").write_examples(examples(found, root), file, "video")
        best = min(best, time.perf_counter() - start)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    what = f"convert (read + check + render + write), {count:,} {name} samples"
    return what, "20,000/s", f"{count / best:,.0f}/s (best of 3; {memory} MB peak)"
