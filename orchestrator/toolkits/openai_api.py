"""Models behind an OpenAI-compatible chat-completions API, such as GPT-4o: they answer, nothing is trained here."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any, NoReturn

from orchestrator.errors import InputError
from orchestrator.recipe.recipe import Recipe
from orchestrator.toolkits._common import TrainerToolkit
from orchestrator.toolkits.base import Command

KEY, URL = "OPENAI_API_KEY", "OPENAI_BASE_URL"
# under debug, the client prints every picture of every request
UNSET = ("OPENAI_LOG",)
# the runner's own settings, which change no answer, and how they are written
SETTINGS = {"MMLA_API_TIMEOUT_SECONDS": r"0*[1-9]\d*(\.\d+)?|0*\.\d*[1-9]\d*", "MMLA_API_RETRIES": r"\d+"}
TRAINS_NOTHING = "openai_api only asks a hosted model, it trains nothing and has no training format"


def _refuse(*_: object, **__: object) -> NoReturn:
    """Stands for every method of the protocol that has to do with training.

    Raises:
        InputError: always.
    """
    hint = "use method: zero_shot, or a model of another toolkit (`ls models`)"
    raise InputError(TRAINS_NOTHING, hint=hint)


class OpenAIApi(TrainerToolkit):
    """A server that speaks the chat-completions protocol; zero_shot only."""

    name = "openai_api"
    history = True
    suffix = ".jsonl"

    def problems(self, recipe: Recipe) -> list[str]:
        """See `Toolkit.problems`. Asked when something is to be launched, so the key must be there."""
        model = recipe.model
        found = []
        if recipe.method != "zero_shot":
            found.append(f"{TRAINS_NOTHING}: write method: zero_shot instead of {recipe.method}")
        if model.init:
            found.append("model.init: a server has its models; set model.path to the name it knows, e.g. gpt-4o")
        if model.revision:
            found.append("model.revision: a server has none; name a dated model in model.path: gpt-4o-2024-08-06")
        if model.gpus:
            found.append("model.gpus: the model is hosted; set it to 0, lest the run holds GPUs that it does not use")
        return found + _environment_problems(recipe.resources.env)

    def infer(self, recipe: Recipe, config: Mapping[str, Any]) -> Command:
        """See `Toolkit.infer`. The key is in neither: the process inherits it from the shell."""
        env = {"PYTHONUNBUFFERED": "1"} | dict(recipe.resources.env)
        # never taken for a folder that happens to have the model's name
        return self._runner("openai_api.py", {**config, "model": recipe.model.path}, env, UNSET)

    write_examples = dataset_files = init_model = train = merge = train_progress = train_problems = _refuse


def _environment_problems(own: Mapping[str, str]) -> list[str]:
    """What is wrong with the shell's environment and the recipe's own part of it, `resources.env`."""
    found = [
        f"resources.env.{name}: may hold or show secrets; export it in the shell"
        for name in ("OPENAI_CUSTOM_HEADERS", *UNSET)
        if name in own
    ]
    url, key = {**os.environ, **own}.get(URL, ""), os.environ.get(KEY, "").strip()
    if not key and not url:
        found.append(
            f"{KEY} is not set: type `export {KEY}=...` in the shell, never in a recipe; "
            f"a local server without keys needs only `export {URL}=http://localhost:8000/v1`"
        )
    if not (key.isascii() and key.isprintable()):
        found.append(f"{KEY} holds characters that no key has: copy it again")
    if url and not re.match(r"https?://[^/\s]", url):
        found.append(f"{URL} is no address: it looks like https://api.openai.com/v1")
    if re.match(r"[^/]*//[^/]*@", own.get(URL, "")):
        found.append(f"resources.env.{URL}: holds a password, and recipes are shared; export it in the shell")
    for name, form in SETTINGS.items():
        if not re.fullmatch(form, {**os.environ, **own}.get(name) or "1"):
            found.append(f"{name} must be a number, e.g. 10")
    return found


TOOLKIT = OpenAIApi()
