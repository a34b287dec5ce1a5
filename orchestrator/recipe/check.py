"""A recipe's tree against the schema, the catalogue, the tasks and the toolkits: all problems at once."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from orchestrator.benchmark.model import catalogue, models, unknown_model
from orchestrator.benchmark.task import Tasks, tasks
from orchestrator.checked_yaml.explain import Schema, in_order, locate
from orchestrator.checked_yaml.nodes import Node, at_node, find, merge, places, plain
from orchestrator.checked_yaml.section import expand_home
from orchestrator.environments.places import toolkit_names
from orchestrator.errors import InputError, Problem, unknown
from orchestrator.recipe.paths import find_files
from orchestrator.recipe.recipe import Recipe
from orchestrator.recipe.sections import Data, Resources
from orchestrator.recipe.shared import secret_problems
from orchestrator.recipe.train import Train, batch_conflict, batch_fields
from orchestrator.recipe.trust import NONE, Trust
from orchestrator.recipe.variables import variable_problems

SCHEMA = Schema(
    Recipe,
    hidden=frozenset({"source"}),
    reserved=("extends", "sweep"),
    examples={"model": "qwen2_7b", "tasks": "all", "toolkit": "NAME"},
    patterns={"name": "letters, digits and . _ - + only, for it names a folder: set `name:`, or rename the file"},
    others={"gpu": "cuda", "audio+video": "video+audio", "training": "train", "lr": "learning_rate"},
)


def validate(root: Node, path: Path, problems: list[Problem], trust: Trust = NONE) -> Recipe:
    """The recipe that a merged tree stands for; ``path`` is its file, ``problems`` are those of reading it.

    ``trust``: what the command allows of it.

    Raises:
        InputError: ``problems`` and all that is wrong with the values, in the order of the file.
    """
    file = str(path)
    root, wrong = _with_catalogue(root)
    problems += wrong
    assert isinstance(root.value, dict)
    data: dict[str, Any] = plain(root)
    data.setdefault("name", path.stem)
    _drop_empty_sections(data, Recipe)
    problems += secret_problems(root)
    if not trust.kept:
        problems += variable_problems(root, _toolkit(data), trust.variables)
    problems += find_files(data, root, path, trust)
    if "source" in data:  # a field of Recipe, but no key of a file
        del data["source"]
        problems.append(SCHEMA.unknown_key(("source",), root.value["source"].named_at))
    known = tasks(_data_root(data))
    if "tasks" in root.value:
        problems += _check_tasks(root.value["tasks"], known)
        if data["tasks"] == "all":
            problems += known.problems("mmla")
            data["tasks"] = [name for name, task in known.items() if task.benchmark == "mmla"]
    problems += _check_rows(root, known)
    try:
        # JSON mode is strict about types and still takes a list for a tuple
        recipe = Recipe.model_validate_json(json.dumps(data), strict=True)
    except ValidationError as error:
        problems += SCHEMA.explain(error, root, file)
        problems += _check_batch(data, root, file)
    if problems:
        raise InputError(in_order(problems))
    recipe = recipe.model_copy(update={"source": path})
    recipe._places = places(root)
    return recipe


def _with_catalogue(root: Node) -> tuple[Node, list[Problem]]:
    """The tree with ``model`` written out: the catalogue's entry under what the recipe says itself."""
    assert isinstance(root.value, dict)
    model = root.value.get("model")
    if model is not None and isinstance(model.value, str):
        model = Node({"name": model}, model.where, model.key_where)
    if model is None or not isinstance(model.value, dict):
        return root, []
    problems: list[Problem] = []
    own = dict(model.value)
    name = own.get("name", Node(None, model.where))
    known = models().get(name.value) if isinstance(name.value, str) else None
    entry: dict[str, Any] = {}
    if known:
        entry = known.spec()
        del own["name"]
        if _given(own, "path"):
            entry.pop("init", None)
            entry.pop("revision", None)
        elif _given(own, "init"):
            entry.pop("path", None)
    elif isinstance(name.value, str) and (lacks := _lacking(own)):
        problem, *others = unknown_model(name.value, name.where)
        if problem.hint:
            hint = f"{problem.hint} (a model outside the catalogue needs toolkit, type, and path or init)"
            problem = replace(problem, hint=hint)
        if len(own) > 1:  # more than a name: one of the user's own
            message = f"the model `{name.value}` is not in the catalogue, and lacks {', '.join(lacks)}"
            problem = replace(problem, message=message)
        problems += [problem, *others]
        # stands in for what is missing, so that only what else is wrong is reported
        entry = {"toolkit": toolkit_names()[0], "type": "MLLM"} | ({} if _given(own, "init") else {"path": "-"})
    model = merge(at_node(entry, model), Node(own, model.where, model.key_where))
    assert isinstance(model.value, dict)
    toolkit = model.value.get("toolkit")
    if toolkit and isinstance(toolkit.value, str) and toolkit.value not in toolkit_names():
        theirs = known is not None and "toolkit" not in own
        where = catalogue().place(str(name.value), "toolkit") if theirs else toolkit.where
        problems.append(unknown("toolkit", toolkit.value, toolkit_names(), where))
    return Node({**root.value, "model": model}, root.where), problems


