"""What Python programs do, as a digest that no edit changes which leaves that as it is.

Left out of a program's syntax tree is what it computes nothing with: comments, layout, docstrings, type annotations,
``pass``, and imports, so that moving a file changes nothing (what is imported from elsewhere, the toolkit's lock
says). What a name is imported as is left out with them. The canonical form takes nothing of Python's own that
differs between versions, so that 3.11, 3.12 and 3.13 give the same digest.
"""

from __future__ import annotations

import ast
import hashlib
import warnings
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from orchestrator.errors import InputError

# bytes of the digests of one file: of its definitions, and of its other statements in order
_Parts = tuple[list[bytes], bytes]

_IDLE = (ast.Import, ast.ImportFrom, ast.Pass)
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_BLOCKS = {"body", "orelse", "finalbody", "handlers", "cases"}
# fields of types, of what follows from the place, and of what Python notes for tools
_IDLE_FIELDS = {"annotation", "ctx", "kind", "returns", "simple", "type_comment", "type_ignores", "type_params"}
# annotations of a class's attribute that say what becomes of it
_TELLING = {"ClassVar", "InitVar", "KW_ONLY"}
_DEEP = "this is no Python that can be read: nested too deeply"
_HUGE = 1 << 10000  # Python refuses to write larger numbers in decimal

_together: dict[frozenset[Path], str] = {}


def meaning(paths: Iterable[Path]) -> str:
    """One digest (SHA-256, hex) of what some Python files do together, each read once in this process.

    It depends neither on the files' names and order nor on which of them holds a function or class.

    Raises:
        InputError: a file cannot be read, or is no Python that this version knows.
    """
    files = frozenset(paths)
    if (known := _together.get(files)) is None:  # another thread may empty it at any moment
        parts = [_parts(path) for path in files]
        definitions = sorted(one for found, _ in parts for one in found)
        known = _together[files] = _sha256([definitions, sorted(rest for _, rest in parts if rest)]).hex()
    return known


def forget_meanings() -> None:
    """Have `meaning` read every file again."""
    syntax.cache_clear()
    _parts.cache_clear()
    _together.clear()


@cache
def syntax(path: Path) -> ast.Module:
    """The syntax tree of a Python file, read once in this process; nobody may change it.

    Raises:
        InputError: it cannot be read, or is no Python that this version knows.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd escapes: whoever runs it is told
            return ast.parse(path.read_bytes())
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", str(path)) from error
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        what = getattr(error, "msg", None) or str(error)
        hint = "a program that stages run was damaged: put it back (`git status` names what was edited)"
        raise InputError(f"this is no Python: {what}", f"{path}:{line}" if line else str(path), hint) from error
    except (RecursionError, MemoryError) as error:
        raise InputError(_DEEP, str(path)) from error


def imports(path: Path) -> Iterator[ast.Import | ast.ImportFrom]:
    """The import statements of a Python file, wherever they stand in it.

    Raises:
        InputError: as `syntax`.
    """
    todo: list[ast.AST] = [syntax(path)]
    for node in todo:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        for name in _BLOCKS:
            within = getattr(node, name, None)
            todo += within if isinstance(within, list) else []


@cache
def _parts(path: Path) -> _Parts:
    body = list(_statements(syntax(path).body))
    try:
        # of two definitions of one name the last counts: their order is kept
        named: dict[str, list[Any]] = {}
        for node in body:
            if isinstance(node, _DEFINITIONS):
                named.setdefault(node.name, []).append(_plain(node))
        rest = [_plain(node) for node in body if not isinstance(node, _DEFINITIONS)]
        return [_sha256(forms) for forms in named.values()], _sha256(rest) if rest else b""
    except (RecursionError, MemoryError) as error:
        raise InputError(_DEEP, str(path)) from error


def _sha256(value: object) -> bytes:
    # `ascii` writes the same in all versions; `repr` escapes what a version's tables of characters lack
    return hashlib.sha256(ascii(value).encode()).digest()


def _statements(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a block that do something."""
    for node in body:
        if isinstance(node, ast.If) and _for_types(node.test):
            yield from _statements(node.orelse)
        elif not (
            isinstance(node, _IDLE)
            or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))  # a docstring, or an ellipsis
            or type(node).__name__ == "TypeAlias"  # which 3.11 does not know
        ):
            yield node


def _for_types(test: ast.expr) -> bool:
    return "TYPE_CHECKING" in (getattr(test, "id", None), getattr(test, "attr", None))


def _plain(node: Any) -> Any:
    """A syntax tree as tuples (kind, field, value, field, value ...), lists and constants, without empty fields."""
    kind = node.__class__
    if kind is list:
        return [_plain(one) for one in node]
    if kind in _SPECIAL:
        return _SPECIAL[kind](node)
    if kind not in _FIELDS:
        if not isinstance(node, ast.AST):
            return node  # a name, or a number such as that of a conversion in an f-string
        _FIELDS[kind] = [name for name in node._fields if name not in _IDLE_FIELDS]
    form = [kind.__name__]
    for name in _FIELDS[kind]:
        value = getattr(node, name, None)
        if value is None or value == []:
            continue
        if name in _BLOCKS and value.__class__ is list:
            value = _statements(value)
            form += name, [_plain(one) for one in value if not _is_bare(one)]
        else:
            form += name, value if value.__class__ is str else _plain(value)
    return tuple(form)


def _is_bare(node: ast.stmt) -> bool:
    """Whether it is an annotation without a value, as ``x: int``."""
    return node.__class__ is ast.AnnAssign and node.value is None


def _constant(node: ast.Constant) -> Any:
    value = node.value
    return "Constant", hex(value) if value.__class__ is int and value > _HUGE else value


def _assignment(node: ast.AnnAssign) -> Any:
    """An annotated assignment, as one without."""
    return "Assign", "targets", [_plain(node.target)], "value", _plain(node.value)


def _class(node: ast.ClassDef) -> Any:
    """A class; where a decorator or a base may look at them (a dataclass), which of its attributes are annotated."""
    heads = (node.bases, node.keywords, node.decorator_list)
    body: list[Any] = []
    for one in _statements(node.body):
        if any(heads) and isinstance(one, ast.AnnAssign):
            telling = sorted({part.id for part in ast.walk(one.annotation) if isinstance(part, ast.Name)} & _TELLING)
            body.append(("Field", _plain(one.target), _plain(one.value), telling))
        elif not _is_bare(one):
            body.append(_plain(one))
    return "ClassDef", node.name, *map(_plain, heads), body


def _joined(node: ast.JoinedStr) -> Any:
    """An f-string as its text and what is filled in; Python's versions cut the text into other pieces."""
    parts: list[Any] = []
    for one in node.values:
        if not isinstance(one, ast.Constant):
            parts.append(_plain(one))
        elif parts and isinstance(parts[-1], str):
            parts[-1] += str(one.value)
        elif one.value:
            parts.append(one.value)
    if all(isinstance(part, str) for part in parts):
        return "Constant", "".join(parts)
    return "JoinedStr", parts


_SPECIAL: dict[type, Callable[[Any], Any]] = {
    ast.Constant: _constant, ast.AnnAssign: _assignment, ast.ClassDef: _class, ast.JoinedStr: _joined
}  # fmt: skip
_FIELDS: dict[type, list[str]] = {}
