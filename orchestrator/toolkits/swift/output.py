"""What ms-swift leaves on disk: logging.jsonl, and the trainer's checkpoints."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from orchestrator.machine.files import read_json
from orchestrator.toolkits import hf_output
from orchestrator.toolkits.base import Checkpoint, Progress


def progress(log: Path) -> Progress | None:
    """The newest step that logging.jsonl tells of; ``None`` before the first, or where nothing but the summary is read.

    The summary at its end holds the whole history on one line.
    """
    key = "global_step/max_steps"
    steps = [entry for entry in hf_output.entries(log) if key in entry]
    if not steps:
        return None
    losses = [entry["loss"] for entry in steps if "loss" in entry]
    done, _, total = steps[-1][key].partition("/")
    return Progress(int(done), int(total), losses[-1] if losses else None)


def history(checkpoint: Checkpoint) -> list[dict[str, Any]]:
    """What the trainer has logged up to a checkpoint."""
    state = read_json(checkpoint.path / hf_output.STATE)
    history: list[dict[str, Any]] = state.get("log_history", []) if isinstance(state, dict) else []
    return history


def broken(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """What is wrong with the losses and gradients that the trainer logged.

    swift skips an update whose gradient is no number and goes on; now and then that is how fp16 finds its scale.
    """
    hint = "lower train.learning_rate, or use bf16 or fp32"
    for row in rows:
        if not math.isfinite(row.get("loss", 0.0)):
            return [f"the loss is no number from step {row['step']} on: {hint}"]
    gradients = [row["grad_norm"] for row in rows if "grad_norm" in row]
    lost = sum(not math.isfinite(gradient) for gradient in gradients)
    if lost > len(gradients) / 2:
        return [f"the gradient was no number at {lost} of {len(gradients)} logged steps, which changed nothing: {hint}"]
    return []
