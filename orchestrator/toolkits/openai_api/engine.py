"""Answers of a server that speaks the chat-completions protocol."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from orchestrator.recipe.recipe import Recipe
from orchestrator.toolkits.base import Command
from orchestrator.toolkits.programs import Programs, sources_of

KEY, URL = "OPENAI_API_KEY", "OPENAI_BASE_URL"
# under debug, the client prints every picture of every request
UNSET = ("OPENAI_LOG",)
# of the programs: those that an answer depends on
DECISIVE = ("question", "reply")
# the runner's own settings, which change no answer, and how they are written
SETTINGS = {"MMLA_API_TIMEOUT_SECONDS": r"0*[1-9]\d*(\.\d+)?|0*\.\d*[1-9]\d*", "MMLA_API_RETRIES": r"\d+"}


class Engine(Programs):
    """A server that speaks the chat-completions protocol."""

    inside = Path(__file__).parent / "inside"
    starts: Mapping[str, str] = {"infer": "infer"}
    unset = UNSET
    history = True
    generator = "chat completions"

    def problems(self, recipe: Recipe) -> list[str]:
        """See `Part.problems`. Asked when something is to be launched, so the key must be there."""
        model = recipe.model
        found = []
        if model.revision:
            found.append("model.revision: a server has none; name a dated model in model.path: gpt-4o-2024-08-06")
        if model.gpus:
            found.append("model.gpus: the model is hosted; set it to 0, lest the run holds GPUs that it does not use")
        if (recipe.resources.inference_processes or 1) > 1:
            found.append(
                "resources.inference_processes: one process asks as many at once as inference.batch_size says: "
                "remove it, and raise that"
            )
        if recipe.inference.max_cost is not None and model.prices is None:
            found.append(
                "inference.max_cost: what this model's tokens cost is not known: "
                "set model.prices, e.g. {input: 2.5, output: 10}, in USD for a million tokens"
            )
        return found + _environment_problems(recipe.resources.env)

    def infer(self, recipe: Recipe, config: Mapping[str, Any]) -> Command:
        """See `Engine.infer`. The key is in neither: the process inherits it from the shell."""
        env = {"PYTHONUNBUFFERED": "1"} | dict(recipe.resources.env)
        prices, limits = recipe.model.prices, recipe.inference
        more = {
            "model": recipe.model.path,  # never taken for a folder that happens to have the model's name
            "prices": prices.model_dump(mode="json") if prices else None,
            "max_cost": limits.max_cost,
            "max_requests": limits.max_requests,
        }
        return self.configured("infer", {**config, **more}, env)

    def sources(self, kind: str) -> Sequence[Path]:
        """See `Part.sources`: what is asked and how answers are read.

        Not how requests are sent: a change of that is no reason to pay for all answers again.
        """
        return sources_of(*(self.inside / f"{name}.py" for name in DECISIVE)) if kind in self.starts else ()

    def weights_problems(self, folder: Path) -> Sequence[str]:  # noqa: ARG002
        """See `Engine.weights_problems`: no weights are here."""
        return ()


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
    for name, form in SETTINGS.items():
        if not re.fullmatch(form, {**os.environ, **own}.get(name) or "1"):
            found.append(f"{name} must be a number, e.g. 10")
    return found
