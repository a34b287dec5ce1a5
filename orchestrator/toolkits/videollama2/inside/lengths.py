"""How many tokens VideoLLaMA2 makes of samples: its own rendering and tokenization.

It holds the text alone against ``model_max_length``: there a video is one token, whatever it becomes in the model.
"""

from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import Any

from orchestrator.inside import hub_pins, lengths

VIDEO = "<video>"


def load(config: dict[str, Any], _training: bool) -> lengths.Measure:
    """The encoding of training, which is that of inference, too."""
    import torch  # noqa: F401 - before transformers, as VideoLLaMA2 asks for
    from transformers import AutoTokenizer
    from videollama2 import train as module
    from videollama2.mm_utils import tokenizer_multimodal_token

    hub_pins.apply()
    source = config["parts"]["llm"]
    tokenizer = AutoTokenizer.from_pretrained(source, use_fast=True)
    options = SimpleNamespace(is_multimodal=True)

    def measure(row: lengths.Row) -> int:
        turns, modal = row["conversations"], None
        if row.get("video"):
            modal = VIDEO
            (turns,) = module.preprocess_multimodal([copy.deepcopy(turns)], options, modal)
        roles = {"human": "user", "gpt": "assistant"}
        messages = [{"role": roles[turn["from"]], "content": turn["value"]} for turn in turns]
        text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=False)
        return len(tokenizer_multimodal_token(text, tokenizer, modal))

    return measure


def main() -> None:
    """Measure as the configuration on the command line says."""
    lengths.main(load)
