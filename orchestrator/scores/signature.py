"""What makes two scores comparable."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from orchestrator.benchmark.task import Task
from orchestrator.data.samples import Sample
from orchestrator.machine.files import digest
from orchestrator.prompts import examples
from orchestrator.recipe.recipe import Recipe
from orchestrator.scores import answers


def signature(recipe: Recipe, task: Task, utterances: str, n: int, bad: str = "", prompt: str = "") -> str:
    """What makes two scores comparable, after sacreBLEU's signature: equal signatures, comparable scores.

    Args:
        recipe: how it was asked.
        task: what was asked for.
        utterances: `utterances_digest` of the samples that were scored.
        n: how many these were.
        bad: `BadVideos.summary` of them.
        prompt: `prompt_label` of what was asked; empty: as the template is now.

    Raises:
        InputError: the prompt template does not exist or is none.
    """
    parts: dict[str, Any] = {
        "data": utterances,
        "split": recipe.inference.split,
        "n": n,
        "prompt": (prompt or prompt_label(recipe, task)).rpartition("@")[2],
        "labels": digest(task.labels)[:8],
        "decoding": decoding(recipe),
        "frames": f"{recipe.video.frames}x{recipe.video.max_pixels}" if recipe.modality == "video" else 0,
        "parser": answers.PARSER_VERSION,
    }
    if env := recipe.resources.decisive_env:
        parts["env"] = digest(env)[:8]
    if bad:
        parts["bad_videos"] = bad
    return "|".join(f"{name}:{value}" for name, value in parts.items())


def prompt_label(recipe: Recipe, task: Task) -> str:
    """The template's name and the start of `prompt_digest`: ``mmla/text.j2@1a2b3c4d``."""
    name = examples.wording_of(recipe, task, recipe.inference.split).name
    return f"{name}@{prompt_digest(recipe, task)[:8]}"


def prompt_digest(recipe: Recipe, task: Task) -> str:
    """A hash of what is asked besides the utterance: the prompt template, the system message, earlier turns."""
    wording, prompt = examples.wording_of(recipe, task, recipe.inference.split), recipe.prompt
    parts: list[Any] = [wording.prompt.digest, prompt.system]
    if prompt.history:
        parts.append(prompt.history)
    if recipe.released:
        parts.append([recipe.protocol, *wording.identity, recipe.released.media])
    return digest(parts)


def decoding(recipe: Recipe) -> str:
    """How answers were decoded, e.g. ``greedy,max=32``, ``t=0.6,p=0.9,max=32`` or ``labels,sum``."""
    inference = recipe.inference
    if inference.answers == "labels":
        return f"labels,{inference.label_score}"
    how = "greedy" if inference.temperature == 0 else f"t={inference.temperature:g},p={inference.top_p:g}"
    return f"{how},max={inference.max_new_tokens}"


def utterances_digest(samples: Iterable[Sample]) -> str:
    """A hash (8 hex digits) of samples, in whichever file, form and order they came."""
    return digest(sorted((sample.id, sample.text, sample.label) for sample in samples))[:8]
