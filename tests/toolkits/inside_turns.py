"""Prints, inside LLaMA-Factory's environment, what the model of config.json reads without and with an earlier turn."""

from __future__ import annotations

import json
from pathlib import Path

from tests.toolkits.inside import module


def main() -> None:
    answerer = module("llamafactory", "infer").LlamaFactoryAnswerer(json.loads(Path("config.json").read_text()))
    one = {"id": "a", "prompt": "Well?", "video": None, "system": "Be kind."}
    two = one | {"history": [["hello", "Hi."]]}
    print(json.dumps([answerer.tokenizer.decode(answerer.encode(request).ids) for request in (one, two)]))
