"""Runs inside each toolkit's environment: the log-probability of every label, one by one, beside what a runner says.

``start.py inside_labels.py TOOLKIT JOB.json``; the tests' other programs call `report`, which saves a start. A job
holds a runner's configuration and requests; ``out`` gets both numbers for each. Here a label is the whole sequence of
prompt and answer, alone in its batch, read by the model's forward without a cache.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.toolkits.inside import module

CLASSES = {
    "llamafactory": "LlamaFactoryAnswerer",
    "swift": "SwiftAnswerer",
    "llava_next": "LlavaNextAnswerer",
    "videollama2": "VideoLlama2Answerer",
}


def llamafactory(answerer: Any, encoded: Any, ids: list[int]) -> Any:
    whole = answerer.batch([type(encoded)([*encoded.ids, *ids], encoded.media)])
    return answerer.model(**whole, use_cache=False).logits


def swift(answerer: Any, encoded: Any, ids: list[int]) -> Any:
    rows = [{**encoded, "input_ids": [*encoded["input_ids"], *ids]}]
    rows[0].pop("template_inputs", None)
    rows[0].pop("labels", None)
    rows[0]["length"] = len(rows[0]["input_ids"])
    inputs = answerer.template.data_collator(rows)
    inputs.pop("position_ids", None)
    if answerer.engine.model_meta.is_multimodal:
        _, inputs = answerer.template.pre_forward_hook(answerer.engine.model, None, inputs)
        inputs.pop("position_ids", None)
    return answerer.model(**inputs, use_cache=False).logits


def llava_next(answerer: Any, encoded: Any, ids: list[int]) -> Any:
    import torch

    model, whole = answerer.model, torch.tensor([[*encoded.ids, *ids]])
    embeds = model.get_input_embeddings()(whole) if encoded.frames is None else None
    if embeds is None:
        prepare = model.prepare_inputs_labels_for_multimodal
        embeds = prepare(whole, None, None, None, None, [encoded.frames], ["video"])[4]
    return model(inputs_embeds=embeds, use_cache=False).logits


def videollama2(answerer: Any, encoded: Any, ids: list[int]) -> Any:
    row = answerer._embed([type(encoded)([*encoded.ids, *ids], encoded.frames)])[0]
    return answerer.model(inputs_embeds=row[None], use_cache=False).logits


def one_by_one(answerer: Any, logits_of: Callable[..., Any], request: dict[str, Any]) -> dict[str, float]:
    """The sum of each label's log-probabilities."""
    import torch

    found, encoded = {}, answerer.encode(request)
    task = answerer.config["labels"][request["task"]]
    for label, text in zip(task["labels"], task["answers"], strict=True):
        ids = answerer.answer_ids(text)
        with torch.no_grad():
            logits = logits_of(answerer, encoded, ids)
        logs = logits[0, -len(ids) - 1 : -1].double().log_softmax(-1)
        found[label] = float(logs.gather(-1, torch.tensor(ids)[:, None]).sum())
    return found


def report(toolkit: str, job: Path) -> None:
    """Do a job."""
    from orchestrator.inside import label_scores, loop

    given = json.loads(job.read_text())
    label_scores.ROOM["cpu"] = given["room"]
    config, requests = given["config"], given["requests"]
    answerer = getattr(module(toolkit, "infer"), CLASSES[toolkit])(config)
    lines = []
    for batch in loop.form_batches(requests, answerer.length, int(config["batch_size"])):
        for request, line in zip(batch, loop.solve(answerer, batch), strict=True):
            plain = {} if "error" in line else one_by_one(answerer, globals()[toolkit], request)
            lines.append({**line, "task": request["task"], "plain": plain})
    tasks = config["labels"].items()
    ids = {name: [answerer.answer_ids(text) for text in task["answers"]] for name, task in tasks}
    Path(given["out"]).write_text(json.dumps({"lines": lines, "ids": ids}))


def report_all(toolkit: str, folder: Path) -> None:
    """Do the jobs of a folder."""
    for job in sorted(folder.glob("*.labels.json")):
        report(toolkit, job)


def main() -> None:
    report(sys.argv[1], Path(sys.argv[2]))
