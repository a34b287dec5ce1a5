"""A LLaVA-NeXT training: its own ``llava/train/train.py`` with its own flags, and what that cannot do.

    start.py train.py --model_name_or_path MODEL [--model_revision R] [--vision_tower T] FLAGS...

- train.py chooses the model's class by words in the base path (`qwen`, but also `yi`, `llama`, ...) and cannot read
  the released LLaVA-OneVision and LLaVA-Video checkpoints, whose ``model_type`` is that of another library. It gets
  a folder ``base_qwen_<rank>`` of links to the weights, with a configuration that it understands, and the flags that
  the checkpoint's configuration decides (pooling, newlines, projector).
- Its checkpoints lack the projector, which is trained beside the adapter, and a resumed training starts it anew and
  shuffles the samples anew. Here every checkpoint has ``non_lora_trainables.bin`` and ``config.json``, and a resumed
  training equals one that was never stopped.
- A video that cannot be read ends the training; train.py would print so and train on the next sample in its place.
- A sample that is longer than ``--model_max_length`` would be cut, answer first; here it ends the training at once.
- The last step is always saved, and a training that is at its last step trains no further one. Of older checkpoints
  only what inference needs is kept: at 7B and rank 128 the optimizer's states are several gigabytes each.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from orchestrator.inside.trainer_hooks import end_at_bad_videos, finish_checkpoints, keep_what_is_needed
from orchestrator.toolkits.llava_next.inside import model as shared

STATE = "trainer_state.json"
PROJECTOR = "non_lora_trainables.bin"
RANK = int(os.environ.get("LOCAL_RANK", "0"))
# markers that the orchestrator looks for in the log
FROM_SCRATCH = "training from scratch"


def newest_checkpoint(output: Path) -> Path | None:
    """The checkpoint that train.py would go on from."""
    found = [path for path in output.glob("checkpoint-*") if path.name.partition("-")[2].isdigit()]
    return max(found, key=lambda path: int(path.name.partition("-")[2]), default=None)


def is_through(checkpoint: Path) -> bool:
    """Whether a checkpoint is that of the last step."""
    state = json.loads((checkpoint / STATE).read_text(encoding="utf-8"))
    return bool(state["global_step"] >= state["max_steps"])


def link_base(source: Path, config: dict[str, Any]) -> str:
    """A folder, one per process, whose name train.py understands: links to the weights and a configuration."""
    base = Path(f"base_qwen_{RANK}")
    shutil.rmtree(base, ignore_errors=True)
    base.mkdir()
    for path in source.iterdir():
        if path.name != "config.json":
            (base / path.name).symlink_to(path)
    text = json.dumps(config | {"model_type": "llava_qwen"}, indent=2)
    (base / "config.json").write_text(text, encoding="utf-8")
    return str(base)


def flags(config: dict[str, Any]) -> list[str]:
    """The flags that the checkpoint's configuration decides, so that training sees what inference will see."""
    found = shared.SETTINGS | {key: config[key] for key in shared.SETTINGS if key in config}
    given = {"vision_tower": config["mm_vision_tower"], **found}
    return [word for key, value in given.items() if value is not None for word in (f"--{key}", str(value))]


def complete_checkpoints(train: Any) -> None:
    """Have train.py use a trainer whose checkpoints hold all that was trained, and are whole before they count."""
    import torch
    from torch import distributed

    class Trainer(train.LLaVATrainer):  # type: ignore[misc,unused-ignore]
        def create_accelerator_and_postprocess(self) -> None:
            super().create_accelerator_and_postprocess()
            # as transformers' own trainer: the order of the samples follows from seed and epoch alone, so that a
            # resumed training goes on with those that are left
            self.accelerator.dataloader_config.use_seedable_sampler = True

        def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
            super().save_model(output_dir, _internal_call)
            if self.args.lora_enable:
                weights = train.get_peft_state_non_lora_maybe_zero_3(self.model.named_parameters())
                if self.args.should_save:
                    self.model.config.save_pretrained(output_dir)
                    torch.save(weights, Path(output_dir or self.args.output_dir) / PROJECTOR)

        def _save_rng_state(self, output_dir: str) -> None:
            super()._save_rng_state(output_dir)
            if distributed.is_initialized():
                # the first process writes trainer_state.json next, which says that a checkpoint is complete
                distributed.barrier()

        def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
            super()._load_from_checkpoint(resume_from_checkpoint, model)
            if self.args.lora_enable:
                weights = torch.load(Path(resume_from_checkpoint) / PROJECTOR, map_location="cpu", weights_only=True)
                unknown = (model or self.model).load_state_dict(weights, strict=False).unexpected_keys
                if unknown:
                    raise ValueError(f"{resume_from_checkpoint}: {PROJECTOR} is of another model ({unknown[0]})")

    train.LLaVATrainer = Trainer


