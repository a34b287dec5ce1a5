"""The hub commits of a run's weights, asked for once and kept beside the run: all of its stages use the same."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from orchestrator.benchmark.model import ModelSpec
from orchestrator.errors import InputError, OrchestratorError
from orchestrator.inside import hub_pins
from orchestrator.machine.files import read_json, write_json
from orchestrator.machine.locks import updating
from orchestrator.machine.meter import Meter
from orchestrator.plan.plan import Plan
from orchestrator.recipe.recipe import Recipe
from orchestrator.toolkits.base import Say

PINS = "pins.json"
PINNED = "MMLA_HUB_PINS"
COMMIT = re.compile(r"[0-9a-f]{40}")
SECONDS = 15.0  # for the hub to answer


def pinned(plan: Plan) -> Plan:
    """The plan with its weights at the commits that an earlier run pinned; stage keys hold what the recipe asks for.

    The model itself gets its ``revision``. Its parts, which toolkits load by name alone, go into the environment
    variable `PINNED` of their processes, where ``inside/hub_pins.py`` reads them.
    """
    kept = _kept(plan)
    model = plan.recipe.model
    revision = kept.get(_name(model.path, model.revision), model.revision) if model.path else model.revision
    parts = {part: kept[_name(part, None)] for part in _parts(plan.recipe) if _name(part, None) in kept}
    env = {PINNED: ",".join(f"{part}={commit}" for part, commit in parts.items())} if parts else {}
    if revision == model.revision and not env:
        return plan

    def at_commits(recipe: Recipe) -> Recipe:
        return recipe.model_copy(
            update={
                "model": recipe.model.model_copy(update={"revision": revision}),
                "resources": recipe.resources.model_copy(update={"env": recipe.resources.env | env}),
            }
        )

    jobs = tuple(replace(job, recipe=at_commits(job.recipe)) for job in plan.jobs)
    return replace(plan, recipe=at_commits(plan.recipe), jobs=jobs)


def pin(plan: Plan, say: Say) -> Plan:
    """As `pinned`, but weights not pinned yet are looked up on the hub, or in its cache where that is offline.

    Raises:
        InputError: the hub has no such model or revision, or not for this user.
    """
    model = plan.recipe.model
    wanted: list[tuple[str, str | None]] = [(part, None) for part in _parts(plan.recipe)]
    if model.path and on_hub(model) and not (model.revision and COMMIT.fullmatch(model.revision)):
        wanted.append((model.path, model.revision))
    if wanted and _is_damaged(plan):
        say(f"{plan.folder / PINS} is damaged: what it lacks is asked for again, and may be another commit by now")
    for repository, revision in wanted:
        name = _name(repository, revision)
        if name not in _kept(plan) and (commit := _asked(repository, revision or "main", say)):
            with updating(plan.folder / PINS):  # of several that asked at once the first one's answer counts for all
                write_json(plan.folder / PINS, {name: commit} | _kept(plan))
    return pinned(plan)


def repositories(plan: Plan) -> list[tuple[str, str | None]]:
    """The hub's repositories that a plan's programs load, each with its commit or, where none is pinned, its revision.

    Args:
        plan: as `pin` or `pinned` gives it.
    """
    kept, model = _kept(plan), plan.recipe.model
    own = [(model.path, model.revision)] if model.path and on_hub(model) else []
    return [*own, *((part, kept.get(_name(part, None))) for part in _parts(plan.recipe))]


def on_hub(model: ModelSpec) -> bool:
    """Whether a model is one of the hub's, neither a local folder nor hosted elsewhere."""
    return bool(model.gpus and model.path and not Path(model.path).expanduser().exists())


def _parts(recipe: Recipe) -> list[str]:
    """The hub's repositories among the parts that are loaded; a part may name a file in one."""
    parts = recipe.model.parts
    # the others are what fine-tuning starts from
    used = parts.values() if recipe.train else [parts[role] for role in parts if role == "vision_tower"]
    there = [part for part in used if not Path(part).expanduser().exists()]
    return sorted({"/".join(part.split("/")[:2]) for part in there if part.count("/") and part[0] not in "/.~"})


def _name(repository: str, revision: str | None) -> str:
    return f"{repository}@{revision or 'main'}"


def _kept(plan: Plan) -> dict[str, str]:
    """What is pinned: whatever else a damaged file holds is as good as nothing."""
    pins = read_json(plan.folder / PINS)
    found = pins.items() if isinstance(pins, dict) else ()
    return {name: commit for name, commit in found if isinstance(commit, str) and COMMIT.fullmatch(commit)}


def _is_damaged(plan: Plan) -> bool:
    file = plan.folder / PINS
    pins = read_json(file)
    return file.exists() and not (isinstance(pins, dict) and len(pins) == len(_kept(plan)))


def _asked(repository: str, revision: str, say: Say) -> str | None:
    """The commit of a model's revision; ``None`` where it cannot be known, which is said."""
    from orchestrator.machine.hub import endpoint, errors_explained, hub, tell_token

    tell_token(say)
    try:
        api = hub().HfApi(endpoint=endpoint())
        with errors_explained(repository, revision, "model"), Meter(f"asking the hub for {repository}"):
            found = api.model_info(repository, revision=revision, timeout=SECONDS).sha
            return str(found) if found else None
    except InputError as error:
        if "not installed" not in str(error) and _cached(repository, revision) is None:
            raise  # a model that is here can be used, whatever a mirror or an expired token says
        reason = str(error).split("\n")[0]
    except OrchestratorError as error:
        reason = str(error).split("\n")[0]
    cached = _cached(repository, revision)
    if cached is None:
        say(f"the commit of {repository} cannot be pinned: {reason}; the toolkit takes what `{revision}` is by then")
    return cached


def _cached(repository: str, revision: str) -> str | None:
    """What the hub's cache on this machine knows of a revision."""
    commit = hub_pins.cached_commit(repository, revision)
    return commit if commit and COMMIT.fullmatch(commit) else None
