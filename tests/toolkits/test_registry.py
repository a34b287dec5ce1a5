"""Toolkits from elsewhere that are broken: what uses one says so, and nothing else is stopped."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from orchestrator.environments import places
from orchestrator.errors import InputError
from orchestrator.launch import diagnose
from orchestrator.toolkits import registry
from tests import echo
from tests.running import call


@pytest.fixture
def kit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Path]]:
    """Installs a toolkit `kit` with this code, which is echo's in all else; returns its folder."""
    found = (places.places, registry.engine, registry.trainer)

    def installed(code: str) -> Path:
        name = f"kit_{abs(hash(code))}"  # imported once a process
        folder = shutil.copytree(echo.HERE / "mmla_echo", tmp_path / name)
        (folder / "__init__.py").write_text(code)
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.setattr(places, "entry_points", lambda group: [EntryPoint("kit", name, group)])
        for one in found:
            one.cache_clear()
        return folder

    yield installed
    for one in found:
        one.cache_clear()


@pytest.mark.parametrize(
    ("code", "line", "said"),
    [
        ("import no_such_module\n", 1, "No module named 'no_such_module'"),
        ("x = 1\ny =\n", 2, "SyntaxError: invalid syntax"),
        ("def f():\n    return undefined\nf()\n", 2, "NameError: name 'undefined' is not defined"),
        ("from pathlib import nothing_of_the_kind\n", 1, "cannot import name 'nothing_of_the_kind'"),
    ],
)
def test_a_package_that_cannot_be_imported(kit: Callable[[str], Path], code: str, line: int, said: str) -> None:
    folder = kit(code)
    for part in (registry.engine, registry.trainer):
        with pytest.raises(InputError) as caught:
            part("kit")
        assert str(caught.value).startswith(f"{folder}/__init__.py:{line}: the toolkit `kit` cannot be imported: ")
        assert said in str(caught.value)
    with pytest.raises(InputError, match="those that train: llamafactory, llava_next, swift, videollama2"):
        registry.trainer("openai_api")


def test_a_class_that_lacks_what_the_protocol_says(kit: Callable[[str], Path]) -> None:
    kit("class Engine:\n    def __init__(self, environment): self.name = self.environment = self.infer = 1\n")
    with pytest.raises(InputError) as caught:
        registry.engine("kit")
    assert "the Engine of the toolkit `kit` lacks generator, history, problems, sources, weights_problems" in str(
        caught.value
    )
    with pytest.raises(InputError, match="the toolkit `kit` trains nothing"):
        registry.trainer("kit")


@pytest.mark.parametrize(
    "code", ["class Engine: pass", "class Engine:\n    def __init__(self, environment): self.x = environment.nothing"]
)
def test_a_class_that_cannot_be_made(kit: Callable[[str], Path], code: str) -> None:
    kit(code)
    with pytest.raises(InputError, match="the Engine of the toolkit `kit` cannot be made with its environment: "):
        registry.engine("kit")


@pytest.mark.parametrize("code", ["import no_such_module", "x =", "class Engine: pass", "class Trainer: x = undefined"])
def test_runs_of_a_broken_toolkit_are_shown(kit: Callable[[str], Path], tmp_path: Path, code: str) -> None:
    kit(code)
    stage = tmp_path / "runs" / "mine" / "demo" / "train-0"
    stage.mkdir(parents=True)
    record = {"state": "failed", "stage": "train", "job": "demo", "toolkit": "kit", "error": "out of luck"}
    record["attempts"] = [{"started_at": "2026-01-01T00:00:00.100"}]
    (stage / "stage.json").write_text(json.dumps(record))
    (stage.parents[1] / "lock").touch()
    assert "out of luck" in call("status", "--runs-dir", tmp_path / "runs")
    assert "1 failed" in call("ls", "runs", "--runs-dir", tmp_path / "runs")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- {log: '[bad(', advice: x}\n", ":1:9: `[bad(` is no regular expression: unterminated character set"),
        ("- {lag: x, advice: x}\n", "unknown key `[0].lag`"),
        ("log: x\n", ":1:1: a file of known failures is a list"),
        ("- [\n", "this is not valid YAML"),
    ],
)
def test_wrong_known_failures_are_told_and_hide_no_failure(kit: Callable[[str], Path], text: str, said: str) -> None:
    (kit("") / diagnose.FILE).write_text(text)
    with pytest.raises(InputError) as caught:
        list(diagnose.known_failures("kit"))
    assert said in str(caught.value)
    assert "disk is full" in diagnose.advice("No space left on device", 1, "kit")
    assert diagnose.advice("nobody knows it", 1, "kit") == ""
