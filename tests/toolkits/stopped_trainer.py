"""Runs inside a toolkit's environment for test_stopped_trainer.py: a training whose checkpoints take long to write.

``start.py stopped_trainer.py OUTPUT [unfinished]``
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import torch
from transformers import Qwen2Config, Qwen2ForCausalLM, Trainer, TrainingArguments

from orchestrator.inside.trainer_hooks import finish_checkpoints

OUTPUT = sys.argv[1]


class Slow(Trainer):  # type: ignore[misc,unused-ignore]
    """As a toolkit's own: it writes something before and something behind what transformers writes."""

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        print("writing", flush=True)
        time.sleep(1.5)
        super().save_model(output_dir, _internal_call)

    def _save_checkpoint(self, *args: Any, **kwargs: Any) -> None:
        super()._save_checkpoint(*args, **kwargs)
        time.sleep(0.5)
        Path(OUTPUT, f"checkpoint-{self.state.global_step}", f"own_{self.args.process_index}").touch()


def main() -> None:
    if "unfinished" not in sys.argv:
        finish_checkpoints()
    small = {"vocab_size": 32, "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1}
    model = Qwen2ForCausalLM(Qwen2Config(**small, num_attention_heads=2, num_key_value_heads=2))
    rows = [{"input_ids": torch.tensor([1, 2, 3]), "labels": torch.tensor([1, 2, 3])}] * 64
    arguments = TrainingArguments(
        output_dir=OUTPUT, max_steps=20, save_steps=2, per_device_train_batch_size=1, use_cpu=True, report_to="none",
        dataloader_num_workers=1, disable_tqdm=True,
    )  # fmt: skip
    Slow(model=model, args=arguments, train_dataset=rows).train()
