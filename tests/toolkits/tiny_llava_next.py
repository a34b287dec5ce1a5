"""Runs inside LLaVA-NeXT's environment: makes a LLaVA-Qwen2 of 7 million random weights, and its SigLIP tower.

``<its python> tiny_llava_next.py MODEL TOWER CORPUS``: MODEL is the folder to make, TOWER a folder for the tower or
the hub id under which HF_HOME's cache shall hold it; CORPUS holds one JSON string a line, for the tokenizer.

LLaVA-NeXT fixes the tower's width (1152), its 729 patches and the id of a newline (198), so these are as in the real
checkpoints; depth and the language model are small. ``model_type`` is `llava`, as in the released checkpoints.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import torch
from llava.model.language_model.llava_qwen import LlavaQwenConfig, LlavaQwenForCausalLM
from llava.model.multimodal_encoder.siglip_encoder import SigLipVisionConfig, SigLipVisionModel
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import AutoTokenizer
from transformers.models.gpt2.tokenization_gpt2 import bytes_to_unicode

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")


def make_tower(tower: str, **more: Any) -> None:
    folder = Path(tower)
    if not folder.is_absolute():
        cache = Path(os.environ["HF_HOME"]) / "hub" / f"models--{tower.replace('/', '--')}"
        folder = cache / "snapshots" / ("0" * 40)
        (cache / "refs").mkdir(parents=True, exist_ok=True)
        (cache / "refs" / "main").write_text("0" * 40)
    config = SigLipVisionConfig(**{"intermediate_size": 32, "num_hidden_layers": 2, **more})
    SigLipVisionModel(config).save_pretrained(folder)


def make_tokenizer(out: Path, corpus: Path) -> int:
    """Byte-level BPE in the layout of Qwen2's files; returns the number of tokens before the special ones."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=900, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(map(json.loads, corpus.read_text(encoding="utf-8").splitlines()), trainer)
    merges = [m if isinstance(m, str) else " ".join(m) for m in json.loads(tokenizer.to_str())["model"]["merges"]]
    vocabulary = {letter: place for place, letter in enumerate(bytes_to_unicode().values())}  # "\n" is 198 in here
    for merge in merges:
        vocabulary.setdefault(merge.replace(" ", ""), len(vocabulary))
    size = len(vocabulary)
    plain = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": True}
    settings = {
        "tokenizer_class": "Qwen2Tokenizer",
        "added_tokens_decoder": {str(size + at): {"content": token, **plain} for at, token in enumerate(SPECIAL)},
        "additional_special_tokens": list(SPECIAL[1:]),
        "bos_token": None,
        "eos_token": SPECIAL[2],
        "pad_token": SPECIAL[0],
        "unk_token": None,
        "model_max_length": 32768,
    }
    (out / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    (out / "merges.txt").write_text("\n".join(["#version: 0.2", *merges, ""]), encoding="utf-8")
    (out / "tokenizer_config.json").write_text(json.dumps(settings, indent=1), encoding="utf-8")
    AutoTokenizer.from_pretrained(out).save_pretrained(out)
    return size


def make_model(out: Path, tower: str, tokens: int, **more: Any) -> None:
    settings = {
        "vocab_size": tokens + len(SPECIAL),
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "initializer_range": 0.2,  # so that answers differ
        "bos_token_id": tokens,
        "eos_token_id": tokens + 2,
        "mm_vision_tower": tower,
        "mm_hidden_size": 1152,
        "mm_projector_type": "mlp2x_gelu",
        "mm_vision_select_layer": -2,
        "mm_vision_select_feature": "patch",
        "mm_patch_merge_type": "spatial_unpad",
        "mm_newline_position": "grid",
        "mm_spatial_pool_mode": "bilinear",
        "mm_use_im_start_end": False,
        "mm_use_im_patch_token": False,
        "image_aspect_ratio": "anyres_max_9",
        "image_grid_pinpoints": [[384, 384]],
        "mm_tunable_parts": "mm_vision_tower,mm_mlp_adapter,mm_language_model",
        "tokenizer_model_max_length": 32768,
        "tokenizer_padding_side": "right",
    }
    config = LlavaQwenConfig(**settings | more)
    model = LlavaQwenForCausalLM(config)
    model.model.image_newline.data.normal_(std=0.2)
    model.generation_config.eos_token_id = [tokens + 2, tokens]
    model.generation_config.pad_token_id = tokens
    model.save_pretrained(out)
    content = json.loads((out / "config.json").read_text())
    (out / "config.json").write_text(json.dumps(content | {"model_type": "llava"}, indent=1))


def use_tower(tower: str) -> None:
    """Take a local folder for the SigLIP that it is."""
    from llava.model import llava_arch
    from llava.model.multimodal_encoder.siglip_encoder import SigLipVisionTower

    llava_arch.build_vision_tower = lambda config, **options: SigLipVisionTower(tower, config, **options)


def main() -> None:
    out, tower, corpus = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    make_tower(tower)
    if Path(tower).is_dir():
        use_tower(tower)
    make_model(out, tower, make_tokenizer(out, corpus))


if __name__ == "__main__":
    main()
