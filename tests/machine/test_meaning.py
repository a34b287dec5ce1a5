"""What changes the meaning of programs, and what does not."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import InputError
from orchestrator.machine.meaning import forget_meanings, imports, meaning
from tests.shared import ROOT

# of program.txt under CPython 3.11.2, 3.12.1 and 3.13.2
EVERYWHERE = "fb3db7cab1fd2b22af20615a230c4cf71664757c193645a16217b52e4eae4fa2"
PROGRAMS = sorted((ROOT / "orchestrator").glob("**/inside/[!_]*.py"))

PROGRAM = '''\
"""What it is for."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

RATE: float = 0.5
NAMES = ("a", "b")


@cached
def first(x: int, y: int = 2, *, z: str = "z") -> int:
    """What it gives."""
    import json

    total: int = x + y  # a remark
    total -= 1
    if total < 3 and z:
        raise ValueError(f"{total:.2f} of {z!r}")
    try:
        return json.loads(os.environ["X"])
    except KeyError as error:
        print(error, total)
        return -1


@dataclass
class Holder(Base):
    """What it holds."""

    size: int
    name: str = "n"

    def second(self) -> None:
        ...


class Plain:
    count = 0


if __name__ == "__main__":
    first(1)
'''


def of(folder: Path, *texts: str) -> str:
    """The meaning of programs, each in a file of its own."""
    forget_meanings()
    paths = [folder / f"{number}.py" for number in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text)
    return meaning(paths)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"""What it is for."""\n', ""),
        ('    """What it gives."""\n', "    'Something else.'\n"),
        ("  # a remark", "\n\n    # another"),
        ("import os\n", "import sys\nfrom os import path as p\n"),
        ("    import json\n", ""),
        ("    from collections.abc import Sequence\n", "    Pair = tuple[int, int]\n"),
        ("if TYPE_CHECKING:\n", "if typing.TYPE_CHECKING:\n"),
        ("x: int, y: int = 2", "x, y: float | None = 2"),
        (") -> int:", ") -> Sequence[int]:"),
        ("    total: int = x", "    total = x"),
        ("    total: int = x", "    total: int\n    total: float = x"),
        ("RATE: float = 0.5", "RATE = 0.5"),
        ("RATE: float = 0.5", "RATE = 5e-1"),
        ("    size: int\n", "    size: float\n"),
        ("    count = 0", "    count: int = 0\n    other: str"),
        ("        ...\n", "        pass\n"),
        ("    total -= 1\n", "    total -= 1; pass\n    'a remark'\n"),
        ('"a", "b"', "'a', 'b',"),
        ('"a"', '"" u"a"'),
        ('f"{total:.2f} of {z!r}"', 'f"{total:.2f}" f" of {z!r}" ""'),
        ("x + y ", "(x + (y)) "),
        ("if total < 3 and z:", "if (total < 3\n            and z):"),
        ("first(1)\n", "first(0x1)"),
    ],
)
def test_edits_that_mean_nothing(tmp_path: Path, old: str, new: str) -> None:
    assert PROGRAM.count(old) == 1
    assert of(tmp_path, PROGRAM.replace(old, new)) == of(tmp_path, PROGRAM)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("0.5", "0.6"),
        ("0.5", "5"),
        ('"a", "b"', '"b", "a"'),
        ('"a", "b"', '"a" "b"'),
        ('("a", "b")', '["a", "b"]'),
        ('("a", "b")', "('a', b'b')"),
        ("x + y", "x - y"),
        ("x + y", "y + x"),
        ("x + y", "x + +y"),
        ("y: int = 2", "y: int = 3"),
        ("y: int = 2", "y: int = True"),
        ("y: int = 2", "y: int"),
        (', *, z: str = "z"', ', z: str = "z"'),
        (', z: str = "z"', ', z: str = "z", **more'),
        ("x: int, y: int = 2", "x: int, /, y: int = 2"),
        ("@cached\n", ""),
        ("@cached\n", "@cached(1)\n"),
        ("    total -= 1\n", ""),
        ("    total -= 1\n", "    total += 1\n"),
        ("< 3", "<= 3"),
        ("< 3 and", "< 3 or"),
        ("< 3 and z", "< 3 and not z"),
        (":.2f", ":.3f"),
        ("{z!r}", "{z}"),
        ("{z!r}", "{z!s}"),
        (" of {", " {"),
        ('f"{total:.2f} of {z!r}"', '"{total:.2f} of {z!r}"'),
        ("except KeyError as", "except LookupError as"),
        ("print(error, total)", "print(total, error)"),
        ("print(error, total)", "await print(error, total)"),
        ("print(error, total)", "print(error, end=total)"),
        ("return -1", "return 1"),
        ("return -1", "raise"),
        ("ValueError(", "TypeError("),
        ('os.environ["X"]', 'os.environ["Y"]'),
        ("os.environ[", "os.env["),
        ("class Holder(Base)", "class Holder(Other)"),
        ("class Holder(Base)", "class Holder(metaclass=Base)"),
        ("@dataclass\n", "@dataclass(frozen=True)\n"),
        # which attributes are fields, and in which order
        ("    size: int\n", ""),
        ("    size: int\n", "    size = 0\n"),
        ("    size: int\n", "    size: ClassVar[int]\n"),
        ('    size: int\n    name: str = "n"\n', '    name: str = "n"\n    size: int\n'),
        ('    name: str = "n"', '    name = "n"'),
        ("    def second(self) -> None:", "    async def second(self) -> None:"),
        ("    def second(self) -> None:", "    def third(self) -> None:"),
        ("class Plain:\n    count = 0", "class Plain:\n    count = 1"),
        ('__name__ == "__main__"', '__name__ != "__main__"'),
        ('    first(1)\n', "    first(1)\n    first(1)\n"),
        ("RATE: float = 0.5\nNAMES", "NAMES = 3\nRATE: float = 0.5\nNAMES"),
        ('    print(error, total)\n        return -1', "    return -1\n        print(error, total)"),
    ],
)  # fmt: skip
def test_edits_that_mean_something(tmp_path: Path, old: str, new: str) -> None:
    assert PROGRAM.count(old) == 1
    assert of(tmp_path, PROGRAM.replace(old, new)) != of(tmp_path, PROGRAM)


def test_moves_mean_nothing(tmp_path: Path) -> None:
    head, function, rest = (
        PROGRAM[: PROGRAM.index("@cached")],
        *PROGRAM[PROGRAM.index("@cached") :].split("\n\n\n", 1),
    )
    before = of(tmp_path, PROGRAM, "x = 1\n")
    assert of(tmp_path, "x = 1\n", PROGRAM) == before, "another order"
    assert of(tmp_path, f"import os\n{head}\n{rest}", f"{function}\n\n\nx = 1\n") == before, "another file"
    assert of(tmp_path, PROGRAM, "x = 1\n", '"""Nothing."""\nimport os\n') == before, "an empty file"
    (tmp_path / "sub").mkdir()
    for name, text in (("other.py", PROGRAM), ("sub/1.py", "x = 1\n")):
        (tmp_path / name).write_text(text)
    assert meaning([tmp_path / "other.py", tmp_path / "sub" / "1.py"]) == before, "other names"
    assert of(tmp_path, PROGRAM) != before
    assert of(tmp_path, PROGRAM, "x = 1\n", "x = 1\n") != before


def test_of_two_definitions_of_a_name_the_last_counts(tmp_path: Path) -> None:
    one, two = "def f():\n    return 1\n", "def f():\n    return 2\n"
    assert of(tmp_path, one + two) != of(tmp_path, two + one)


VALUES = ("1", "1.0", "1j", "True", "'1'", "b'1'", "None", "...", "-1", "(1,)", "1e999", "hash", "'é'", "'\\xe91'",
          "'\\ud800'")  # fmt: skip
OTHERS = ("2", "2.0", "2j", "False", "'2'", "b'2'", "'None'", "'...'", "'-1'", "[1]", "'inf'", "'hash'", "'\\ud801'")


@pytest.mark.parametrize("value", [*VALUES, hex(1 << 20000), hex((1 << 20000) + 1)], ids=lambda value: value[:9])
def test_values_are_told_apart(tmp_path: Path, value: str) -> None:
    mine = of(tmp_path, f"x = {value}")
    assert mine == of(tmp_path, f"x = ({value})")
    others = {other for other in (*VALUES, *OTHERS, hex(1 << 20000)) if other != value}
    assert mine not in {of(tmp_path, f"x = {other}") for other in others}


def test_any_python_gives_the_same(tmp_path: Path) -> None:
    """All forms of the syntax; the number was found under all three versions."""
    assert of(tmp_path, (Path(__file__).with_name("program.txt")).read_text()) == EVERYWHERE


@pytest.mark.parametrize("text", ["x = (\n", "def f(:\n", "x = '\0'", "\N{ESCAPE}", "if x:\nprint()", "x = 0777"])
def test_what_is_no_python_is_named_with_its_line(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match="this is no Python") as error:
        of(tmp_path, text)
    assert str(tmp_path / "0.py") in str(error.value)
    assert "put it back" in str(error.value)
    assert ":1" in str(error.value) or ":2" in str(error.value) or "\0" in text


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone.py: cannot be read: No such file"):
        meaning([tmp_path / "gone.py"])
    with pytest.raises(InputError, match="nested too deeply"):
        of(tmp_path, "x = " + "-" * 5000 + "1")
    (tmp_path / "0.py").write_bytes(b"x = '\xff'\n")
    forget_meanings()
    with pytest.raises(InputError, match="this is no Python"):
        meaning([tmp_path / "0.py"])


def test_imports_are_found_wherever_they_stand(tmp_path: Path) -> None:
    for path in (*PROGRAMS, Path(__file__).with_name("program.txt")):
        wanted = [
            node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Import | ast.ImportFrom)
        ]
        assert sorted(map(ast.unparse, imports(path))) == sorted(map(ast.unparse, wanted))
    of(tmp_path, "match 1:\n    case 1:\n        try: pass\n        except A:\n            import found\n")
    assert [ast.unparse(node) for node in imports(tmp_path / "0.py")] == ["import found"]


def test_a_file_is_read_once_until_it_is_to_be_forgotten(tmp_path: Path) -> None:
    path, before = tmp_path / "0.py", of(tmp_path, "x = 1")
    path.write_text("x = 2")
    assert meaning([path]) == before
    forget_meanings()
    assert meaning([path]) != before


def test_a_file_is_read_in_one_thread_while_another_one_forgets_what_was_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = of(tmp_path, "x = 1")

    class Forgetful(dict[Any, str]):
        """As if another thread called `forget_meanings` right away."""

        def __setitem__(self, key: object, value: str) -> None:
            """It is gone at once."""

    monkeypatch.setattr("orchestrator.machine.meaning._together", Forgetful())
    assert meaning([tmp_path / "0.py"]) == known


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: f"{path.parent.parent.stem}-{path.stem}")
def test_our_programs_mean_what_they_do(tmp_path: Path, path: Path) -> None:
    """Written anew from the syntax alone, without comments, layout and parentheses."""
    text = path.read_text()
    before = of(tmp_path, text)
    assert of(tmp_path, ast.unparse(ast.parse(text))) == before
    assert of(tmp_path, ast.unparse(_Bare().visit(ast.parse(text)))) == before


class _Bare(ast.NodeTransformer):
    """Takes a program's types and docstrings away."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        if ast.get_docstring(node) is not None:
            node.body[0] = ast.Pass()
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node


def mutants(tree: ast.Module) -> Iterator[ast.Module]:
    """The program with one thing changed each time: a constant, a name, an operator, a statement lost or swapped."""
    for number, node in enumerate(ast.walk(tree)):
        other = copy.deepcopy(tree)
        mine = next(one for place, one in enumerate(ast.walk(other)) if place == number)
        if isinstance(mine, ast.Constant) and isinstance(mine.value, int | float):
            mine.value += 1
        elif isinstance(mine, ast.Name):
            mine.id += "_"
        elif isinstance(mine, ast.Attribute):
            mine.attr += "_"
        elif isinstance(mine, ast.Compare):
            mine.ops[0] = ast.Gt() if isinstance(node.ops[0], ast.Lt) else ast.Lt()  # type: ignore[attr-defined]
        elif isinstance(mine, ast.BinOp):
            mine.left, mine.right = mine.right, mine.left
        elif isinstance(mine, ast.ExceptHandler):
            mine.type = ast.Name("Other")
        elif isinstance(mine, ast.FunctionDef) and len(mine.body) > 2:
            first, second = mine.body[-2:]
            mine.body[-2:] = [second, first]
        else:
            continue
        yield other


def test_a_program_with_one_thing_changed_means_something_else(tmp_path: Path) -> None:
    program = """
def worth(values, base=3, *, scale=0.5):
    best = None
    for number, value in enumerate(values):
        if value < base and not values.done:
            best = value * scale - number
            continue
        try:
            best = max(best, f"{value:>{base}}")
        except ValueError:
            values.append(-1)
    total = sum(one.size + 2 for one in values if one > 7)
    return best, total[1:base], {"a": scale, **values}
"""
    found = [of(tmp_path, ast.unparse(tree)) for tree in mutants(ast.parse(program))]
    assert len(found) > 40
    assert of(tmp_path, program) not in found
    assert all(one != two for one, two in pairwise(found))


def test_what_is_forgotten_meanwhile_is_given_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Forgetful(dict[frozenset[Path], str]):
        """As where another thread forgets all meanings at once."""

        def __setitem__(self, *_: object) -> None:
            pass

    (tmp_path / "program.py").write_text("x = 1")
    expected = meaning([tmp_path / "program.py"])
    monkeypatch.setattr("orchestrator.machine.meaning._together", Forgetful())
    assert meaning([tmp_path / "program.py"]) == expected
