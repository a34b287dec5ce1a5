"""The floor plan: which package imports which, and how large all of it is. ``python -m tests.house [CHECKOUT]``.

The rule: a package imports only packages further right in `CHAIN`. Apart from it stand the programs that run inside the
toolkits' environments, in folders called `INSIDE`: the shared ones, and each toolkit's. They import the standard
library, the toolkit itself, their own folder and the shared one; the rest of the house may import from there. What a
toolkit's folder holds is for that toolkit alone.
"""

from __future__ import annotations

import ast
import io
import sys
import tokenize
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

CHAIN = (
    "cli", "run", "launch", "plan", "scores", "toolkits", "prompts", "recipe", "environments", "data", "benchmark",
    "checked_yaml", "machine", "errors",
)  # fmt: skip
INSIDE = "inside"
TOOLKITS = "toolkits"
# the program itself, which starts the command line
ABOVE = "__main__"
NO_CODE = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)


@dataclass(frozen=True)
class Import:
    """One module of the package names another, anywhere in its text: imports in functions and for types count."""

    module: str
    target: str
    file: Path
    line: int

    @property
    def packages(self) -> tuple[str, str]:
        """The rooms of both: the first part of a module's name."""
        return self.module.partition(".")[0], self.target.partition(".")[0]


def inside_of(module: str) -> str:
    """The folder of programs that a module lies in, dotted; empty for the rest of the house."""
    parts = module.split(".")
    return ".".join(parts[: parts.index(INSIDE) + 1]) if INSIDE in parts else ""


def toolkit_of(module: str) -> str:
    """The toolkit whose package a module is in; empty for what toolkits share, and for the rest of the house."""
    parts = module.split(".")
    return parts[1] if parts[0] == TOOLKITS and len(parts) > 2 else ""


@dataclass(frozen=True)
class House:
    """The modules below ``<root>/orchestrator`` by dotted name without that first part."""

    root: Path

    @cached_property
    def files(self) -> Mapping[str, Path]:
        """Every module's file; the package's own ``__init__`` is the empty name."""
        package = self.root / "orchestrator"
        return {self._name(file.relative_to(package)): file for file in sorted(package.rglob("*.py"))}

    @staticmethod
    def _name(file: Path) -> str:
        parts = file.with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @cached_property
    def imports(self) -> Sequence[Import]:
        """All imports between modules, each pair once."""
        found: dict[tuple[str, str], Import] = {}
        for module, file in self.files.items():
            for target, line in self._targets(file):
                if target and target != module:
                    found.setdefault((module, target), Import(module, target, file.relative_to(self.root), line))
        return list(found.values())

    def _targets(self, file: Path) -> Iterator[tuple[str, int]]:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                base = list(file.relative_to(self.root).with_suffix("").parts[: -node.level]) if node.level else []
                names = [".".join([*base, *filter(None, [node.module]), alias.name]) for alias in node.names]
            elif isinstance(node, ast.Call):
                names = list(_imported_by_name(node))
            for name in names:
                first, _, rest = name.partition(".")
                if name in ("orchestrator", "orchestrator.*") or first == "tests":
                    yield name, node.lineno  # of which anything may be used; and tests are not there for users
                elif first == "orchestrator":
                    # `from package.module import name`: the name may be a module itself
                    yield (rest if rest in self.files else rest.rpartition(".")[0] or rest), node.lineno

    def broken(self) -> list[str]:
        """Everything against the rule: file, line and why."""
        known, rooms = (*CHAIN, INSIDE), " > ".join(CHAIN)
        found = []
        for one in self.imports:
            (package, target), where = one.packages, f"{one.file}:{one.line}"
            inside, own = inside_of(one.module), toolkit_of(one.module)
            if own and toolkit_of(one.target) not in (own, ""):
                found.append(f"{where}: {one.module} imports {one.target}, of another toolkit")
            if package == "":
                found.append(f"{where}: the package itself imports {target}, and with it whoever imports any room")
            elif target not in known and target != package:
                found.append(f"{where}: {one.module} imports {one.target}: no room of the house ({rooms})")
            elif package not in known:
                continue  # the program itself, which may start anything; what else it is, is told below
            elif inside and inside_of(one.target) not in (inside, INSIDE):
                found.append(f"{where}: {one.module} runs inside a toolkit's environment, and imports {one.target}")
            elif not inside_of(one.target) and CHAIN.index(package) > CHAIN.index(target):
                found.append(f"{where}: {one.module} imports {one.target}, but {target} > {package}: imports go down")
        files = {module.partition(".")[0]: file for module, file in reversed(self.files.items())}
        for room in sorted(files.keys() - {*known, ABOVE, ""}):
            found.append(f"{files[room].relative_to(self.root)}: `{room}` is no room of the house: {rooms}")
        return found + [f"a circle: {' > '.join(circle)}" for circle in self.circles()]

    @cached_property
    def _graph(self) -> Mapping[str, Sequence[str]]:
        graph: dict[str, list[str]] = {module: [] for module in self.files}
        for one in self.imports:
            graph[one.module].append(one.target)
        return graph

    def circles(self) -> list[list[str]]:
        """Modules that import each other, each circle once, its first module again at the end."""
        found: list[list[str]] = []
        done: set[str] = set()

        def walk(module: str, way: list[str]) -> None:
            if module in way:
                found.append([*way[way.index(module) :], module])
            elif module not in done:
                for target in self._graph.get(module, ()):
                    walk(target, [*way, module])
                done.add(module)

        for module in self._graph:
            walk(module, [])
        return found

    def layers(self) -> int:
        """How many modules the longest way down passes; circles are cut where they close."""
        depths: dict[str, int] = {}

        def depth(module: str, way: frozenset[str]) -> int:
            if module not in depths:
                below = [target for target in self._graph.get(module, ()) if target not in way]
                depths[module] = 1 + max((depth(target, way | {module}) for target in below), default=0)
            return depths[module]

        return max(depth(module, frozenset()) for module in self._graph)

    def code_lines(self) -> int:
        """Lines with code: without comments, docstrings and blank lines."""
        return sum(map(_code_lines, self.files.values()))


