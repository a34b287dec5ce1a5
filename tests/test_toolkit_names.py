"""A toolkit is named in its own folder, in the catalogue and in recipes: everywhere else the code knows none.

Looked at are identifiers, strings, the keys and values of YAML files, templates, and the names of all files; docstrings
and comments may name any.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from orchestrator.environments.places import toolkit_names
from tests.shared import ROOT

# models by their published names, each with its toolkit
CATALOGUE = ("orchestrator/benchmark/models.yaml", "orchestrator/benchmark/published.yaml")
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def words_of_python(text: str) -> Iterator[tuple[int, str]]:
    """The identifiers and strings of a program, with their lines."""
    tree = ast.parse(text)
    docs = {id(node.body[0].value) for node in ast.walk(tree) if isinstance(node, DOCUMENTED) and node.body
            and isinstance(node.body[0], ast.Expr)}  # fmt: skip
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes) and id(node) not in docs:
            yield line, node.value if isinstance(node.value, str) else node.value.decode("latin-1")
        for field in ("id", "attr", "name", "arg", "asname", "module", "rest"):
            if isinstance(value := getattr(node, field, None), str):
                yield line, value
        for value in getattr(node, "names", ()) if isinstance(node, ast.Global | ast.Nonlocal) else ():
            yield line, value


def words_of_yaml(text: str) -> Iterator[tuple[int, str]]:
    """The keys and values of a YAML file, with their lines."""
    for event in yaml.parse(text):
        for field in ("value", "anchor", "tag"):
            if isinstance(value := getattr(event, field, None), str):
                yield event.start_mark.line + 1, value


def words_of_template(text: str) -> Iterator[tuple[int, str]]:
    """The lines of a Jinja file, without its comments."""
    plain = re.sub(r"\{#.*?#\}", lambda comment: "\n" * comment[0].count("\n"), text, flags=re.DOTALL)
    yield from enumerate(plain.splitlines(), 1)


READERS = {".py": words_of_python, ".yaml": words_of_yaml, ".j2": words_of_template}


def offenders(root: Path, names: list[str]) -> list[str]:
    """Where a toolkit is named that is not at home there."""
    found = []
    files = [
        file for room in ("orchestrator", "prompts") for file in sorted((root / room).rglob("*")) if file.is_file()
    ]
    for file in files:
        path = str(file.relative_to(root))
        foreign = [name for name in names if not path.startswith(f"orchestrator/toolkits/{name}/")]
        if path in CATALOGUE or "__pycache__" in path:
            continue
        read = READERS.get(file.suffix, lambda text: enumerate(text.splitlines(), 1))
        for line, word in [(0, path), *read(file.read_text())]:
            plain = re.sub(r"[^a-z0-9]", "", word.lower())
            found += [f"{path}:{line}: {name}" for name in foreign if name.replace("_", "") in plain]
    return sorted(set(found))


def test_toolkits_are_named_at_home_alone() -> None:
    assert len(toolkit_names()) == 5
    assert offenders(ROOT, toolkit_names()) == []


@pytest.mark.parametrize(
    ("file", "text", "line"),
    [
        ("plan/keys.py", '"""Docstrings may say llamafactory."""\nx = "LLaMA-Factory"\n', 2),
        ("plan/keys.py", "def run():\n    '''as llava_next'''\n    llava_next = 1\n", 3),
        ("plan/keys.py", "import orchestrator.toolkits.swift.engine\n", 1),
        ("plan/keys.py", "# ms-swift\nf(ms_swift=1)\n", 2),
        ("plan/keys.py", 'x = f"{1} for video_llama2"\n', 1),
        ("toolkits/llamafactory/engine.py", 'x = "openai_api"\n', 1),
        ("data/x.yaml", "# llamafactory\na:\n  llamafactory: 1\n", 3),
        ("data/x.yaml", "toolkit: swift\n", 1),
        ("data/x.yaml", "a: &ms_swift 1\n", 1),
        ("data/x.yaml", "\nb: [!swift 2]\n", 2),
        ("data/x.json", '\n{"swift": 1}\n', 2),
        ("data/x.j2", "{# swift #}\n{{ swift }}\n", 2),
        ("plan/for_swift.py", "", 0),
        ("plan/openai_api/x.py", "", 0),
        ("plan/keys.py", "def f():\n    global swift_mode\n", 2),
        ("plan/keys.py", "match x:\n    case {**swift}:\n        pass\n", 2),
    ],
)
def test_a_toolkit_that_is_named_elsewhere_is_told(tmp_path: Path, file: str, text: str, line: int) -> None:
    path = tmp_path / "orchestrator" / file
    path.parent.mkdir(parents=True)
    path.write_text(text)
    found = offenders(tmp_path, toolkit_names())
    assert [one.rpartition(": ")[0] for one in found] == [f"orchestrator/{file}:{line}"]
