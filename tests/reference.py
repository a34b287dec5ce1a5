"""The reference pages: keys of recipes, commands, columns, known failures; made from the code.

``make reference`` writes them; a test compares them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import typer
import yaml

from orchestrator.cli.app import app
from orchestrator.recipe.schema import recipe_schema
from orchestrator.scores.results import COLUMNS
from tests.shared import ROOT

FOLDER = ROOT / "docs" / "reference"
MADE = "<!-- Made from the code by `make reference`: do not edit. -->\n\n"
Rule = Mapping[str, Any]


def recipe_keys() -> str:
    """Every key that a recipe may hold."""
    schema = recipe_schema(Path("none"))
    rows = [row for key, rule in schema["properties"].items() for row in _key_rows(key, rule, schema["$defs"])]
    head = "`show RECIPE` prints a recipe with all of them; [recipes.md](../recipes.md) says how they work together."
    return f"# Keys of a recipe\n\n{head}\n\n{_table(('key', 'values', 'default', 'meaning'), rows)}"


def _key_rows(path: str, rule: Rule, sections: Mapping[str, Rule]) -> Iterator[tuple[str, ...]]:
    choices = [one for one in rule.get("anyOf", [rule]) if one.get("type") != "null"]
    held = next((sections[one["$ref"].rsplit("/", 1)[-1]] for one in choices if "$ref" in one), {})
    values = " or ".join(filter(None, map(_values, choices)))
    default = rule.get("default")
    shown = (
        "" if default in (None, "", {}, []) else f"`{str(default).lower() if default in (True, False) else default}`"
    )
    yield f"`{path}`", values, shown, str(rule.get("description", ""))
    if path == "train.per_task":  # a row of the same keys for each task
        return
    for key, below in held.get("properties", {}).items():
        yield from _key_rows(f"{path}.{key}", below, sections)


def _values(rule: Rule) -> str:
    if "enum" in rule:
        shown = [f"`{one}`" for one in rule["enum"]]
        return ", ".join(shown) if len(shown) <= 6 else f"{', '.join(shown[:3])}, ..."
    if "const" in rule:
        return f"`{rule['const']}`"
    names = {"string": "text", "integer": "integer", "number": "number", "boolean": "`true`, `false`", "array": "list",
             "object": "mapping"}  # fmt: skip
    kind = rule.get("type", "")
    bounds = [f"{sign} {rule[name]}" for name, sign in BOUNDS.items() if name in rule]
    return " ".join([names.get(kind, "") if isinstance(kind, str) else "mapping", *bounds]).strip()


BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}


def commands() -> str:
    """Every command with its arguments and options."""
    group = typer.main.get_command(app)
    parts = [
        "# Commands\n\n`python -m orchestrator COMMAND`, or `orchestrator COMMAND` where `.venv/bin` is on the PATH.\n"
    ]
    parts += [_command(name, command) for name, command in _commands(group, "")]
    return "\n".join(parts)


def _commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    if hasattr(command, "commands"):
        for word, below in command.commands.items():
            yield from _commands(below, f"{name} {word}".strip())
    else:
        yield name, command


def _command(name: str, command: Any) -> str:
    rows = [(_spelled(one), one.help or "") for one in command.params if not getattr(one, "hidden", False)]
    return f"## `{name}`\n\n{_prose(command.help)}\n\n{_table(('argument, option', 'meaning'), rows)}"


def _spelled(parameter: Any) -> str:
    word = parameter.metavar or parameter.opts[0].strip("-").rpartition("-")[2].upper()
    if parameter.param_type_name == "argument":
        return f"`{word}`"
    return f"`{', '.join(parameter.opts)}{'' if parameter.is_flag else f' {word}'}`"


def _prose(text: str) -> str:
    """A command's help; its examples are code."""
    found = []
    for part in text.strip().split("\n\n"):
        line = " ".join(part.split())
        before, colon, example = line.partition(": python -m orchestrator ")
        found.append(f"{before}:\n\n    python -m orchestrator {example}" if colon else line.replace("<", "&lt;"))
    return "\n\n".join(found)


def columns() -> str:
    """Every column of the results."""
    head = (
        "Of `results/<recipe>.csv`, in the file's order. Rates and scores are percent with two decimals; an empty cell "
        "is not known. [results.md](../results.md) says how they are made."
    )
    rows = [(f"`{name}`", meaning) for name, meaning in COLUMNS.items()]
    return f"# Columns of the results\n\n{head}\n\n{_table(('column', 'meaning'), rows)}"


def failures() -> str:
    """What is looked for in a toolkit's log, and the advice."""
    head = (
        "What is looked for in the log of a stage that failed (regular expressions, letter case ignored; the first "
        "that fits counts), and what the message says then."
    )
    parts = [f"# Known failures\n\n{head}\n"]
    files = [*sorted(ROOT.glob("orchestrator/toolkits/*/failures.yaml")), ROOT / "orchestrator/launch/failures.yaml"]
    for path in files:
        name = "Any toolkit" if path.parent.name == "launch" else f"`{path.parent.name}`"
        rows = [(_code(one["log"]), one["advice"]) for one in yaml.safe_load(path.read_text(encoding="utf-8"))]
        parts.append(f"## {name}\n\n{_table(('in the log', 'what to do'), rows)}")
    return "\n".join(parts)


def _code(text: str) -> str:
    fence = "``" if "`" in text else "`"
    return f"{fence}{text}{fence}"


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    if not rows:
        return ""
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(map(_cell, line))} |\n" for line in lines)


def _cell(text: str) -> str:
    """A text as it is to be read: outside of code ``<dataset>`` would be an HTML tag, which nobody sees."""
    return re.sub(r"(`+)(.+?)\1|<(?=[A-Za-z/!?])", lambda found: found[0] if found[1] else "&lt;", text).replace(
        "|", "\\|"
    )


PAGES: dict[str, Callable[[], str]] = {
    "recipe-keys.md": recipe_keys,
    "commands.md": commands,
    "columns.md": columns,
    "failures.md": failures,
}

if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        (FOLDER / name).write_text(MADE + page().rstrip() + "\n", encoding="utf-8")
