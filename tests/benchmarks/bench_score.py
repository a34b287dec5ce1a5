"""How fast answers become scores: parse, six metrics, intervals, of 20,000 predictions over the 12 tasks."""

from __future__ import annotations

import random
import time

from orchestrator.benchmark.task import benchmark_tasks
from orchestrator.scores.answers import Parser
from orchestrator.scores.metrics import overall, score

N = 20_000
# what models say: mostly the form asked for, sometimes prose (long), several labels, none, or nothing
FORMS = ["{word}: {label}"] * 7 + [
    "The {word} of this speaker is most likely {label}, because of the tone of voice. " + "They go on and on. " * 40,
    "{word}: {label} or {other}",
    "I cannot tell.",
    "",
]


def rows() -> list[tuple[str, str, str]]:
    """(what, bar, measured)."""
    tasks = list(benchmark_tasks("mmla").values())
    rng = random.Random(0)
    parts = []
    total = sum(task.sizes["test"] for task in tasks)
    for task in tasks:
        n = N * task.sizes["test"] // total
        truth = rng.choices(task.labels, k=n)
        words = [(rng.choice(FORMS), rng.choice(task.labels), rng.choice(task.labels)) for _ in range(n)]
        parts.append((task, truth, [f.format(word=task.word, label=a, other=b) for f, a, b in words]))
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        scores = []
        for task, truth, texts in parts:
            parse = Parser(task.labels).parse
            scores.append(score(truth, [parse(text) for text in texts], task.labels))
        result = overall(scores, [task.sizes["test"] for task in tasks])
        best = min(best, time.perf_counter() - start)
    return [(f"answers + metrics with intervals, {result.n:,} predictions", "1 s", f"{best:.3f} s (best of 5)")]
