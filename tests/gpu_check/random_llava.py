"""Runs inside LLaVA-NeXT's environment: makes a LLaVA of random weights in bf16, on the GPU where there is one.

``start.py random_llava.py OUT CONFIG CORPUS DEVICE``: CONFIG is a JSON file with what differs from the tests' tiny
model, and under ``tower`` from its tower. The tower lies in ``OUT/siglip``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main() -> None:
    import torch

    from tests.toolkits import tiny_llava_next as tiny

    out, config, corpus, device = Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text()), sys.argv[3], sys.argv[4]
    out.mkdir(parents=True, exist_ok=True)
    config.pop("model_type")
    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    torch.set_default_device(device)
    tower = str(out / "siglip")
    tiny.make_tower(tower, **config.pop("tower"))
    tiny.use_tower(tower)
    tiny.make_model(out, tower, tiny.make_tokenizer(out, Path(corpus)), **{"initializer_range": 0.02, **config})
