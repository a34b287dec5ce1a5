"""Makes a tiny random Qwen3 inside ms-swift's environment: ``<its python> tiny_qwen3.py FOLDER CORPUS``.

Its tokenizer has the words of a thought as tokens of their own that decoding does not leave out, as the published one.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from tiny_swift import SPECIAL, TEXT, make_tokenizer
from transformers import Qwen3Config, Qwen3ForCausalLM

if __name__ == "__main__":
    folder, texts = Path(sys.argv[1]), Path(sys.argv[2])
    torch.manual_seed(0)
    tokenizer = make_tokenizer(texts, SPECIAL[:3], None)
    tokenizer.add_tokens(["<think>", "</think>"])
    ids = {"eos_token_id": tokenizer.eos_token_id, "bos_token_id": tokenizer.pad_token_id}
    model = Qwen3ForCausalLM(Qwen3Config(**(TEXT | ids), head_dim=16, vocab_size=len(tokenizer)))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
