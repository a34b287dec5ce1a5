"""What the Hugging Face trainer, which several toolkits train with, leaves in its output folder and its log."""

from __future__ import annotations

import json
import math
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from orchestrator.inside.between import MARK
from orchestrator.inside.trainer_hooks import date_by_step
from orchestrator.machine.files import read_json
from orchestrator.machine.logs import LOG, tail
from orchestrator.toolkits.base import Checkpoint, Progress, Say, ignore
from orchestrator.toolkits.whole import NO_STATES, states_problems, weights_problems

STATE = "trainer_state.json"
OUTPUT = "output"
ACCURACY = "eval_accuracy"
MEASURED = {"loss", "grad_norm", ACCURACY, "eval_seq_acc"}  # numbers of the log that are read
# what tqdm and the trainer print while they train; ms-swift's bar has a name; one that ends by going up a line stands
# below it: an evaluation's
BAR = re.compile(r"(?:^|[\r\n])\s*(?:Train:\s*)?\d+%\|[^|\r\n]*\|\s*(\d+)/(\d+) \[[^]\r\n]*\](?!\x1b\[A)")
LOSS = re.compile(r"'loss': ([-+.\de]+|nan|inf)")
MOST = 3  # files that one sentence names
# in a checkpoint that transformers' `enable_jit_checkpoint` has not finished
UNFINISHED = "checkpoint-is-incomplete.txt"
Problems = Callable[[Path], list[str]]  # what is wrong with the files of a checkpoint


def _state(path: Path) -> dict[str, Any] | None:
    """What a trainer_state.json says: at which step, and what was logged; ``None`` where it is none, or damaged."""
    state = read_json(path)
    if not isinstance(state, dict) or not isinstance(state.get("global_step"), int):
        return None
    rows = state.setdefault("log_history", [])
    if not isinstance(rows, list) or not all(
        isinstance(row, dict) and isinstance(row.get("step"), int) for row in rows
    ):
        return None
    # null: the accuracy of no tokens at all
    found = [(key, row[key]) for row in rows for key in MEASURED & row.keys() if (key, row[key]) != (ACCURACY, None)]
    numbers = [state.get("max_steps", 0), *(value for _, value in found)]
    return state if all(isinstance(number, int | float) for number in numbers) else None


def _candidates(output: Path, weights: Problems) -> list[tuple[Checkpoint, list[str]]]:
    """Every checkpoint by step, with what is missing or damaged of what inference needs.

    The trainer writes trainer_state.json last, so it marks one that was written to its end; but one that was killed
    while it was deleted may have little else left, and after a power cut any file may be empty or cut.
    """
    found = []
    for path in output.glob("checkpoint-*"):
        step = path.name.partition("-")[2]
        if not step.isdecimal() or not path.is_dir():
            continue
        state = _state(path / STATE)
        if not (path / STATE).exists() or (path / UNFINISHED).exists():
            problems = ["it was not written to its end"]
        elif state is None or state["global_step"] != int(step):
            problems = [f"{STATE} is damaged"]
        else:
            problems = weights(path)
        found.append((Checkpoint(int(step), path), problems))
    return sorted(found, key=lambda candidate: candidate[0].step)


def steps_saved(folder: Path) -> list[int]:
    """The steps of the checkpoints in a stage's folder that were written to their end; none where it trains nothing."""
    states = folder.glob(f"{OUTPUT}/checkpoint-*/{STATE}")
    names = [path.parent.name.partition("-")[2] for path in states if not (path.parent / UNFINISHED).exists()]
    return sorted(int(name) for name in names if name.isdecimal())


def checkpoints(output: Path, weights: Problems = weights_problems) -> list[Checkpoint]:
    """The training's own checkpoints that are whole, by step; ``weights`` tells what is wrong with one's files."""
    return [one for one, problems in _candidates(output, weights) if not problems and _own(one)]


def damaged(output: Path, weights: Problems = weights_problems) -> dict[int, str]:
    """Those that are not, by step, each with why: "model.safetensors is empty"."""
    return {one.step: "; ".join(problems) for one, problems in _candidates(output, weights) if problems and _own(one)}


def _own(checkpoint: Checkpoint) -> bool:
    """Whether it is one of those that the recipe asks for, not one between them that is only gone on from."""
    return not (checkpoint.path / MARK).exists()


def evaluations(output: Path) -> list[tuple[int, float]]:
    """(step, eval_accuracy) of every evaluation, by step."""
    # of no tokens at all (every answer was cut off) the accuracy is no number: JSON's NaN, or null
    return [(row["step"], math.nan if row["eval_accuracy"] is None else row["eval_accuracy"])
            for row in _history(output) if "eval_accuracy" in row]  # fmt: skip


