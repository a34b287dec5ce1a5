"""How the inputs of two stages of a kind differ, in words: settings by value, digests by what they are of."""

from __future__ import annotations

import json
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from orchestrator.benchmark.model import ModelSpec, RandomInit
from orchestrator.benchmark.task import SPLITS
from orchestrator.errors import short
from orchestrator.recipe.given import given, usual
from orchestrator.recipe.sections import Inference, Select, Video
from orchestrator.recipe.train import Train

Values = Mapping[str, Any]

# what a prompt may hold of a task besides the utterance
ASKED = {
    "word": "the word for the labels",
    "labels": "the labels",
    "dataset": "the data set",
    "dimension": "the dimension",
    "language": "the language",
}
# where data files stand among the inputs
DATA = ("data", "corpus", "exclude_leaks")
# inputs that are sections of a recipe: where they stand there, and what says their defaults
_SECTIONS: Mapping[str, tuple[str, type[BaseModel] | None]] = {
    "train": ("train", Train),
    "inference": ("inference", Inference),
    "select": ("select", Select),
    "video": ("video", Video),
    "model": ("model", ModelSpec),
    "init": ("model.init", RandomInit),
    "env": ("resources.env", None),
}
# inputs that are one value of a recipe
_SETTINGS = {
    "seed": "seed",
    "limit": "data.limit",
    "split": "inference.split",
    "batch_size": "inference.batch_size",
    "modality": "data.modality",
    "protocol": "protocol",
    "system": "prompt.system",
    "history": "prompt.history",
    "thinking_tokens": "inference.max_thinking_tokens",
    "toolkit": "model.toolkit",
}
# inputs that are digests
_DIGESTS = {
    "prompt": "the prompt template",
    "deepspeed": "the DeepSpeed configuration",
    "lock": "the environment's lock",
    "form": "how the chat template writes prompts (model.thinking, a fixed date)",
    "media": "what stands for the video in a prompt",
}
# inputs that are versions of rules
_RULES = {
    "conversion": "how training files are written",
    "layout": "the layout of the release's training files",
    "entry": "what is kept of a score",
    "parser": "how answers are read",
    "metrics": "the metrics",
}
_PROGRAMS = {"init": "making a model", "train": "training", "merge": "merging"}
# used by some stages only where another setting asks for them: that one is told
_FOLLOWS = ("seed", "batch_size")
# which stage it is, and what `why.py` tells
_ASIDE = ("stage", "keys", "needs")
_MOST_NAMED, _MOST_CHARACTERS = 3, 50


def differences(then: Values, now: Values) -> list[str]:
    """What differs between the inputs of two stages of one kind, as ``train.learning_rate 0.0001 -> 5e-05``."""
    names = [name for name in dict.fromkeys((*now, *then)) if then.get(name) != now.get(name) and name not in _ASIDE]
    if now.get("stage") == "select" and "select" in names:
        names = ["select"]  # whether it reads answers on dev follows from its strategy
    return [text for name in names for text in _told(name, then, now)]


def _told(name: str, then: Values, now: Values) -> Iterator[str]:
    old, new = then.get(name), now.get(name)
    if name in DATA:
        if name == "exclude_leaks" and not (old and new):
            yield _from_to("it.exclude_leaks", _leaks(then), _leaks(now))
        else:
            splits = {then.get("split"), now.get("split")}
            # where another split is asked for, that is told
            yield from data_differences(old, new, splits=SPLITS if len(splits) == 1 else ())
    elif name in _SECTIONS:
        yield from _values(*_SECTIONS[name], old or {}, new or {})
    elif name == "drawn":
        yield from _draws(old, new) if "limit" in then and "limit" in now else ()  # else the limit is told
    elif name == "same_text":
        yield from _same_text(then, now) if then.get("exclude_leaks") and now.get("exclude_leaks") else ()
    elif name in _SETTINGS:
        if not (name in _FOLLOWS and None in (old, new)):
            yield _from_to(_SETTINGS[name], old, new)
    elif name == "programs":
        yield f"the orchestrator's programs for {_PROGRAMS.get(str(now.get('stage')), 'inference')}"
    elif name == "weights":
        yield from _weights(old or {}, new or {})
    elif name == "labels":
        before = old or {}
        yield from (f"the labels of {task}" for task, labels in (new or {}).items() if before.get(task) != labels)
    elif name in _RULES:
        yield f"{_RULES[name]} (version {old} -> {new})"
    else:
        yield _DIGESTS.get(name, name)


