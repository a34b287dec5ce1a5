"""YAML files of the project itself, loaded safely."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from orchestrator.errors import InputError


def load_yaml(path: Path) -> Any:
    """The content of a YAML file, loaded safely.

    Raises:
        InputError: it cannot be read or is not YAML (with file:line:column), or a name stands twice in its outermost
            mapping, of which YAML would take the last without a word.
    """
    import yaml

    kind = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C one is ten times faster, but not everywhere
    try:
        loader = kind(path.read_text(encoding="utf-8"))
        root = loader.get_single_node()
        seen = set()
        for key, _ in root.value if isinstance(root, yaml.MappingNode) else ():
            if key.value in seen:
                where = f"{path}:{key.start_mark.line + 1}"
                raise InputError(f"`{key.value}` is defined twice", where, "rename or remove one")
            seen.add(key.value)
        return None if root is None else loader.construct_document(root)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        raise InputError(f"not valid YAML: {error.problem}", where=where) from error
    except (yaml.YAMLError, OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read: {error}", where=str(path)) from error


def place_of(path: Path, name: str) -> str:
    """``file:line`` of a key at the beginning of a line; the file alone, where it is written otherwise."""
    lines = path.read_text(encoding="utf-8").split("\n")
    start = (f"{name}:", f'"{name}":', f"'{name}':")
    return next((f"{path}:{at}" for at, line in enumerate(lines, 1) if line.startswith(start)), str(path))
