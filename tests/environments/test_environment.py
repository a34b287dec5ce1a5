"""Definitions of environments and their checks, with a stand-in for uv."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from orchestrator.environments import places
from orchestrator.environments.build import build
from orchestrator.environments.environment import Environment
from orchestrator.environments.places import toolkit_names
from orchestrator.errors import InputError, StageError
from orchestrator.machine.checkout import THIRD_PARTY
from tests.environments.toy import PYTHON, load

ORIGINS = "write {pypi: name==version}, or {git: URL, commit: SHA} and perhaps `paths`"


def test_a_check_has_a_time_limit(toy: Environment, tmp_path: Path) -> None:
    build(toy)
    text = (toy.folder / "environment.yaml").read_text().replace("import json", "import time; time.sleep(30)")
    (toy.folder / "environment.yaml").write_text(text)
    assert "more than 0.2 s" in load(tmp_path).check(seconds=0.2)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("{pypi: toy-kit==1.2}", f"{{git: x, commit: {'a' * 40}, paths: a}}"),
         ["3:75: `source.paths` must be a list, not the text 'a'\n    write `[a]`"]),
        (("{pypi: toy-kit==1.2}", "{svn: x}"),
         ["3:10: unknown key `source.svn`\n    known keys: pypi, git, commit, distribution, paths"]),
        (("{pypi: toy-kit==1.2}", "{}"), ["3:1: `source` must give either `pypi` or `git`\n    " + ORIGINS]),
        (("{pypi: toy-kit==1.2}", "{git: x, pypi: a==1}"),
         ["3:24: `source` must give either `pypi` or `git`\n    " + ORIGINS]),
        (("toy-kit==1.2", "toy-kit"), ["3:16: `toy-kit` is no pinned version\n    write name==version"]),
        (("{pypi: toy-kit==1.2}", "{git: x}"), ["3:15: `source.commit` is missing\n    " + ORIGINS]),
        (("{pypi: toy-kit==1.2}", "{git: x, commit: main}"),
         ["3:26: `main` is no full commit hash\n    write all of its 40 hex digits"]),
        (("{pypi: toy-kit==1.2}", "{git: x, commit: 1e5}"),
         ["3:26: `source.commit` must be text, not the number 100000.0\n    put it in quotes"]),
        (("check: import json\n", ""), [": `check` is missing\n    add `check: ...`"]),
        (("why: it plays", "reason: it plays"),
         ["6:5: `needs[0].why` is missing\n    add `why: ...`",
          "6:46: unknown key `needs[0].reason`\n    known keys: command, package, why"]),
        (("python:", "pyhton:"), [": `python` is missing\n    add `python: ...`",
                                  "2:1: unknown key `pyhton`\n    did you mean `python`?"]),
        ((f'"{PYTHON}"', "3.10"), ["2:9: `python` must be text, not the number 3.1\n    put it in quotes"]),
        (("needs:", "check: pass\nneeds:"),
         ["5:1: duplicate key `check`\n    it stands already at F:4:1: remove one"]),
        (("python:", "python: ["), ["3:1: this is not valid YAML"]),
    ],
)  # fmt: skip
def test_malformed_definitions(toy: Environment, tmp_path: Path, change: tuple[str, str], expected: list[str]) -> None:
    path = toy.folder / "environment.yaml"
    before = path.read_text()
    path.write_text(before.replace(*change))
    assert path.read_text() != before
    with pytest.raises(InputError) as caught:
        load(tmp_path)
    found = [str(problem).replace(str(path), "F") for problem in caught.value.problems]
    assert len(found) == len(expected)
    for problem, start in zip(found, expected, strict=True):
        assert problem.startswith(f"F{'' if start.startswith(':') else ':'}{start}")


def test_a_toolkit_without_a_source_is_its_lock(toy: Environment, tmp_path: Path) -> None:
    path = toy.folder / "environment.yaml"
    path.write_text(path.read_text().replace("source: {pypi: toy-kit==1.2}\n", ""))
    bare = load(tmp_path)
    build(bare)
    assert (bare.source, bare.state(), bare.toolkit_version()) == ({}, "ready", "toy")
    assert bare.lock_digest != toy.lock_digest


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("toy-kit==1.3", "installs toy-kit 1.2, not the toy-kit==1.3 of environment.yaml"),
        ("other-kit==1.2", "installs nothing of it, not the other-kit==1.2 of environment.yaml"),
    ],
)
def test_a_lock_of_another_release_is_told(toy: Environment, tmp_path: Path, source: str, said: str) -> None:
    path = toy.folder / "environment.yaml"
    path.write_text(path.read_text().replace("toy-kit==1.2", source))
    with pytest.raises(StageError, match="does not work") as caught:
        build(load(tmp_path))
    assert said in str(caught.value)
    assert load(tmp_path).state() == "missing"


def test_unknown_toolkit() -> None:
    with pytest.raises(InputError, match="did you mean `swift`"):
        Environment.load("swiftt")


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Has packages be installed that bring toolkits: by toolkit the package."""

    def installed(**packages: str) -> None:
        monkeypatch.syspath_prepend(str(tmp_path))
        for package in filter(str.isidentifier, packages.values()):
            (tmp_path / package).mkdir(exist_ok=True)
            (tmp_path / package / "__init__.py").write_text("raise SystemExit('nobody imports it for its place')")
        entries = [EntryPoint(*item, places.GROUP) for item in packages.items()]
        monkeypatch.setattr(places, "entry_points", lambda group: entries if group == places.GROUP else [])
        places.places.cache_clear()

    yield installed
    places.places.cache_clear()