def data_differences(then: Any, now: Any, *, splits: Sequence[str] = SPLITS, rows_only: bool = False) -> Iterator[str]:
    """What differs in the ``splits`` of two lists of data files (`keys.Inputs`); with ``rows_only`` in their rows."""
    before = {entry["task"]: entry for entry in then or ()}
    after = {entry["task"]: entry for entry in now or ()}
    yield from (f"the task {task} is new" for task in after if task not in before)
    yield from (f"the task {task} is left out" for task in before if task not in after)
    for task, new in after.items():
        old = before.get(task, new)
        for split in splits:
            if old.get(split) != new.get(split):
                yield f"the {split} data of {task}"
            elif old.get(f"{split}_videos") != new.get(f"{split}_videos") and not rows_only:
                yield f"the videos of {task}'s {split} data"
        if rows_only:
            continue
        for name, what in {**ASKED, "columns": "data.columns"}.items():
            if old.get(name) != new.get(name):
                yield f"{what} of {task}"
        if old.get("on_bad_video") != new.get("on_bad_video"):
            yield _from_to("data.on_bad_video", old.get("on_bad_video", "fail"), new.get("on_bad_video", "fail"))


def _values(place: str, section: type[BaseModel] | None, then: Values, now: Values) -> Iterator[str]:
    """The settings that differ, by their dotted name; what was left out was at its default."""
    for name in dict.fromkeys((*now, *then)):
        default = usual(section, name) if section and name in section.model_fields else ...
        left_out = given(default) if isinstance(default, BaseModel) else default
        old, new = then.get(name, left_out), now.get(name, left_out)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from _values(f"{place}.{name}", _within(section, name), old, new)
        elif old != new:
            given_null = ... in (old, new) and None in (old, new)  # a toolkit's own option, set to nothing
            yield f"{place}.{name}" if given_null else _from_to(f"{place}.{name}", old, new)


def _leaks(inputs: Values) -> bool | str:
    """What `it.exclude_leaks` was."""
    return "text" if inputs.get("same_text") else bool(inputs.get("exclude_leaks"))


def _same_text(then: Values, now: Values) -> Iterator[str]:
    """What differs in which texts count as leaks."""
    if _leaks(then) != _leaks(now):
        yield _from_to("it.exclude_leaks", _leaks(then), _leaks(now))
        return
    old, new = then["same_text"], now["same_text"]
    yield from (_from_to(f"it.leak_{name}", old.get(name), new.get(name)) for name in ("words", "characters")
                if old.get(name) != new.get(name))  # fmt: skip
    if old.get("version") != new.get("version"):
        yield "which texts count as the same"


def _draws(then: Values | None, now: Values | None) -> Iterator[str]:
    """What differs in how a limit draws its samples; before it drew any it took the first rows."""
    old, new = then or {}, now or {}
    if old.get("version") != new.get("version"):
        yield "how data.limit chooses its samples"
    elif old.get("seed") != new.get("seed"):
        yield _from_to("data.limit_seed", old.get("seed"), new.get("seed"))


def _within(section: type[BaseModel] | None, name: str) -> type[BaseModel] | None:
    """What a field of a section holds, where that is a section, too."""
    kind = section.model_fields[name].annotation if section and name in section.model_fields else None
    kinds = (kind, *typing.get_args(kind))
    return next((one for one in kinds if isinstance(one, type) and issubclass(one, BaseModel)), None)


def _weights(then: Values, now: Values) -> Iterator[str]:
    """What differs in two of `identity.of_model`."""
    if {"file", "files"} & {*then, *now}:
        old, new = then.get("files", {}), now.get("files", {})
        names = [name for name in sorted({*old, *new}) if old.get(name) != new.get(name)]
        more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
        both = bool(old and new and names)
        if both or then.get("file") != now.get("file") or bool(old) != bool(new):
            yield "the model's files" + (f" ({', '.join(names[:_MOST_NAMED])}{more})" if both else "")
    else:
        yield from (_from_to(f"model.{name}", then.get(name), now.get(name)) for name in ("path", "revision")
                    if then.get(name) != now.get(name))  # fmt: skip
    old, new = then.get("parts", {}), now.get("parts", {})
    yield from (f"model.parts.{role}" for role in sorted({*old, *new}) if old.get(role) != new.get(role))


def _from_to(place: str, old: Any, new: Any) -> str:
    before, after = _shown(old), _shown(new)
    if before == after:
        return f"{place} (both begin with {before})"
    return f"{place} {before} -> {after}"


def _shown(value: Any) -> str:
    if value is None or value is ...:
        return "(none)"
    if not isinstance(value, str):
        return short(json.dumps(value, ensure_ascii=False), _MOST_CHARACTERS)
    text = short(value, _MOST_CHARACTERS)
    return text if value and not any(char.isspace() for char in value) else f'"{text}"'
