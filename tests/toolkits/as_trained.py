"""What LLaMA-Factory's training would feed a model beside what the runner does, for the same samples; inside its
environment.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

ALONG_THE_TEXT = ("position_ids", "mm_token_type_ids", "token_type_ids")


def training_data(arguments: dict[str, Any]) -> tuple[Any, Any, dict[str, Any]]:
    """The rows of a training as its collator gets them, its template and its tools."""
    from llamafactory.data import get_dataset, get_template_and_fix_tokenizer
    from llamafactory.hparams import get_train_args
    from llamafactory.model import load_tokenizer

    model_args, data_args, training_args, _, _ = get_train_args(arguments)
    tools = load_tokenizer(model_args)
    template = get_template_and_fix_tokenizer(tools["tokenizer"], data_args)
    data = get_dataset(template, model_args, data_args, training_args, stage="sft", **tools)["train_dataset"]
    return data, template, tools


def compare(answerer: Any, arguments: dict[str, Any], requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """For each sample: whether ids, every tensor and the first logits are those of training, and what there is."""
    from llamafactory.data import SFTDataCollatorWith4DAttentionMask

    data, template, tools = training_data(arguments)
    collator = SFTDataCollatorWith4DAttentionMask(template=template, model=answerer.model, **tools)
    report = []
    for row, request in zip(data, requests, strict=True):
        trained = dict(collator([dict(row)]))
        mine = answerer.batch([answerer.encode(request)])
        about = {"learnt": learnt(tools["tokenizer"], trained), "length": len(row["input_ids"])}
        about["logits"] = logits_differ(answerer, mine, lambda ids, row=row: collator([row | ids]))
        report.append(beside(answerer, trained, mine) | about)
    return report


def beside(answerer: Any, trained: dict[str, Any], mine: dict[str, Any]) -> dict[str, Any]:
    """One sample."""
    import torch

    prompt = mine["input_ids"].shape[1]
    unlike = []
    for name, value in mine.items():
        other = trained.get(name)
        if name in ALONG_THE_TEXT and torch.is_tensor(other):
            other = other[..., :prompt]
            if (
                name == "position_ids" and value.dim() == 3 and len(value) == 4
            ):  # the first are places in the text, see batch.py
                value, other = value[1:], other[1:]
        same = torch.equal(value, other) if torch.is_tensor(value) and torch.is_tensor(other) else value == other
        if name not in ("input_ids", "attention_mask") and not same:
            unlike.append(name)
    return {
        "ids": trained["input_ids"][0, :prompt].tolist() == mine["input_ids"][0].tolist(),
        "unlike": unlike,
        "only_in_training": sorted(set(trained) - set(mine) - {"labels"}),
        "shapes": {name: list(value.shape) for name, value in mine.items() if torch.is_tensor(value)},
        "frames": frames(mine),
        "prompt": answerer.tokenizer.decode(mine["input_ids"][0]),
    }


def frames(inputs: dict[str, Any]) -> list[int]:
    """How many frames of each video the model sees: a grid counts pairs (Qwen), a tensor has one a row or a column."""
    if "video_grid_thw" in inputs:
        return [2 * int(grid[0]) for grid in inputs["video_grid_thw"]]
    if "pixel_values_videos" in inputs:
        return [one.shape[0] for one in inputs["pixel_values_videos"]]
    return [len(inputs["pixel_values"])] if "pixel_values" in inputs else []


def logits_differ(answerer: Any, mine: dict[str, Any], train: Callable[[dict[str, Any]], dict[str, Any]]) -> float:
    """By how much the logits of some steps of generation differ from what training sees, as a share of the largest.

    Args:
        answerer: The runner.
        mine: What the runner asks with.
        train: The batch of training for other token ids of the same sample.
    """
    import torch

    prompt, model = mine["input_ids"].shape[1], answerer.model
    controls = sorted(answerer.tokenizer.get_added_vocab().values())  # random weights would say that there is a video
    with torch.inference_mode():
        asked = model.generate(
            **mine, max_new_tokens=3, suppress_tokens=controls, output_logits=True, return_dict_in_generate=True
        )
        ids = asked.sequences[0].tolist()
        batch = train({"input_ids": ids, "attention_mask": [1] * len(ids), "labels": ids})
        steps = model(**{name: value for name, value in batch.items() if name != "labels"}).logits[0, prompt - 1 :]
    found = torch.stack(asked.logits)[:, 0]
    assert len(found) == 3
    return float((steps[:3] - found).abs().max() / found.abs().max())


def learnt(tokenizer: Any, trained: dict[str, Any]) -> str:
    """The text that is learnt."""
    labels = trained["labels"][0]
    return str(tokenizer.decode(labels[labels != -100]))
