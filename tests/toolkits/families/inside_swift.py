"""Runs inside ms-swift's environment for test_swift_families.py: one start (15 s of imports) for all families.

``start.py inside_swift.py FOLDER``: as ``inside_llamafactory.py``, and ``FOLDER/frames.report.json``: of each type of
models with video, whether its template asks for the frames that a recipe sets.
"""

from __future__ import annotations

import inspect
import json
import os
import re
import sys
import traceback
from pathlib import Path
from typing import Any

from tests.toolkits.families.build import FIRST_SPECIAL, make
from tests.toolkits.families.inside import answers
from tests.toolkits.inside import module

FOLDER = Path(sys.argv[1])
# what a template reads of the frames: our variables, or readers that read them
ASKED = re.compile(
    r"get_env_args\('(?:max_num_frames|nframes|num_frames|video_segments)'|import fetch_image, fetch_video"
    r"|load_video_(?:llava|cogvlm2)\b"
)
ANY_MEDIUM = "Literal['image', 'video', 'audio']"
LOADED_WHOLE = re.compile(r"load_video_hf|load_video_valley")


def beside(answerer: Any, row: dict[str, Any], request: dict[str, Any]) -> dict[str, Any]:
    """One sample: what training reads from a converted row, beside what the runner makes of the request."""
    import torch

    template = answerer.template
    mine = answerer.encode(request)
    template.set_mode("train")
    trained = template.encode(dict(row))
    template.set_mode("transformers")
    prompt = len(mine["input_ids"])
    tensors = {name: value for name, value in mine.items() if torch.is_tensor(value)}
    labels = [label for label in trained["labels"] if label != -100]
    grid = mine.get("video_grid_thw")
    return {
        "length": len(trained["input_ids"]),
        "ids": trained["input_ids"][:prompt] == mine["input_ids"],
        "unlike": [name for name, value in tensors.items() if not torch.equal(value, trained[name])],
        "tensors": sorted(tensors),
        "frames": [] if grid is None else [2 * int(one[0]) for one in grid],
        "prompt": template.tokenizer.decode(mine["input_ids"]),
        "learnt": template.tokenizer.decode(labels),
    }


def logits_differ(answerer: Any, row: dict[str, Any], request: dict[str, Any]) -> float:
    """By how much the logits after the prompt differ from those of training, as a share of the largest."""
    import torch

    template, model = answerer.template, answerer.engine.model
    said: list[Any] = []
    handle = model.register_forward_hook(lambda _, __, output: said.append(output.logits[0, -1].clone()))
    asked = answerer.encode(request)
    with torch.inference_mode():
        answerer.generate([dict(asked)], 0)
        handle.remove()
        template.set_mode("train")
        batch = template.data_collator([template.encode(dict(row))])
        template.register_post_encode_hook([model])
        logits = model(**{name: value for name, value in batch.items() if name != "labels"}).logits[0]
        template.remove_post_encode_hook()
        template.set_mode("transformers")
    step = logits[len(asked["input_ids"]) - 1]
    return float((step - said[0]).abs().max() / step.abs().max())


def report(runner: Any, name: str, family: dict[str, Any]) -> dict[str, Any]:
    """Of one family."""
    from swift.dataset import load_dataset

    make(family, FOLDER / name, FOLDER / "corpus.jsonl", FIRST_SPECIAL)
    config = json.loads((FOLDER / f"{name}.config.json").read_text())
    answerer, together = answers(runner.SwiftAnswerer, config, 4, FOLDER)
    _, alone = answers(runner.SwiftAnswerer, config, 1, FOLDER)
    requests = [json.loads(line) for line in (FOLDER / f"{name}.same.jsonl").read_text().splitlines()]
    rows, _ = load_dataset([str(FOLDER / f"{name}.rows.jsonl")], strict=True)
    samples = [
        beside(answerer, row, request) | {"logits": logits_differ(answerer, row, request)}
        for row, request in zip(rows, requests, strict=True)
    ]
    measure = module("swift", "lengths").load(config, training=True)
    return {"together": together, "alone": alone, "samples": samples, "measured": [measure(dict(row)) for row in rows]}


def takes_the_frames_asked_for() -> dict[str, bool]:
    """Of each type of models whose template handles videos."""
    from swift.model import MODEL_MAPPING
    from swift.template import TEMPLATE_MAPPING

    found: dict[str, bool] = {}
    for kind, meta in MODEL_MAPPING.items():
        if not meta.is_multimodal:
            continue
        for name in {meta.template, *(getattr(group, "template", None) for group in meta.model_groups)} - {None}:
            classes = [
                one for one in TEMPLATE_MAPPING[name].template_cls.__mro__ if one.__module__.startswith("swift.templ")
            ]
            text = "".join(inspect.getsource(one) for one in classes[:-1]).replace(ANY_MEDIUM, "")
            if re.search(r"inputs\.videos|'videos?'", text):
                own = inspect.getsource(classes[0])
                asked = bool(ASKED.search(text)) and not LOADED_WHOLE.search(own)
                found[kind] = found.get(kind, True) and asked
    return found


def main() -> None:
    os.chdir(FOLDER)
    runner = module("swift", "infer")
    for name, family in json.loads((FOLDER / "families.json").read_text()).items():
        try:
            found = report(runner, name, family)
        except BaseException:
            found = {"failed": traceback.format_exc()}
        (FOLDER / f"{name}.report.json").write_text(json.dumps(found))
    (FOLDER / "frames.report.json").write_text(json.dumps(takes_the_frames_asked_for()))
