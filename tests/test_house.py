"""The floor plan's rule: red on anything planted against it, green on the tree."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.house import CHAIN, House
from tests.shared import ROOT


def test_imports_go_down() -> None:
    assert House(ROOT).broken() == []


def test_every_room_is_there() -> None:
    rooms = {module.partition(".")[0] for module in House(ROOT).files}
    assert set(CHAIN) <= rooms


def plant(root: Path, **modules: str) -> House:
    """A house of some modules: dots in names are written as two underscores."""
    for name, text in modules.items():
        file = root / "orchestrator" / f"{name if name == '__init__' else name.replace('__', '/')}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return House(root)


@pytest.mark.parametrize(
    "text",
    [
        "from orchestrator.cli.app import app",
        "from orchestrator.cli import app",
        "import orchestrator.cli.app",
        "from ..cli import app",
        "import orchestrator.cli.app as shown",
        "from orchestrator.cli.app import *",
        "import importlib\nimportlib.import_module('orchestrator.cli.app')",
        "from importlib import import_module\nimport_module('.cli.app', 'orchestrator')",
        "__import__('orchestrator.cli.app')",
        "def late():\n    from orchestrator.cli.app import app",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from orchestrator.cli.app import app",
    ],
)
def test_an_upward_import_is_told_with_file_line_and_rule(tmp_path: Path, text: str) -> None:
    house = plant(tmp_path, cli__app="app = 1\n", data__samples=f"{text}\n")
    (line,) = house.broken()
    where = f"orchestrator/data/samples.py:{len(text.splitlines())}"
    assert line == f"{where}: data.samples imports cli.app, but cli > data: imports go down"


def test_what_runs_in_a_toolkits_environment_imports_nothing_of_the_house(tmp_path: Path) -> None:
    house = plant(
        tmp_path,
        errors="",
        inside__loop="import orchestrator.errors\n",
        toolkits__base="x = 1\n",
        toolkits__swift__inside__infer="from orchestrator.inside import loop\n",
        toolkits__swift__inside__train="from orchestrator.toolkits.swift.inside.infer import x\n",
        toolkits__swift__inside__merge="from orchestrator.toolkits.base import x\n",
        toolkits__swift__engine="from orchestrator.inside.loop import x\n"
        "import orchestrator.toolkits.swift.inside.infer\n",
    )
    lines = house.broken()
    assert [line.partition(": ")[0] for line in lines] == [
        "orchestrator/inside/loop.py:1",
        "orchestrator/toolkits/swift/inside/merge.py:1",
    ]
    assert all("runs inside a toolkit's environment" in line for line in lines)


def test_a_toolkit_that_knows_another_is_told(tmp_path: Path) -> None:
    house = plant(
        tmp_path,
        toolkits__echo__engine="from orchestrator.toolkits.swift.engine import x\n",
        toolkits__swift__engine="from orchestrator.toolkits.base import x\n",
        toolkits__base="x = 1\n",
    )
    (line,) = house.broken()
    assert line.startswith("orchestrator/toolkits/echo/engine.py:1: ")
    assert line.endswith("of another toolkit")


def test_a_circle_inside_a_room_is_told(tmp_path: Path) -> None:
    house = plant(tmp_path, run__a="from orchestrator.run import b\n", run__b="from orchestrator.run.a import x\n")
    assert house.broken() == ["a circle: run.a > run.b > run.a"]


@pytest.mark.parametrize("text", ["import orchestrator", "from orchestrator import *", "import tests.house"])
def test_what_hides_imports_is_told(tmp_path: Path, text: str) -> None:
    (line,) = plant(tmp_path, errors="", data__samples=text).broken()
    assert line.startswith("orchestrator/data/samples.py:1: data.samples imports ")
    assert "no room of the house" in line


def test_the_package_itself_imports_nothing(tmp_path: Path) -> None:
    (line,) = plant(tmp_path, errors="", __init__="import orchestrator.errors\n").broken()
    assert line.startswith("orchestrator/__init__.py:1: the package itself imports errors")


@pytest.mark.parametrize("text", ["", "import orchestrator.errors\n"])
@pytest.mark.parametrize("name", ["helpers", "helpers__more"])
def test_a_module_outside_the_rooms_is_told(tmp_path: Path, name: str, text: str) -> None:
    (line,) = plant(tmp_path, errors="", **{name: text}).broken()
    assert line.startswith(f"orchestrator/{name.replace('__', '/')}.py: `helpers` is no room of the house")


def test_an_import_of_what_is_not_there_is_told(tmp_path: Path) -> None:
    (line,) = plant(tmp_path, errors="", data__samples="from orchestrator.newroom import x").broken()
    assert "data.samples imports newroom: no room of the house" in line
