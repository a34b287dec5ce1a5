"""Makes tiny random models that hear, in the environment of LLaMA-Factory or ms-swift:
``<its python> tiny_hearing.py FOLDER CORPUS``.

``FOLDER/omni`` is a Qwen2.5-Omni, which sees and hears, ``FOLDER/audio`` a Qwen2-Audio. CORPUS is a JSONL file of texts
that their tokenizer is trained on. What is heard is cut to four seconds, so that a sample costs little.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    Qwen2_5OmniConfig,
    Qwen2_5OmniForConditionalGeneration,
    Qwen2_5OmniProcessor,
    Qwen2AudioConfig,
    Qwen2AudioForConditionalGeneration,
    Qwen2AudioProcessor,
    Qwen2TokenizerFast,
    Qwen2VLImageProcessor,
    Qwen2VLVideoProcessor,
    WhisperFeatureExtractor,
)

SECONDS, MELS = 4, 32
# what the processor calls the tokens of media
MEDIA = {
    "image_token": "<|IMAGE|>",
    "audio_token": "<|AUDIO|>",
    "video_token": "<|VIDEO|>",
    "vision_bos_token": "<|vision_bos|>",
    "vision_eos_token": "<|vision_eos|>",
    "audio_bos_token": "<|audio_bos|>",
    "audio_eos_token": "<|audio_eos|>",
}
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *MEDIA.values()]
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
    "max_position_embeddings": 4096,
    "initializer_range": 0.1,
    "tie_word_embeddings": False,
}
AUDIO = {
    "num_mel_bins": MELS,
    "encoder_layers": 1,
    "encoder_attention_heads": 2,
    "encoder_ffn_dim": 64,
    "d_model": 64,
    "initializer_range": 0.1,
}
VISION = {
    "depth": 1,
    "hidden_size": 32,
    "num_heads": 2,
    "intermediate_size": 64,
    "out_hidden_size": 64,
    "fullatt_block_indexes": [0],
    "initializer_range": 0.1,
}


def make_tokenizer(corpus: Path) -> Qwen2TokenizerFast:
    """A byte-level BPE trained on the corpus."""
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trained.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=600, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False
    )
    trained.train_from_iterator([json.loads(line) for line in corpus.read_text().splitlines()], trainer)
    trained.add_special_tokens([AddedToken(token, special=True) for token in SPECIAL])
    return Qwen2TokenizerFast(
        tokenizer_object=trained,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        unk_token=None,
        extra_special_tokens=MEDIA,
        chat_template=CHAT,
    )


def make_omni(out: Path, tokenizer: Any, ears: Any) -> None:
    """A Qwen2.5-Omni without the parts that speak."""
    ids = {name: tokenizer.convert_tokens_to_ids(token) for name, token in MEDIA.items()}
    text = TEXT | {"vocab_size": len(tokenizer), "rope_scaling": {"type": "default", "mrope_section": [2, 3, 3]}}
    thinker = {
        "audio_config": AUDIO | {"output_dim": 64, "n_window": 50},
        "vision_config": VISION,
        "text_config": text | {"pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id},
        "image_token_index": ids["image_token"],
        "audio_token_index": ids["audio_token"],
        "video_token_index": ids["video_token"],
        "vision_start_token_id": ids["vision_bos_token"],
        "vision_end_token_id": ids["vision_eos_token"],
        "audio_start_token_id": ids["audio_bos_token"],
        "audio_end_token_id": ids["audio_eos_token"],
        "pad_token_id": tokenizer.pad_token_id,
        "initializer_range": 0.1,
    }
    model = Qwen2_5OmniForConditionalGeneration(Qwen2_5OmniConfig(thinker_config=thinker, enable_audio_output=False))
    model.generation_config.eos_token_id = [tokenizer.eos_token_id, tokenizer.pad_token_id]
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.save_pretrained(out)
    torch.save({}, out / "spk_dict.pt")  # the voices, without which it is not loaded
    pixels = {"min_pixels": 784, "max_pixels": 3136}
    parts = Qwen2VLImageProcessor(**pixels), Qwen2VLVideoProcessor(**pixels), ears, tokenizer
    Qwen2_5OmniProcessor(*parts, chat_template=CHAT).save_pretrained(out)
    both = out / "preprocessor_config.json"
    if both.exists():  # transformers 4 writes one over the other; in the published folders the file holds both
        both.write_text(json.dumps(parts[0].to_dict() | ears.to_dict()))


def make_audio(out: Path, tokenizer: Any, ears: Any) -> None:
    """A Qwen2-Audio."""
    config = Qwen2AudioConfig(
        audio_config=AUDIO | {"max_source_positions": SECONDS * 50},
        text_config=TEXT | {"model_type": "qwen2", "vocab_size": len(tokenizer)},
        audio_token_index=tokenizer.convert_tokens_to_ids(MEDIA["audio_token"]),
    )
    model = Qwen2AudioForConditionalGeneration(config)
    model.generation_config.eos_token_id = [tokenizer.eos_token_id, tokenizer.pad_token_id]
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.save_pretrained(out)
    Qwen2AudioProcessor(feature_extractor=ears, tokenizer=tokenizer, chat_template=CHAT).save_pretrained(out)


def make(folder: Path, texts: Path) -> None:
    """Both, in their folders."""
    torch.manual_seed(0)
    tokens = make_tokenizer(texts)
    extractor = WhisperFeatureExtractor(feature_size=MELS, chunk_length=SECONDS)
    make_omni(folder / "omni", tokens, extractor)
    make_audio(folder / "audio", tokens, extractor)


if __name__ == "__main__":
    make(Path(sys.argv[1]), Path(sys.argv[2]))
