"""Checkpoints as the trainer writes them: small files in the true formats."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

STATES = ("optimizer.pt", "scheduler.pt", "rng_state.pth")


def write_safetensors(path: Path, size: int = 16) -> None:
    """Weights of 16 bytes, of which `size` are there."""
    header = json.dumps({"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(size))


def write_torch(path: Path) -> None:
    """A zip archive, as torch writes since 1.6."""
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("data.pkl", b"x" * 100)


def write_checkpoint(
    output: Path,
    step: int,
    *rows: dict[str, Any],
    last: int = 0,
    adapter: bool = True,
    projector: bool = False,
    states: Sequence[str] = STATES,
) -> Path:
    """A whole checkpoint of an adapter, or of all weights; ``rows``: what the trainer logged."""
    folder = output / f"checkpoint-{step}"
    folder.mkdir(parents=True, exist_ok=True)
    content = {"global_step": step, "max_steps": last or step, "log_history": list(rows)}
    (folder / "trainer_state.json").write_text(json.dumps(content))
    for name in ("adapter_config.json", *(["config.json"] if projector else [])) if adapter else ("config.json",):
        (folder / name).write_text("{}")
    write_safetensors(folder / ("adapter_model.safetensors" if adapter else "model.safetensors"))
    for name in (*states, *(["non_lora_trainables.bin"] if projector else [])):
        write_torch(folder / name)
    return folder