def test_an_installed_package_brings_its_definition(
    install: Callable[..., None], toy: Environment, tmp_path: Path
) -> None:
    install(toy="toy_kit")
    shutil.copytree(toy.folder, tmp_path / "toy_kit", dirs_exist_ok=True)
    assert {"toy", "llamafactory"} <= set(toolkit_names())
    assert places.places()["toy"].module == "toy_kit"
    found = Environment.load("toy")
    assert found.folder == tmp_path / "toy_kit"
    assert found.venv == THIRD_PARTY / "toy" / ".venv", "an installed package's own folder may be read only"
    assert found.lock_digest == toy.lock_digest
    assert Environment.load("llamafactory").folder == THIRD_PARTY / "llamafactory"


def test_a_toolkit_that_is_brought_twice_is_told(install: Callable[..., None]) -> None:
    install(swift="other_swift")
    with pytest.raises(InputError, match=r"`swift` is brought twice, by .*swift and by ") as caught:
        Environment.load("swift")
    assert "other_swift" in str(caught.value)
    assert Environment.load("llamafactory").state(), "the others can be used"


@pytest.mark.parametrize(
    ("name", "package", "said"),
    [
        ("kit", "no_such_kit", "there is no package `no_such_kit`"),
        ("kit", "no_such_kit.inner", "there is no package `no_such_kit.inner`"),
        ("kit", "two words/odd", "there is no package `two words/odd`"),
        ("kit", "", "there is no package ``"),
        ("kit", "toy_kit:Engine", "there is no package `toy_kit:Engine`"),
        ("kit", "json.tool", "there is no package `json.tool`"),
        ("../kit", "toy_kit", "`../kit` cannot be a toolkit's name"),
        ("a kit", "toy_kit", "`a kit` cannot be a toolkit's name"),
    ],
)
def test_an_entry_point_that_is_wrong_stops_what_uses_it_alone(
    install: Callable[..., None], tmp_path: Path, name: str, package: str, said: str
) -> None:
    install(**{name: package, "toy": "toy_kit"})
    shutil.rmtree(tmp_path / "no_such_kit", ignore_errors=True)
    with pytest.raises(InputError) as caught:
        Environment.load(name)
    assert said in str(caught.value)
    assert f"`{name} = {package}`" in str(caught.value)
    assert places.place_of("toy").problem is None
    assert places.place_of("llamafactory").problem is None


def test_a_package_may_lie_within_another(install: Callable[..., None], tmp_path: Path) -> None:
    (tmp_path / "kits" / "one").mkdir(parents=True)
    (tmp_path / "kits" / "one" / "__init__.py").touch()
    install(one="kits.one")
    assert places.place_of("one").code == tmp_path / "kits" / "one"


def test_a_package_without_a_definition_is_told(install: Callable[..., None], tmp_path: Path) -> None:
    install(bare="bare_kit")
    with pytest.raises(InputError) as caught:
        Environment.load("bare")
    assert str(tmp_path / "bare_kit" / "environment.yaml") in str(caught.value)


def test_what_the_system_lacks(toy: Environment) -> None:
    assert toy.missing_needs() == ["`no-such-command` is missing (it plays): apt-get install toy"]


def test_every_toolkit_of_the_repository_is_pinned() -> None:
    assert "llamafactory" in toolkit_names()
    for name in toolkit_names():
        environment = Environment.load(name)
        lock = environment.lock.read_text()
        pins = [line for line in lock.splitlines() if line and not line.startswith((" ", "#", "-"))]
        assert pins
        assert all("==" in line for line in pins), "every package at one version"
        assert lock.count("--hash=sha256:") >= len(pins)
        assert environment.lock_digest != hashlib.sha256(b"").hexdigest()


def test_names_that_a_release_knows(tmp_path: Path) -> None:
    (tmp_path / "names.yaml").write_text('template: [qwen, "4"]\n')
    environment = Environment("x", tmp_path, "3.11", {"pypi": "x==1"}, "")
    assert environment.names("template") == ["qwen", "4"]
    assert environment.names("model_type") == []
    assert Environment("x", tmp_path / "none", "3.11", {"pypi": "x==1"}, "").names("template") == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("template: [qwen, 4]\n", "1:18: `template[1]` must be text, not the number 4\n    put it in quotes"),
        ("template: qwen\n", "1:11: `template` must be a list, not the text 'qwen'\n    write `[qwen]`"),
        ("- qwen\n", "1:1: a file of names is a mapping: lines of `key: value`"),
    ],
)
def test_names_that_are_none(tmp_path: Path, text: str, expected: str) -> None:
    (tmp_path / "names.yaml").write_text(text)
    with pytest.raises(InputError) as caught:
        Environment("x", tmp_path, "3.11", {"pypi": "x==1"}, "").names("template")
    assert str(caught.value) == f"{tmp_path}/names.yaml:{expected}"