def losses(output: Path) -> list[tuple[int, float]]:
    """(step, training loss) of every logged line, by step."""
    return [(row["step"], row["loss"]) for row in _history(output) if "loss" in row]


def _history(output: Path) -> list[dict[str, Any]]:
    """What was logged, by step.

    The top-level trainer_state.json appears only after a complete run; each checkpoint has its own.
    """
    states = map(_state, [*output.glob(f"checkpoint-*/{STATE}"), output / STATE])
    histories: list[list[dict[str, Any]]] = [state["log_history"] for state in states if state]
    return max(histories, key=len, default=[])


def resumable(output: Path, weights: Problems = weights_problems, say: Say = ignore) -> str | None:
    """The name of the newest checkpoint that is whole, optimizer's states and all; ``None`` where training begins anew.

    Removes what is damaged and what is newer, as some toolkits go on from the highest number by themselves; ``say`` is
    told of each. Dates what is kept in the order of its steps.
    """
    if not output.is_dir():
        return None
    chosen: Checkpoint | None = None
    for checkpoint, problems in reversed(_candidates(output, weights)):
        if not problems and chosen is None:
            problems = states_problems(checkpoint.path)
            chosen = checkpoint if not problems else None
        if problems:
            say(_left_out(checkpoint.path.name, problems))
            path = checkpoint.path
            path.unlink() if path.is_symlink() else shutil.rmtree(path)
    if chosen is None:
        # left-overs of a run that never reached a checkpoint would make a toolkit refuse the folder
        shutil.rmtree(output)
        return None
    date_by_step(output)
    return chosen.path.name


def _left_out(name: str, problems: Sequence[str]) -> str:
    if problems == [NO_STATES]:
        return f"{name} cannot be gone on from ({NO_STATES}, as only the newest two do) and is left out"
    return f"{name} is damaged ({'; '.join(problems[:MOST])}) and left out"


def output_problems(output: Path, weights: Problems = weights_problems) -> list[str]:
    """What is missing from a training that exited with status 0; empty when it reached its last step."""
    state = _state(output / STATE)
    if state is None:
        return [f"it wrote no {STATE}" if not (output / STATE).exists() else f"its {STATE} is damaged"]
    found, step = [], state["global_step"]
    if step < state.get("max_steps", 1):
        found.append(f"it stopped at step {step} of {state.get('max_steps')}")
    candidates = {checkpoint.step: problems for checkpoint, problems in _candidates(output, weights)}
    if problems := candidates.get(step, ["it is missing"]):
        found.append(f"the checkpoint of its last step, {step}, is not whole: {'; '.join(problems[:MOST])}")
    broken = next((row["step"] for row in state["log_history"] if not math.isfinite(row.get("loss", 0.0))), None)
    if broken is not None:
        found.append(f"the loss is no number from step {broken} on: lower train.learning_rate, or use bf16 or fp32")
    return found


def row_problems(said: Sequence[str], rows: int) -> list[str]:
    """Whether a training took so many rows: what its log said of their number, the last of which counts."""
    if not said:
        return ["its log does not say on how many samples it trained"]
    trained = int(said[-1].replace(",", ""))
    return [] if trained == rows else [f"it trained on {trained} of {rows} samples"]


def entries(path: Path) -> list[dict[str, Any]]:
    """The JSON objects on the last lines of a log."""
    found = []
    for line in tail(path).splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue  # the first line of the tail is cut
        if isinstance(entry, dict):
            found.append(entry)
    return found


def bar_progress(folder: Path, begin: int = 0) -> Progress | None:
    """The last progress bar of the trainer, and the last loss, in the log of a stage's folder from byte ``begin`` on.

    ``None`` before the first step: after a resume the bar begins at 0, and jumps to where it goes on.
    """
    text = tail(folder / LOG, begin)
    bars, losses = _bars(text), LOSS.findall(text)
    return Progress(*bars[-1], float(losses[-1]) if losses else None) if bars and bars[-1][0] else None


def with_bar(logged: Progress | None, folder: Path, begin: int = 0) -> Progress | None:
    """What a toolkit's own log says, which tells of each tenth step, and the progress bar, which tells of each."""
    if logged is None:
        return bar_progress(folder, begin)
    # others are those of evaluations
    done = [done for done, total in _bars(tail(folder / LOG, begin)) if total == logged.total]
    if not done:
        return logged
    return Progress(done[-1], logged.total, logged.loss) if done[-1] else None


def _bars(text: str) -> list[tuple[int, int]]:
    """(step, steps) of each bar, in the order in which they were drawn."""
    return [(int(done), int(total)) for done, total in BAR.findall(text)]