def _toolkit(data: dict[str, Any]) -> str | None:
    model = data.get("model")
    name = model.get("toolkit") if isinstance(model, dict) else None
    return name if name in toolkit_names() else None


def _lacking(own: dict[str, Node]) -> list[str]:
    """The keys without which a mapping is no model of its own."""
    lacks = [key for key in ("toolkit", "type") if not _given(own, key)]
    return lacks + ([] if _given(own, "path") or _given(own, "init") else ["path (or init)"])


def _given(mapping: dict[str, Node], key: str) -> bool:
    return key in mapping and mapping[key].value is not None


def _drop_empty_sections(data: dict[str, Any], model: type[BaseModel]) -> None:
    """A section without a value (all its lines commented out) means its defaults."""
    for key, field in model.model_fields.items():
        section = get_origin(field.annotation) or field.annotation
        if data.get(key) is None and isinstance(section, type) and issubclass(section, dict | BaseModel):
            data.pop(key, None)
        for part in (field.annotation, *get_args(field.annotation)):
            if isinstance(part, type) and issubclass(part, BaseModel) and isinstance(data.get(key), dict):
                _drop_empty_sections(data[key], part)


def _data_root(data: dict[str, Any]) -> Path:
    """The folder of the data sets, which may bring tasks of their own."""
    section = data.get("data")
    root = section.get("root") if isinstance(section, dict) else None
    return Path(expand_home(root) if root and isinstance(root, str) else Data().root)


def _check_tasks(node: Node, known: Tasks) -> list[Problem]:
    problems = []
    seen: dict[str, str] = {}
    for item in node.value if isinstance(node.value, list) else []:
        if not isinstance(item.value, str):
            continue
        if item.value in seen:
            problems.append(Problem(f"task `{item.value}` is listed twice", item.where, "remove one"))
        elif item.value == "all":
            problems.append(Problem("unknown task `all`", item.where, "write `tasks: all`"))
        elif item.value not in known:
            problems += known.unknown(item.value, item.where)
        seen[item.value] = item.where
    return problems


def _check_rows(root: Node, known: Tasks) -> list[Problem]:
    """The task names in ``train.per_task``; which keys a row may hold is the schema's matter."""
    node, depth = find(root, ("train", "per_task"))
    if depth != 2 or not isinstance(node.value, dict):
        return []
    return [unknown("task", name, known, row.named_at) for name, row in node.value.items() if name not in known]


def _check_batch(data: dict[str, Any], root: Node, file: str) -> list[Problem]:
    """The check of ``Recipe`` that pydantic leaves out where anything else is wrong."""
    if data.get("method") == "zero_shot":
        return []
    train, resources = data.get("train") or {}, data.get("resources") or {}
    if not isinstance(train, dict) or not isinstance(resources, dict):
        return []
    rows, tasks = train.get("per_task"), data.get("tasks")
    rows = rows if isinstance(rows, dict) else {}
    names = [name for name in tasks if isinstance(name, str)] if isinstance(tasks, list) else []
    used = [name if isinstance(rows.get(name), dict) else None for name in names]
    problems = []
    for task in dict.fromkeys(used or [None]):
        own = train if task is None else train | rows[task]
        numbers = [own.get(key, Train.model_fields[key].default) for key in ("batch_size", "micro_batch_size")]
        numbers.append(resources.get("processes", Resources.model_fields["processes"].default))
        if all(type(number) is int for number in numbers) and (conflict := batch_conflict(*numbers)):
            where = locate(root, (), batch_fields(task), file)[0]
            problems.append(Problem(conflict[0], where, conflict[1]))
    return problems
