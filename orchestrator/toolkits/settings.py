"""What may be wrong with settings that several toolkits have in common."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from orchestrator.environments.environment import Environment
from orchestrator.errors import did_you_mean, hidden_hint
from orchestrator.machine.files import read_json
from orchestrator.recipe.recipe import Recipe
from orchestrator.recipe.train import Train
from orchestrator.toolkits.deepspeed import configuration_problems
from orchestrator.toolkits.options import misread, option_problems, value_problems
from orchestrator.toolkits.reporting import reporting_problems
from orchestrator.toolkits.whole import weights_problems

# the schedules of transformers; the latter need numbers of their own
SCHEDULERS = (
    "linear",
    "cosine",
    "cosine_with_restarts",
    "polynomial",
    "constant",
    "constant_with_warmup",
    "inverse_sqrt",
)
WITH_NUMBERS = ("cosine_with_min_lr", "cosine_warmup_with_min_lr", "warmup_stable_decay")


def attention_problems(recipe: Recipe, environment: Environment, release: str = "flash-attn") -> list[str]:
    """What is wrong with ``model.attention``: flash-attn is in no environment, as it is built for the GPUs at hand."""
    wanted = recipe.model.attention == "flash_attention_2"
    if not wanted or any(environment.venv.glob("lib/python*/site-packages/flash_attn")):
        return []
    python = environment.python
    return [
        "model.attention: flash_attention_2 needs a package that is built on a machine with GPUs: "
        f"env build {environment.name}, then uv pip install --python {python} --no-build-isolation {release} "
        "(sdpa is as exact, and built in)"
    ]


def template_problems(name: str, known: Sequence[str], what: str = "chat template") -> list[str]:
    """What is wrong with the name in ``model.template`` of a ``what``; nothing is, where none are known."""
    if not known or name in known:
        return []
    names = ", ".join(known) if len(known) < 10 else "those in offers.yaml of the toolkit's folder in third_party"
    near = hidden_hint(name) or did_you_mean(name, known) or f"known: {names}"
    return [f"model.template: the toolkit knows no {what} `{name}`; {near}"]


def parts_problems(parts: Mapping[str, str], roles: Sequence[str], toolkit: str) -> list[str]:
    """What is wrong with ``model.parts``, of which a toolkit knows those of some ``roles``; each is a model's folder.

    A projector is none, but a file of whichever name: that it is there is looked at, no more.
    """
    knows = f"knows of {', '.join(roles)} only" if roles else "takes no parts: leave it out"
    found = [f"model.parts.{role}: {toolkit} {knows}" for role in sorted(parts.keys() - set(roles))]
    for role in (role for role in roles if role in parts):
        path = Path(parts[role]).expanduser()
        if parts[role].startswith(("/", "./", "../", "~")) and not path.exists():
            found.append(f"model.parts.{role}: there is no {path}")
        elif role != "projector" and path.is_dir() and not (path / "config.json").is_file():
            found.append(f"model.parts.{role}: no config.json in {path}")
        elif role != "projector" and path.is_dir():
            found += [f"model.parts.{role}: {one} ({path}): get it again" for one in weights_problems(path)]
    return found


def training_problems(recipe: Recipe, owned: Collection[str], environment: Environment, toolkit: Path) -> list[str]:
    """What is wrong with `train.scheduler`, `train.extra`, `train.deepspeed` and `train.report_to`.

    Args:
        recipe: what is to run; of one that trains nothing, nothing is wrong.
        owned: the options that the orchestrator sets itself.
        environment: the toolkit's.
        toolkit: the folder with the toolkit's ``options.yaml``.
    """
    train = recipe.train
    if train is None:
        return []
    found = reporting_problems(train.report_to, environment)
    if train.deepspeed:
        found += environment.missing_needs()
        found += _deepspeed_problems(train.deepspeed, environment)
    found += _scheduler_problems(train)
    return [*found, *value_problems(recipe), *option_problems(recipe, toolkit, owned)]


def _scheduler_problems(train: Train) -> list[str]:
    """What is wrong with the name of the schedule, which a training would find out at its start."""
    name, numbers = train.scheduler, "lr_scheduler_kwargs" in train.extra
    if name in WITH_NUMBERS and not numbers:
        return [f"train.scheduler: `{name}` needs numbers: add train.extra: {{lr_scheduler_kwargs: {{...}}}}"]
    known = (*SCHEDULERS, *WITH_NUMBERS) if numbers else SCHEDULERS
    if name in known or misread(name):
        return []
    near = did_you_mean(name, known) or f"known: {', '.join(known)}"
    return [f"train.scheduler: there is no schedule `{name}`; {near}"]


def _deepspeed_problems(name: str, environment: Environment) -> list[str]:
    """What is wrong with the configuration of DeepSpeed that a recipe names, or brings."""
    file = environment.deepspeed_file(name)
    known = sorted(environment.folder.glob("deepspeed/*.json"))
    if file is None:
        names = [one.stem for one in known]
        near = did_you_mean(Path(name).stem, names)
        of = f"`{name}` is neither a file nor one of the configurations {', '.join(names)}"
        return [f"train.deepspeed: {of}" + (f"; {near}" if near else "")]
    config = read_json(file)
    if not isinstance(config, dict):
        return [f"train.deepspeed: {file} holds no JSON object, as a configuration of DeepSpeed is one"]
    if file in [one.resolve() for one in known]:
        return []
    return [f"train.deepspeed: {problem} ({file})" for problem in configuration_problems(config)]
