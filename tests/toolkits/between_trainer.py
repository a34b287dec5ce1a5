"""Runs inside a toolkit's environment for test_between.py: a short training with dropout, and its own checkpoints.

``start.py between.py MINUTES between_trainer.py OUTPUT SECONDS STRATEGY LIMIT``; SECONDS: that a step takes.
"""

from __future__ import annotations

import hashlib
import sys
import time
from pathlib import Path
from typing import Any

import torch
from transformers import Qwen2Config, Qwen2ForCausalLM, Trainer, TrainerCallback, TrainingArguments, set_seed

from orchestrator.inside.trainer_hooks import finish_checkpoints, keep_what_is_needed

STEPS = 12


class Slow(TrainerCallback):  # type: ignore[misc,unused-ignore]
    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        print(f"step {state.global_step + 1}", flush=True)
        time.sleep(float(sys.argv[2]))


def main() -> None:
    output, _, strategy, limit = sys.argv[1:5]
    keep_what_is_needed()
    finish_checkpoints()
    set_seed(0)
    small = {"vocab_size": 32, "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1}
    config = Qwen2Config(**small, num_attention_heads=2, num_key_value_heads=2, attention_dropout=0.2)
    rows = [{"input_ids": torch.arange(at, at + 3) % 32, "labels": torch.arange(at, at + 3) % 32} for at in range(24)]
    arguments = TrainingArguments(
        output_dir=output, max_steps=STEPS, save_steps=5, save_strategy=strategy, save_total_limit=int(limit) or None,
        per_device_train_batch_size=4, use_cpu=True, report_to="none", dataloader_num_workers=1, disable_tqdm=True,
        logging_steps=1, learning_rate=0.01,
    )  # fmt: skip
    trainer = Trainer(model=Qwen2ForCausalLM(config), args=arguments, train_dataset=rows, callbacks=[Slow()])
    found = [path for path in Path(output).glob("checkpoint-*") if (path / "trainer_state.json").exists()]
    newest = max(found, key=lambda path: int(path.name.partition("-")[2]), default=None)
    trainer.train(resume_from_checkpoint=str(newest) if newest else None)
    weights = b"".join(one.detach().numpy().tobytes() for one in trainer.model.state_dict().values())
    print(f"weights {hashlib.sha256(weights).hexdigest()}", flush=True)
