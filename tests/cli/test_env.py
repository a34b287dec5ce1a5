"""The commands that build and check environments, with one that takes no minutes to build."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import pytest

from orchestrator.cli import env
from orchestrator.environments.gpus import GpuReport
from orchestrator.environments.surroundings import Finding
from orchestrator.errors import InputError
from tests.running import call


@dataclass
class Fake:
    """Stands for an environment: in a state, and with what its check finds."""

    name: str
    now: str = "missing"
    problem: str = ""
    folder: Path = Path("there")
    log: Path = Path("there/build.log")
    forced: list[bool] = field(default_factory=list)
    wheels: Path | None = None
    offers: str = "known"
    code: Path | None = None
    unknown: str = ""
    known: ClassVar[dict[str, Fake]] = {}

    @classmethod
    def load(cls, name: str) -> Fake:
        if name not in cls.known:
            raise InputError(f"no toolkit environment `{name}`")
        return cls.known[name]

    def state(self) -> str:
        return self.now

    def toolkit_version(self) -> str:
        return f"{self.name} 1.0"

    def make_offers(self) -> str:
        self.offers = "" if self.unknown else "made"
        return self.unknown

    def build(self, force: bool, wheels: Path | None) -> None:
        self.now = "ready"
        self.forced.append(force)
        self.wheels = wheels

    def check(self) -> str:
        return self.problem


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> dict[str, Fake]:
    known = {"a": Fake("a", "ready"), "b": Fake("b"), "c": Fake("c", "stale", "no module named c")}
    monkeypatch.setattr(Fake, "known", known)
    monkeypatch.setattr(env, "Environment", Fake)
    monkeypatch.setattr(env, "build", Fake.build)
    monkeypatch.setattr(env, "toolkit_names", lambda: list(known))
    return known


def test_list() -> None:
    assert call("env", "list").splitlines() == [
        "name  state    version  folder", "a     ready    a 1.0    there", "b     missing           there",
        "c     stale             there",
    ]  # fmt: skip
    assert [row["state"] for row in json.loads(call("env", "list", "--json"))] == ["ready", "missing", "stale"]


def test_build(known: dict[str, Fake], tmp_path: Path) -> None:
    assert call("env", "build", "a", "b") == "a: up to date\nb: building (there/build.log)\nb: ready\n"
    assert call("env", "build", "a", "--force").endswith("a: ready\n")
    assert (known["a"].forced, known["b"].forced) == ([True], [False])
    assert "no toolkit environment `x`" in call("env", "build", "b", "x", "--force", code=2)
    assert known["b"].forced == [False]  # a wrong name is found before anything is built
    said = call("env", "build", "b", "--force", "--wheels", "no/such", code=2)
    assert said.startswith("error: no/such: there is no such folder of wheels")
    call("env", "build", "b", "--force", "--wheels", str(tmp_path))
    assert known["b"].wheels == tmp_path


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [Finding("disk", "9 GB free in /x", "too little"), Finding("open files", "256")]
    monkeypatch.setattr(env, "surroundings", lambda: found)


MACHINE = ["disk        9 GB free in /x", "            note: too little", "open files  256", ""]


@pytest.mark.usefixtures("machine")
def test_check(known: dict[str, Fake]) -> None:
    said = call("env", "check", code=1)
    assert said.splitlines() == [
        *MACHINE,
        "a: works", "c: no module named c", "error: not working: c; build again with env build --force NAME",
    ]  # fmt: skip
    assert call("env", "check", "b").splitlines() == [*MACHINE, "b: works"]
    known.clear()
    assert call("env", "check").splitlines()[len(MACHINE)].startswith("no environment is built; build one with")


@pytest.mark.usefixtures("machine")
def test_check_has_what_is_not_known_said(known: dict[str, Fake], tmp_path: Path) -> None:
    program = tmp_path / "inside" / "offers.py"
    program.parent.mkdir()
    program.touch()
    known["a"].code, known["a"].offers = tmp_path, ""
    known["a"].unknown = "no module named x"
    note = "    note: what its models take is not known, so `validate` sees less: no module named x"
    assert call("env", "check", "a").splitlines() == [*MACHINE, "a: works", note]
    known["a"].unknown = ""
    assert call("env", "check", "a").splitlines() == [*MACHINE, "a: works"]
    assert known["a"].offers == "made"


@pytest.mark.usefixtures("machine")
def test_check_on_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(env, "driver", lambda: "driver 1; GPU 0: Toy, 1 MiB")
    monkeypatch.setattr(env, "visible_gpus", list)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert "error: no NVIDIA GPU is here, so nothing was checked" in call("env", "check", "--gpu", "a", code=1)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert "CUDA_VISIBLE_DEVICES hides all GPUs" in call("env", "check", "--gpu", code=1)
    monkeypatch.setattr(env, "visible_gpus", lambda: ["0"])
    reports = {"a": GpuReport("torch 1", notes=("no nvcc",)), "b": GpuReport("torch 2", ("it is broken",))}
    monkeypatch.setattr(env, "look", lambda environment: reports[environment.name])
    said = call("env", "check", "--gpu", "a").splitlines()
    assert said == [*MACHINE, "driver 1; GPU 0: Toy, 1 MiB", "a: works", "    torch 1", "    note: no nvcc"]
    said = call("env", "check", "--gpu", "a", "b", code=1)
    assert "b: works\n    torch 2\n    wrong: it is broken\n" in said
    assert said.endswith("error: not working on the GPUs of this machine: b\n")


def test_a_definition_that_is_wrong_hides_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(env, "toolkit_names", lambda: ["a", "wrong one", "b"])
    said = call("env", "list")
    assert "note: no toolkit environment `wrong one`\n" in said
    assert [line.split()[0] for line in said.splitlines() if not line.startswith("note")] == ["name", "a", "wrong", "b"]
