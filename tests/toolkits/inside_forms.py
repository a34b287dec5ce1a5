"""Runs inside ms-swift's environment for test_thinking.py: ``start.py inside_forms.py MODEL OUT``.

Goes through all chat templates of swift with one tiny tokenizer, as swift itself has them and with `forms`, and writes
what their prompts are in training and in inference.
"""

from __future__ import annotations

import copy
import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

from tests.toolkits.inside import module

MODEL, OUT = sys.argv[1:3]
USER = {"role": "user", "content": "Which emotion?"}
ANSWER = "emotion: joy"


def templates(processor: Any, **more: Any) -> dict[str, dict[str, Any]]:
    from swift.template import TEMPLATE_MAPPING

    found: dict[str, dict[str, Any]] = {}
    for name in TEMPLATE_MAPPING:
        try:
            found[name] = prompts(name, processor, **more)
        except Exception as error:
            found[name] = {"error": f"{type(error).__name__}: {error}"[:200]}
    return found


def prompts(name: str, processor: Any, **more: Any) -> dict[str, Any]:
    """What a template makes of a question: in training with what is masked, and in inference."""
    from swift.infer_engine import InferRequest
    from swift.template import Template, get_template

    def made() -> Any:
        return get_template(copy.copy(processor), template_type=name, max_length=100_000, **more)

    def both() -> tuple[Any, Any]:
        template = made()
        if plain:  # pictures and sounds are no matter here: of a template that asks for them, the words
            template._encode = lambda inputs: Template._encode(template, inputs)
        template.set_mode("train")
        conversation = {"messages": [USER, {"role": "assistant", "content": ANSWER}]}
        trained = template.encode(conversation)
        template = made()
        if plain:
            template._encode = lambda inputs: Template._encode(template, inputs)
        template.set_mode("transformers")
        asked = template.encode(InferRequest(messages=[USER]), return_template_inputs=True)
        return trained, asked

    plain = False
    try:
        trained, asked = both()
    except Exception:
        plain = True
        trained, asked = both()
    ids, labels, mine = list(trained["input_ids"]), list(trained["labels"]), list(asked["input_ids"])
    first = next((place for place, label in enumerate(labels) if label != -100), len(labels))
    decode = getattr(processor, "tokenizer", processor).decode
    return {
        "same": ids[:first] == mine,
        "begins": ids[: len(mine)] == mine,
        "asked": decode(mine)[-200:],
        "learnt": decode(ids[first:])[-200:],
        "trained": decode(ids)[-200:],
        "dated": any(day in decode(ids) for day in DAYS),
    }


DAYS: list[str] = []


def main() -> None:
    logging.disable(logging.WARNING)
    os.environ |= {"HF_HUB_OFFLINE": "1", "USE_HF": "1"}
    import datetime

    from swift.model import MODEL_MAPPING, get_model_processor
    from swift.template import TEMPLATE_MAPPING

    forms = module("swift", "forms")
    DAYS.extend(datetime.date.today().strftime(style) for style in forms.STYLES)
    _, processor = get_model_processor(MODEL, load_model=False, model_type="qwen2", use_hf=True)
    processor.bos_token = processor.pad_token
    found: dict[str, Any] = {
        "think": [name for name, meta in TEMPLATE_MAPPING.items() if forms.can_think(meta)],
        "types": {kind: meta.candidate_templates for kind, meta in MODEL_MAPPING.items()},
        "names": {
            kind: {
                model.hf_model_id.rsplit("/", 1)[-1].lower(): group.template or meta.template
                for group in meta.model_groups
                for model in group.models
                if model.hf_model_id
            }
            for kind, meta in MODEL_MAPPING.items()
        },
        "own": templates(processor),
    }
    for thinking in ("off", "on"):
        forms.install(thinking)
        found[thinking] = templates(processor)
    Path(OUT).write_text(json.dumps(found, ensure_ascii=False, indent=1))
