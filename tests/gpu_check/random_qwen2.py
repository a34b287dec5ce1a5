"""Runs inside LLaMA-Factory's environment: makes a model of random weights in bf16, on the GPU where there is one.

``start.py random_qwen2.py OUT CONFIG CORPUS DEVICE``: CONFIG is a JSON file with a transformers configuration. The
tokenizer is the one that the orchestrator's own `init` makes; its ids end long before those of the embeddings do.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.toolkits.inside import module

TOKENS = 2000


def main() -> None:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText

    out, config, corpus, device = Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text()), sys.argv[3], sys.argv[4]
    init = module("llamafactory", "init")
    tokenizer = init.make_tokenizer(corpus, TOKENS)
    vision = "vision_config" in config
    settings = init.complete(config, tokenizer)
    torch.manual_seed(0)
    with torch.device(device):
        kind = AutoModelForImageTextToText if vision else AutoModelForCausalLM
        model = kind.from_config(AutoConfig.for_model(settings.pop("model_type"), **settings), dtype=torch.bfloat16)
    model.generation_config.eos_token_id = [tokenizer.eos_token_id, tokenizer.pad_token_id]
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.save_pretrained(out)
    (init.make_processor(tokenizer, {}) if vision else tokenizer).save_pretrained(out)
    print(sum(weight.numel() for weight in model.parameters()))
