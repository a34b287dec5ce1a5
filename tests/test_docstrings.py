"""What a function raises stands in its docstring, and everything public has one."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house import CHAIN
from tests.shared import ROOT

ERRORS = ("OrchestratorError", "InputError", "StageError", "Interrupted")
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def public(tree: ast.Module | ast.ClassDef) -> Iterator[Definition]:
    """The public classes and functions of a module, and their public methods."""
    for node in tree.body:
        if isinstance(node, Definition) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from public(node)


def raised(function: Definition) -> set[str]:
    """The errors of ours that a function's own body raises by name."""
    todo: list[ast.AST] = [] if isinstance(function, ast.ClassDef) else [*function.body]
    found: set[str] = set()
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and isinstance(node.exc.func, ast.Name):
            found.add(node.exc.func.id)
        if not isinstance(node, Definition | ast.Lambda):
            todo += ast.iter_child_nodes(node)
    return found & set(ERRORS)


def faults(file: Path, root: Path) -> list[str]:
    """Each public thing without a docstring, and each error that one does not name: file, line and name."""
    found = []
    for node in public(ast.parse(file.read_text(encoding="utf-8"))):
        where = f"{file.relative_to(root)}:{node.lineno}: {node.name}"
        text = ast.get_docstring(node)
        if not text:
            found.append(f"{where} has no docstring")
        section = (text or "").partition("Raises:\n")[2]
        found += [f"{where} raises {error}: no `Raises:` says so" for error in raised(node) if error not in section]
    return found


@pytest.mark.parametrize("package", CHAIN)
def test_docstrings(package: str) -> None:
    base = ROOT / "orchestrator" / package
    files = sorted(base.rglob("*.py")) if base.is_dir() else [base.with_suffix(".py")]
    assert [fault for file in files for fault in faults(file, ROOT)] == []


def test_faults_are_told(tmp_path: Path) -> None:
    file = tmp_path / "planted.py"
    file.write_text(
        "class A:\n"
        "    def b(self):\n        raise InputError('x')\n"
        "def _private():\n    raise InputError('x')\n"
        "def good():\n    '''Does.\n\n    Raises:\n        StageError: always.\n    '''\n    raise StageError('x')\n"
        "def inner():\n    '''Defines.'''\n    def late():\n        raise InputError('x')\n    raise ValueError('x')\n"
    )
    assert faults(file, tmp_path) == [
        "planted.py:1: A has no docstring",
        "planted.py:2: b has no docstring",
        "planted.py:2: b raises InputError: no `Raises:` says so",
    ]
