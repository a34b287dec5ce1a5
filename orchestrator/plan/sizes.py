"""How much disk a stage's outputs take: as earlier runs' did, else by rules, each stated with its source."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from orchestrator.plan.known import Took
from orchestrator.recipe.recipe import Recipe
from orchestrator.toolkits.base import Trainer

# Measured over the benchmark's text of all 12 tasks: 480 bytes a training row and 470 a request of a text model, 630
# and 590 where each names a video; an answer 140, a row of a score 75.
CONVERTED_BYTES, ANSWERED_BYTES, SCORED_BYTES = 630, 730, 75
# Adapters on all linear layers of decoders have 0.75 x rank x parameters^(2/3) parameters, give or take a fifth: from
# the published configurations of Qwen2 0.5B, 1.5B, 7B and 72B and Llama 3 1B, 3B and 8B. On fewer layers: at most that.
# Not counted: what is trained beside the adapter (VideoLLaMA2's projector).
LORA_SHARE, LORA_POWER = 0.75, 2 / 3
# An assumption: toolkits train an adapter in 32 bits, whatever the model's own precision, and write it so.
ADAPTER_BYTES = 4
WEIGHT_BYTES = {"bf16": 2, "fp16": 2, "fp32": 4}
# AdamW keeps two moments of each trained parameter in 32 bits; DeepSpeed a copy of the parameter, too (Rajbhandari et
# al. 2020, ZeRO, section 3.1: K = 12).
STATE_BYTES, DEEPSPEED_STATE_BYTES = 8, 12
WITH_STATES = 2  # the newest checkpoints keep the optimizer's states, see inside/trainer_hooks.py
MERGED_BYTES = 2  # merged weights are written in bf16


class Checkpoints(NamedTuple):
    """Bytes of a checkpoint's weights, of the optimizer's states beside them, and of what else a training leaves."""

    weights: int
    states: int
    rest: int


def checkpoints_by_rule(recipe: Recipe) -> Checkpoints | None:
    """What checkpoints should take; ``None`` where nobody says how many parameters the model has."""
    train, params = recipe.training, recipe.model.params_b
    if not params:
        return None
    if train.finetuning == "lora":
        trained = LORA_SHARE * train.lora.rank * (params * 1e9) ** LORA_POWER
        weights = trained * ADAPTER_BYTES
    else:
        trained = params * 1e9
        weights = trained * WEIGHT_BYTES[train.precision]
    states = trained * (DEEPSPEED_STATE_BYTES if train.deepspeed else STATE_BYTES)
    # beside the checkpoints some toolkits write the last weights once more
    return Checkpoints(round(weights), round(states), round(weights))


def checkpoints_as_before(trainer: Trainer, near: Sequence[Took]) -> Checkpoints | None:
    """What the checkpoints of an earlier training take, the first of some whose folder is there; ``None``: of none."""
    for took in near:
        found = trainer.checkpoints(took.folder)
        if not found:
            continue
        whole = _bytes_in(found[-1].path)
        states = _states_in(found[-1].path)
        rest = _bytes_in(took.folder) - sum(_bytes_in(one.path) for one in found)
        return Checkpoints(whole - states, states, rest)
    return None


def of_training(sizes: Checkpoints, checkpoints: int) -> int:
    """Bytes of a training that keeps so many checkpoints; while one is written it is one more."""
    return sizes.weights * checkpoints + sizes.states * min(checkpoints, WITH_STATES) + sizes.rest


def of_merged(params_b: float | None) -> int | None:
    """Bytes of merged weights."""
    return round(params_b * 1e9 * MERGED_BYTES) if params_b else None


def of_rows(near: Sequence[Took], rows: int, each: int) -> int:
    """Bytes of files with so many rows: as many a row as earlier ones have, else ``each``."""
    counted = sum(one.rows for one in near)
    return round(rows * sum(one.disk_bytes for one in near) / counted) if counted else rows * each


def _bytes_in(folder: Path) -> int:
    """Of all files in a folder; one that goes meanwhile is left out."""
    found = 0
    for where, _, names in os.walk(folder):
        for name in names:
            try:
                found += os.lstat(os.path.join(where, name)).st_size  # noqa: PTH118 (many, and quickly)
            except OSError:
                continue
    return found


def _states_in(checkpoint: Path) -> int:
    """Of the optimizer's states, which older checkpoints lose."""
    files = (path.stat().st_size for path in checkpoint.glob("optimizer*") if path.is_file())
    return sum(files) + sum(_bytes_in(folder) for folder in checkpoint.glob("global_step*"))
