"""Requests joined into one batch by the collator that LLaMA-Factory trains with: its padding, its positions, its kinds
of tokens, whatever the family of the model. What a model's ``forward`` does not name it does not see in training
either; ``generate`` would refuse it, so it is left out.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any


class Encoded:
    """One request ready for the model: its token ids, and what the template's plugin made of its video and sound."""

    def __init__(self, ids: list[int], media: dict[str, Any]) -> None:
        self.ids = ids
        self.media = media


class Made:
    """In the collator, in the place of a template's plugin: hands out what is decoded already."""

    # with tokens, the collator adds an empty picture or sound to a batch that has none
    image_token = audio_token = None

    def __init__(self, media: dict[str, Any]) -> None:
        self.media = media

    def get_mm_inputs(self, *_: Any) -> dict[str, Any]:
        """As the plugin's."""
        return self.media


def joined(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What a plugin would make of several requests, from what it made of each."""
    import torch

    found: dict[str, Any] = {}
    for name in dict.fromkeys(name for part in parts for name in part):
        values = [part[name] for part in parts if name in part]
        whole = torch.cat(values) if torch.is_tensor(values[0]) else [one for value in values for one in value]
        found[name] = whole
    return found


def taken_by(model: Any) -> set[str]:
    """The arguments that ``generate`` passes on to a model (as transformers' ``_validate_model_kwargs`` has them)."""
    names = set(inspect.signature(model.prepare_inputs_for_generation).parameters)
    return names | set(inspect.signature(model.forward).parameters)


def seen_or_heard(name: str) -> bool:
    """Whether an argument holds pictures or sound: a model that does not take it would answer blindly."""
    return "pixel_values" in name or name.endswith("features")


def collate(encoded: Sequence[Encoded], model: Any, tools: dict[str, Any]) -> dict[str, Any]:
    """The inputs of ``generate`` for a batch.

    Args:
        encoded: The requests.
        model: The model that is to answer, without an adapter's wrapper.
        tools: ``tokenizer``, which pads on the left, so that what is generated follows the prompt, and ``processor``.

    Raises:
        ValueError: The model takes no such pictures or sound, or not so.
    """
    import torch
    from llamafactory.data import MultiModalDataCollatorForSeq2Seq

    plugin = Made(joined([one.media for one in encoded]))
    if "image_bound" in plugin.media:
        raise ValueError("LLaMA-Factory trains MiniCPM-V, but cannot ask it: see docs/families.md")
    collator = MultiModalDataCollatorForSeq2Seq(template=SimpleNamespace(mm_plugin=plugin), model=model, **tools)
    features = [{"input_ids": list(one.ids), "attention_mask": [1] * len(one.ids)} for one in encoded]
    made = dict(collator(features))
    names = taken_by(model)
    if unseen := [name for name in made if seen_or_heard(name) and name not in names]:
        raise ValueError(f"{type(model).__name__} takes no {' and no '.join(unseen)}: LLaMA-Factory cannot ask it so")
    inputs = {name: value for name, value in made.items() if name in names - {"labels", "rope_deltas"}}
    places = inputs.get("position_ids")
    if places is not None and places.dim() == 3 and len(places) == 4:
        # the collator repeats the times of frames as places in the text, which attention may read as several texts
        places[0] = (inputs["attention_mask"].cumsum(-1) - 1).clamp(min=0)
    if "use_audio_in_video" in names and getattr(tools["processor"], "use_audio_in_video", False):
        inputs["use_audio_in_video"] = True  # Qwen2.5-Omni makes its positions once more
    return {
        # not numbers about a video, such as its seconds
        name: value.to(model.dtype) if seen_or_heard(name) and torch.is_tensor(value) else value
        for name, value in inputs.items()
    }
