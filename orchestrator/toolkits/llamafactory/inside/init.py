"""Make a small model from scratch: a tokenizer trained on a corpus and random weights of any transformers
configuration.

    start.py init.py config.json

``config.json`` holds ``out`` (the folder to make), ``config`` (a transformers configuration with ``model_type``),
``vocab_size`` (tokens, special ones included), ``corpus`` (a file with one JSON string per line), ``seed`` and
optionally ``template`` (kept in the model's ``random_init.json`` for the reader). The same corpus, configuration and
seed give the same bytes.

Models whose configuration has an image or video token (Qwen2-VL and its like) also get a processor. Special tokens
and the chat format are ChatML's, as in the Qwen family.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SPECIAL = [
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|object_ref_start|>",
    "<|object_ref_end|>",
    "<|box_start|>",
    "<|box_end|>",
    "<|quad_start|>",
    "<|quad_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
]
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
# the ids a vision-language configuration asks for, by the token that each one stands for
VISION_TOKENS = {
    "image_token_id": "<|image_pad|>",
    "video_token_id": "<|video_pad|>",
    "vision_start_token_id": "<|vision_start|>",
    "vision_end_token_id": "<|vision_end|>",
}


def corpus_lines(path: str) -> Iterator[str]:
    """The texts of ``path``, one JSON string per line; blank lines are skipped."""
    with Path(path).open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            text = json.loads(line)
            if not isinstance(text, str):
                raise SystemExit(
                    f"{path}:{number}: each line must be one JSON string, this one is {type(text).__name__}"
                )
            yield text


def make_tokenizer(corpus: str, vocab_size: int) -> Any:
    """A byte-level BPE tokenizer of at most ``vocab_size`` tokens; every byte is in it, so no text is ever unknown."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    least = len(alphabet) + len(SPECIAL)
    if vocab_size < least:
        raise SystemExit(
            f"vocab_size is {vocab_size}: it must be at least {least} (256 bytes and {len(SPECIAL)} special tokens)"
        )
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    bpe.train_from_iterator(corpus_lines(corpus), trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=SPECIAL[1:],
        model_max_length=32768,
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def complete(config: dict[str, Any], tokenizer: Any) -> dict[str, Any]:
    """``config`` with what only the tokenizer knows filled in; what the recipe gives itself is kept."""
    text = {
        "vocab_size": len(tokenizer),
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.pad_token_id,
    }
    if "vision_config" not in config:
        return {**text, **config}
    ids = {name: tokenizer.convert_tokens_to_ids(token) for name, token in VISION_TOKENS.items()}
    return {**ids, **config, "text_config": {**text, **config.get("text_config", {})}}


def make_processor(tokenizer: Any, pixels: dict[str, int]) -> Any:
    """The processor of the Qwen2-VL family around ``tokenizer``; ``pixels`` may limit min_pixels and max_pixels of an
    image.
    """
    from transformers import Qwen2VLImageProcessor, Qwen2VLProcessor, Qwen2VLVideoProcessor

    return Qwen2VLProcessor(
        image_processor=Qwen2VLImageProcessor(**pixels),
        tokenizer=tokenizer,
        video_processor=Qwen2VLVideoProcessor(**pixels),
        chat_template=CHAT_TEMPLATE,
    )


def make(job: dict[str, Any], out: Path) -> int:
    """Write tokenizer, processor and model into the folder ``out``; returns the number of parameters."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText

    given = dict(job["config"])
    pixels = given.pop("processor", {})
    tokenizer = make_tokenizer(job["corpus"], int(job["vocab_size"]))
    settings = complete(given, tokenizer)
    config = AutoConfig.for_model(settings.pop("model_type"), **settings)
    vision = "vision_config" in given
    torch.manual_seed(int(job["seed"]))
    model = (AutoModelForImageTextToText if vision else AutoModelForCausalLM).from_config(config)
    model = model.to(torch.float32)
    model.generation_config.eos_token_id = [tokenizer.eos_token_id, tokenizer.pad_token_id]
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.save_pretrained(out)
    (make_processor(tokenizer, pixels) if vision else tokenizer).save_pretrained(out)
    recipe = {key: job.get(key) for key in ("config", "vocab_size", "seed", "template")}
    (out / "random_init.json").write_text(json.dumps(recipe, indent=2, sort_keys=True), encoding="utf-8")
    return sum(weight.numel() for weight in model.parameters())


def main() -> None:
    """Make the model of the job in the file on the command line; the folder appears whole or not at all."""
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    out = Path(job["out"]).absolute()
    if out.exists():
        print(f"{out} exists, nothing to do", flush=True)
        return
    part = out.with_name(f"{out.name}.tmp")
    shutil.rmtree(part, ignore_errors=True)  # what a killed run left
    part.mkdir(parents=True)
    size = make(job, part)
    part.rename(out)
    print(f"made {out}: {size / 1e6:.2f} million parameters", flush=True)
