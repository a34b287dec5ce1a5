"""Runs inside VideoLLaMA2's environment: ``<its python> tiny_videollama2.py FOLDER`` makes small random weights.

``FOLDER/mistral`` (language model with a tokenizer of its own), ``FOLDER/clip`` (vision tower), ``FOLDER/base``
(``mm_projector.bin``, as VideoLLaMA2-7B-Base holds it) and ``FOLDER/complete`` (all of it as one finished model).
"""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import sentencepiece
import torch
from transformers import (
    CLIPImageProcessor,
    CLIPVisionConfig,
    CLIPVisionModel,
    LlamaTokenizerFast,
    MistralConfig,
    MistralForCausalLM,
)
from videollama2.model import VLLMConfigs, VLLMs

# the template of Mistral-7B-Instruct-v0.2 in 2024, which knows no system message
TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    "{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}"
    "{% elif message['role'] == 'assistant' %}{{ message['content'] + eos_token}}"
    "{% else %}{{ raise_exception('Only user and assistant roles are supported!') }}{% endif %}{% endfor %}"
)
CORPUS = (
    "You are presented with a video in which the speaker says: Utterance is here. Based on the text, video, and audio "
    "content, what is the dialogue act of this speaker?",
    "The candidate labels for dialogue act are: [statement, question, command, apology]. Respond in the format: "
    "'dialogue act: [label]'. Only one label should be provided.",
    "[INST] [/INST] speaking style: sincere sarcastic intent emotion sentiment positive negative neutral",
    "please open the door, where did you go, I am so sorry about that, the train leaves at noon",
)


def make_tokenizer(folder: Path) -> Any:
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS * 20),
        model_writer=model,
        vocab_size=400,
        hard_vocab_limit=False,
        model_type="bpe",
        byte_fallback=True,
        pad_id=-1,
        num_threads=1,
        minloglevel=2,
        normalization_rule_name="identity",
    )
    folder.mkdir(parents=True)
    (folder / "tokenizer.model").write_bytes(model.getvalue())
    tokenizer = LlamaTokenizerFast(vocab_file=str(folder / "tokenizer.model"))
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder)
    return tokenizer


def main(folder: Path) -> None:
    torch.manual_seed(0)
    tokenizer = make_tokenizer(folder / "mistral")
    settings = MistralConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=4096,
        sliding_window=None,
        initializer_range=0.2,  # so that different words give different answers
    )
    MistralForCausalLM(settings).to(torch.bfloat16).save_pretrained(folder / "mistral")
    vision = CLIPVisionConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=2,
        image_size=56,
        patch_size=28,
        projection_dim=32,
    )
    CLIPVisionModel(vision).save_pretrained(folder / "clip")
    CLIPImageProcessor(size={"shortest_edge": 56}, crop_size={"height": 56, "width": 56}).save_pretrained(
        folder / "clip"
    )
    whole = VLLMConfigs["videollama2"](
        **settings.to_dict(),
        mm_vision_tower=str(folder / "clip"),
        mm_projector_type="stc_connector",
        mm_hidden_size=32,
        mm_vision_select_layer=-2,
        mm_vision_select_feature="patch",
        num_frames=8,
        use_mm_proj=True,
    )
    model = VLLMs["videollama2"](whole).to(torch.bfloat16)
    model.save_pretrained(folder / "complete")
    tokenizer.save_pretrained(folder / "complete")
    projector = {f"model.mm_projector.{name}": value for name, value in model.model.mm_projector.state_dict().items()}
    (folder / "base").mkdir()
    torch.save(projector, folder / "base" / "mm_projector.bin")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
