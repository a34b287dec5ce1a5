"""The hub commit that a run's model has, asked for once and kept beside the run: all of its stages use the same."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from orchestrator.errors import InputError, OrchestratorError
from orchestrator.plan import Plan
from orchestrator.recipe_model import ModelSpec
from orchestrator.store import read_json, write_json

PINS = "pins.json"
COMMIT = re.compile(r"[0-9a-f]{40}")
SECONDS = 15.0  # for the hub to answer


def pinned(plan: Plan) -> Plan:
    """The plan with its model at the commit that an earlier run pinned; stage keys hold what the recipe asks for."""
    commit = _kept(plan)
    if commit is None:
        return plan

    def at_commit(model: ModelSpec) -> ModelSpec:
        return model.model_copy(update={"revision": commit})

    jobs = tuple(
        replace(job, recipe=job.recipe.model_copy(update={"model": at_commit(job.recipe.model)})) for job in plan.jobs
    )
    return replace(plan, recipe=plan.recipe.model_copy(update={"model": at_commit(plan.recipe.model)}), jobs=jobs)


def pin(plan: Plan, say: Callable[[str], None]) -> Plan:
    """As `pinned`, but a model that was not pinned yet is looked up on the hub, or in its cache where that is offline.

    Raises:
        InputError: the hub has no such model or revision, or not for this user.
    """
    model = plan.recipe.model
    if on_hub(model) and _kept(plan) is None:
        commit = _asked(model, say)
        if commit:
            pins = read_json(plan.folder / PINS) or {}
            write_json(plan.folder / PINS, pins | {_name(model): commit})
    return pinned(plan)


def on_hub(model: ModelSpec) -> bool:
    """Whether a model is one of the hub's, neither a local folder nor hosted elsewhere."""
    return bool(model.gpus and model.path and not Path(model.path).expanduser().exists())


def _name(model: ModelSpec) -> str:
    return f"{model.path}@{model.revision or 'main'}"


def _kept(plan: Plan) -> str | None:
    model = plan.recipe.model
    if model.revision and COMMIT.fullmatch(model.revision):
        return None  # the recipe pins it
    pins = read_json(plan.folder / PINS)
    commit = pins.get(_name(model)) if isinstance(pins, dict) else None
    return commit if isinstance(commit, str) else None


def _asked(model: ModelSpec, say: Callable[[str], None]) -> str | None:
    """The commit of a model's revision; ``None`` where it cannot be known, which is said."""
    from orchestrator.hub import endpoint, explained, hub

    assert model.path is not None
    revision = model.revision or "main"
    if COMMIT.fullmatch(revision):
        return revision
    try:
        api = hub().HfApi(endpoint=endpoint())
        with explained(model.path, revision, "model"):
            found = api.model_info(model.path, revision=revision, timeout=SECONDS).sha
            return str(found) if found else None
    except InputError as error:
        if "not installed" not in str(error) and _cached(model.path, revision) is None:
            raise  # a model that is here can be used, whatever a mirror or an expired token says
        reason = str(error).split("\n")[0]
    except OrchestratorError as error:
        reason = str(error).split("\n")[0]
    cached = _cached(model.path, revision)
    if cached is None:
        say(f"the commit of {model.path} cannot be pinned: {reason}; the toolkit takes what `{revision}` is by then")
    return cached


def _cached(repository: str, revision: str) -> str | None:
    """What the hub's cache on this machine knows of a revision."""
    home = os.environ.get("HF_HOME") or "~/.cache/huggingface"
    cache = os.environ.get("HF_HUB_CACHE") or f"{home}/hub"
    file = Path(cache).expanduser() / f"models--{repository.replace('/', '--')}" / "refs" / revision
    try:
        commit = file.read_text().strip()
    except OSError:
        return None
    return commit if COMMIT.fullmatch(commit) else None
