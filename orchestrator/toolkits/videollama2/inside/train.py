"""A VideoLLaMA2 training, beneath torchrun or alone: ``start.py train.py ATTENTION --its-flags ...``.

It calls VideoLLaMA2's own ``train()``, as its ``train.py`` and ``train_flash_attn.py`` do, with these additions:

- A projector given as a hub id is downloaded first. VideoLLaMA2 does so itself, but looks for the file where it was not
  before the download, and so fails the first time.
- A projector file that lacks weights is an error; VideoLLaMA2 would train on random ones.
- A video that cannot be read ends the training; VideoLLaMA2 would train on another sample in its place.
- A sample longer than ``model_max_length`` ends it, too, before the first step; its answer would be cut off.
- The last step is always saved, and of older checkpoints only what inference needs is kept: at 7B and rank 128 the
  optimizer states are several gigabytes each.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from orchestrator.inside import hub_pins
from orchestrator.inside import trainer_hooks as hooks

PROJECTOR = "mm_projector.bin"
FLAG = "--pretrain_mm_mlp_adapter"
TEMPLATE_BYTES = 64  # most that a chat template adds to a prompt and an answer


def local_projector(value: str) -> str:
    """The file of a projector given as a file, as a folder that holds it, or as a hub id (file name or not)."""
    path = Path(value)
    if path.is_dir():
        return str(path / PROJECTOR)
    if path.is_file():
        return value
    from huggingface_hub import hf_hub_download

    repository = value.removesuffix(PROJECTOR).strip("/")
    return str(hf_hub_download(repository, PROJECTOR, revision=hub_pins.commits().get(repository)))


def overlong(module: Any, data: Any, tokenizer: Any) -> list[str]:
    """The ids of samples with more tokens than ``tokenizer.model_max_length``.

    A token is a byte of text at least, so only long texts are tokenized.
    """
    found = []
    for sample in data.list_data_dict:
        turns = sample["conversations"]
        if sum(len(turn["value"].encode()) for turn in turns) + TEMPLATE_BYTES <= tokenizer.model_max_length:
            continue
        modal = "<video>" if "video" in sample else None
        (ids,) = module.preprocess([turns], tokenizer, modal_token=modal)["input_ids"]
        if len(ids) > tokenizer.model_max_length:
            found.append(f"{sample['id']} ({len(ids)} tokens)")
    return found


def check_lengths(module: Any) -> None:
    """Have VideoLLaMA2 refuse data that it would cut."""
    make = module.make_supervised_data_module

    def checked(tokenizer: Any, data_args: Any) -> Any:
        made = make(tokenizer=tokenizer, data_args=data_args)
        if found := overlong(module, made["train_dataset"], tokenizer):
            shown = ", ".join(found[:5])
            raise ValueError(
                f"{len(found)} samples are longer than train.max_length {tokenizer.model_max_length}, and VideoLLaMA2 "
                f"would cut their answers off: {shown}; raise it (video tokens do not count)"
            )
        return made

    module.make_supervised_data_module = checked


def check_projector(model: Any) -> None:
    """Have VideoLLaMA2 refuse a projector file that lacks weights."""
    import torch

    initialize = model.initialize_vision_modules

    def checked(self: Any, model_args: Any, fsdp: Any = None) -> None:
        initialize(self, model_args, fsdp=fsdp)
        file = model_args.pretrain_mm_mlp_adapter
        given = {name.split("mm_projector.")[-1] for name in torch.load(file, map_location="cpu", weights_only=True)}
        if missing := sorted(self.mm_projector.state_dict().keys() - given):
            raise ValueError(
                f"{file} is no projector of this model: it lacks {len(missing)} weights, e.g. {missing[0]}"
            )

    model.initialize_vision_modules = checked


def run() -> None:
    """Train as the flags say."""
    attention = sys.argv.pop(1)
    place = sys.argv.index(FLAG) + 1
    sys.argv[place] = local_projector(sys.argv[place])
    # torch before transformers, as VideoLLaMA2 asks for
    from videollama2 import train as module
    from videollama2.model.videollama2_arch import Videollama2MetaModel

    hub_pins.apply()
    hooks.end_at_bad_videos(module, "process_video")
    check_lengths(module)
    check_projector(Videollama2MetaModel)
    hooks.keep_what_is_needed()
    hooks.finish_checkpoints()
    module.train(attn_implementation=None if attention == "auto" else attention)


def main() -> None:
    """Train; beneath torchrun, too, which then says at the end of the log what was wrong."""
    from torch.distributed.elastic.multiprocessing.errors import record

    record(run)()