def _imported_by_name(call: ast.Call) -> Iterator[str]:
    """The modules that ``importlib.import_module`` or ``__import__`` are told in plain words."""
    called = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if called in ("import_module", "__import__"):
        words = [part.value for part in call.args if isinstance(part, ast.Constant) and isinstance(part.value, str)]
        package = words[1] if len(words) > 1 else "orchestrator"
        yield from (f"{package}{word}" if word.startswith(".") else word for word in words[:1])


def _code_lines(file: Path) -> int:
    text = file.read_text(encoding="utf-8")
    said: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and (
            ast.get_docstring(node, clean=False) is not None
        ):
            said.update(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in NO_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))
    return len(lines - said)


def summary(house: House) -> str:
    """The counts as a table in Markdown."""
    flat = [module for module in house.files if module and "." not in module and house.files[module].stem == module]
    between = {one.packages for one in house.imports if one.packages[0] != one.packages[1]}
    against = {one.packages for one in house.imports} & {(b, a) for a, b in between}
    rows = {
        "packages": len({module.partition(".")[0] for module in house.files if module} - set(flat)),
        "modules": len(house.files),
        "modules outside any package": len(flat),
        "layers (modules on the longest way down)": house.layers(),
        "imports between modules": len(house.imports),
        "pairs of packages, or of modules outside them, of which one imports the other": len(between),
        "pairs that import each other": len([pair for pair in against if pair[0] < pair[1]]),
        "code lines, without comments and docstrings": house.code_lines(),
    }
    return "\n".join(f"| {name} | {number:,} |" for name, number in rows.items())


if __name__ == "__main__":
    seen = House(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[1])
    print(summary(seen))
    if lines := seen.broken():
        print(*lines, sep="\n", file=sys.stderr)
        sys.exit(1)
