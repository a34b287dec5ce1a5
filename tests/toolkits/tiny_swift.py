"""Makes tiny random models inside ms-swift's environment: ``<its python> tiny_swift.py FOLDER CORPUS``.

``FOLDER/qwen2`` reads text, ``FOLDER/qwen2_vl`` video, too; CORPUS is a JSONL file of texts that their tokenizers are
trained on. swift knows Qwen2-VL's media tokens by their published ids, so the special tokens have those, and the
vocabulary has that size; everything else is as small as it gets.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen2TokenizerFast,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen2VLImageProcessor,
    Qwen2VLProcessor,
    Qwen2VLVideoProcessor,
)

FIRST_SPECIAL = 151643
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>"]
SPECIAL += ["<|box_start|>", "<|box_end|>", "<|quad_start|>", "<|quad_end|>", "<|vision_start|>", "<|vision_end|>"]
SPECIAL += ["<|vision_pad|>", "<|image_pad|>", "<|video_pad|>"]
CHAT = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
TEXT = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 2048,
    "initializer_range": 0.2,
    "tie_word_embeddings": True,
    "eos_token_id": FIRST_SPECIAL + 2,
    "bos_token_id": FIRST_SPECIAL,
}


def make_tokenizer(corpus: Path, specials: list[str], first_special: int | None) -> Qwen2TokenizerFast:
    """A byte-level BPE trained on the corpus; the special tokens get ids from ``first_special`` on."""
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=700, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False
    )
    trained.train_from_iterator([json.loads(line) for line in corpus.read_text().splitlines()], trainer)
    content = json.loads(trained.to_str())["model"]
    vocab, merges = content["vocab"], [tuple(pair) for pair in content["merges"]]
    start = first_special or len(vocab)
    vocab |= {f"<{number}>": number for number in range(len(vocab), start)}  # never written, but no id may be missing
    vocab |= {token: start + place for place, token in enumerate(specials)}
    whole = Tokenizer(models.BPE(vocab, merges))
    whole.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    whole.decoder = decoders.ByteLevel()
    whole.add_special_tokens(specials)
    return Qwen2TokenizerFast(
        tokenizer_object=whole,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        unk_token=None,
        additional_special_tokens=specials[1:],
        chat_template=CHAT,
    )


def make_qwen2(out: Path, corpus: Path) -> None:
    """A Qwen2 of a thousand tokens."""
    tokenizer = make_tokenizer(corpus, SPECIAL[:3], None)
    ids = {"eos_token_id": tokenizer.eos_token_id, "bos_token_id": tokenizer.pad_token_id}
    model = Qwen2ForCausalLM(Qwen2Config(**(TEXT | ids), vocab_size=len(tokenizer)))
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)


def make_qwen2_vl(out: Path, corpus: Path) -> None:
    """A Qwen2-VL with one vision layer."""
    tokenizer = make_tokenizer(corpus, SPECIAL, FIRST_SPECIAL)
    vision = {"depth": 1, "embed_dim": 32, "num_heads": 2, "hidden_size": 64, "mlp_ratio": 2, "initializer_range": 0.1}
    tokens = {"image_token_id": 151655, "video_token_id": 151656, "vision_start_token_id": 151652}
    text = TEXT | {"rope_scaling": {"type": "mrope", "mrope_section": [2, 3, 3]}, "vocab_size": len(tokenizer)}
    config = Qwen2VLConfig(**text, **tokens, vision_end_token_id=151653, vision_config=vision)
    model = Qwen2VLForConditionalGeneration(config)
    model.save_pretrained(out)
    pixels = {"min_pixels": 784, "max_pixels": 3136}
    processor = Qwen2VLProcessor(
        Qwen2VLImageProcessor(**pixels), tokenizer, Qwen2VLVideoProcessor(**pixels), chat_template=CHAT
    )
    processor.save_pretrained(out)


if __name__ == "__main__":
    folder, texts = Path(sys.argv[1]), Path(sys.argv[2])
    torch.manual_seed(0)
    make_qwen2(folder / "qwen2", texts)
    make_qwen2_vl(folder / "qwen2_vl", texts)