def refuse_long_samples(train: Any, config: dict[str, Any]) -> None:
    """Have train.py refuse data of which the end, that is the answer, would be cut off."""
    make = train.make_supervised_data_module

    def checked(tokenizer: Any, data_args: Any) -> Any:
        made = make(tokenizer=tokenizer, data_args=data_args)
        rows, limit = made["train_dataset"].list_data_dict, tokenizer.model_max_length
        form = shared.TEMPLATE.format(system=shared.SYSTEM, question="", answer="<|im_end|>\n")
        texts = ["".join(turn["value"] for turn in row["conversations"]) for row in rows]
        fixed, *counts = map(len, tokenizer([form, *texts]).input_ids)
        frames = shared.video_tokens(config, data_args.frames_upbound)
        sizes = [fixed + count + frames * ("video" in row) for count, row in zip(counts, rows, strict=True)]
        longest = max(range(len(rows)), key=lambda place: sizes[place], default=0)
        if sizes and sizes[longest] > limit:
            raise SystemExit(
                f"{sum(size > limit for size in sizes)} of {len(rows)} samples are over train.max_length {limit}, "
                f"and LLaVA-NeXT would cut their answers off; the longest, {rows[longest]['id']}, has about "
                f"{sizes[longest]} tokens: raise train.max_length to that, or lower video.frames"
            )
        return made

    train.make_supervised_data_module = checked


def run() -> None:
    """Train as the command line says."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--model_name_or_path", required=True)
    parser.add_argument("--model_revision")
    parser.add_argument("--vision_tower")
    parser.add_argument("--output_dir", required=True, type=Path)
    parser.add_argument("--seed", required=True)
    own, rest = parser.parse_known_args()
    checkpoint = newest_checkpoint(own.output_dir)
    if RANK == 0:
        print(f"going on from {checkpoint}" if checkpoint else FROM_SCRATCH, flush=True)
    if checkpoint and is_through(checkpoint):
        # where `max_steps` ends within an epoch, transformers would train one more
        if RANK == 0:
            shutil.copyfile(checkpoint / STATE, own.output_dir / STATE)
        return
    source, config = shared.find_model(own.model_name_or_path, own.model_revision, own.vision_tower)
    base = link_base(source, config)
    from llava.train import train
    from transformers import set_seed

    set_seed(int(own.seed))  # train.py makes the adapter's first weights before it does so
    shared.use_tower(config)
    end_at_bad_videos(train, "process_video_with_decord")
    complete_checkpoints(train)
    keep_what_is_needed()
    finish_checkpoints()
    # the last checkpoint is the result; train.py would write a whole model a second time, and only with a GPU
    train.safe_save_model_for_hf_trainer = lambda **_: None
    refuse_long_samples(train, config)
    given = {"model_name_or_path": base, "output_dir": own.output_dir, "seed": own.seed}
    words = [word for key, value in given.items() for word in (f"--{key}", str(value))]
    sys.argv = [train.__file__, *words, *flags(config), *rest]
    train.train()


def main() -> None:
    """Train; beneath torchrun, too, which then says at the end of the log what was wrong."""
    from torch.distributed.elastic.multiprocessing.errors import record

    record(run)()
