"""Results and answers as a run leaves them, made from a few words."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from orchestrator.machine.files import digest
from orchestrator.scores.answer_file import AnswerRow, answers_path, write_answers
from orchestrator.scores.answers import EMPTY, ERROR, MULTI, UNKNOWN, Answer
from orchestrator.scores.metrics import overall, score
from orchestrator.scores.results import COLUMNS, ResultsRow, overall_row, write_results

NO_LABEL = {"unknown": UNKNOWN, "multi": MULTI, "empty": EMPTY, "error": ERROR}
TEXTS = {"unknown": "no idea", "multi": "joy or anger", "empty": " ", "error": None}

# of each sample: id, true label, what was said (a label, or an outcome)
Samples = Sequence[tuple[str, str, str]]


def samples(truth: str, said: str, prefix: str = "s") -> Samples:
    """Samples of labels that are written as words: ``samples("joy joy", "joy unknown")``."""
    return [
        (f"{prefix}{place}", label, answer)
        for place, (label, answer) in enumerate(zip(truth.split(), said.split(), strict=True))
    ]


def results(name: str, tasks: Mapping[str, Samples], **more: Any) -> list[ResultsRow]:
    """The rows of a run, the overall one behind several; ``more``: columns, `signature` by its parts."""
    rows, parts = [], []
    told = {"parser": "mmla-1", "prompt": "aaaaaaaa", "labels": "cccccccc", "decoding": "greedy", "frames": "0"}
    told |= more.pop("signature", {})
    for task, given in tasks.items():
        answers = [NO_LABEL.get(said) or Answer(said, "label") for _, _, said in given]
        scores = score([label for _, label, _ in given], answers, sorted({label for _, label, _ in given}))
        data = digest(sorted((name, label) for name, label, _ in given))[:8]
        marks = {"data": data, "split": more.get("split", "test"), "n": len(given)} | told
        row: ResultsRow = dict.fromkeys(COLUMNS) | {
            "run_id": "0123456789ab", "recipe": name, "model": "Tiny", "method": "sft", "toolkit": "echo", "task": task,
            "split": "test", "prompt": "mmla/text.j2@aaaaaaaa", "decoding": "greedy", "seed": 42,
            "signature": "|".join(f"{part}:{value}" for part, value in marks.items()),
        }  # fmt: skip
        rows.append(row | scores.as_row() | {key: value for key, value in more.items() if key in COLUMNS})
        parts.append(scores)
    if len(rows) > 1:
        rows.append(overall_row(rows, overall(parts, [part.n for part in parts])))
    return rows


def answers(name: str, tasks: Mapping[str, Samples]) -> Iterable[AnswerRow]:
    """The rows of its file of answers."""
    for task, given in tasks.items():
        for sample, label, said in given:
            parsed = None if said in NO_LABEL else said
            outcome = said if said in NO_LABEL else "label"
            text = TEXTS[said] if said in NO_LABEL else f"it is {said}"
            error = "out of memory" if said == "error" else None
            yield AnswerRow(recipe=name, task=task, id=sample, label=label, answer=text, parsed=parsed,
                            outcome=outcome, error=error)  # fmt: skip


def write_run(folder: Path, name: str, tasks: Mapping[str, Samples], **more: Any) -> Path:
    """A run's results CSV, and the answers beside it."""
    return write_runs(folder / f"{name}.csv", {name: tasks}, **more)


def write_runs(path: Path, runs: Mapping[str, Mapping[str, Samples]], **more: Any) -> Path:
    """Several runs in one CSV, as a sweep leaves them; ``more``: columns, a list has one for each run."""
    rows: list[ResultsRow] = []
    said: list[AnswerRow] = []
    for place, (name, tasks) in enumerate(runs.items()):
        columns = {key: value[place] if isinstance(value, list) else value for key, value in more.items()}
        rows += results(name, tasks, **columns)
        said += answers(name, tasks)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_results(path, rows)
    write_answers(answers_path(path), said)
    return path


def settings(**known: Any) -> str:
    """The column `settings`: dots of its names are written as two underscores."""
    return json.dumps({name.replace("__", "."): value for name, value in known.items()}, separators=(",", ":"))
