"""A toolkit that a package from elsewhere brings: installed, listed, its environment built, a recipe run over it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import uv

from tests import echo
from tests.run.place import Place
from tests.shared import ROOT


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of installed packages, with the one that brings echo."""
    folder = tmp_path_factory.mktemp("installed")
    source = shutil.copytree(echo.HERE, folder / "source", ignore=shutil.ignore_patterns("*.dist-info"))
    argv = [
        uv.find_uv_bin(),
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--python",
        sys.executable,
    ]
    subprocess.run([*argv, "--target", str(folder / "site"), str(source)], check=True)
    shutil.rmtree(source)
    return folder / "site"


def orchestrator(site: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"PYTHONPATH": str(site)}
    argv = [sys.executable, "-m", "orchestrator", *map(str, arguments)]
    return subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True)


def test_an_installed_toolkit_is_one_like_the_others(site: Path, place: Place) -> None:
    assert "unknown toolkit `echo`" in orchestrator(site.parent, "validate", place.recipe).stderr
    assert orchestrator(site, "env", "build", "echo", "--force").stdout.endswith("echo: ready\n")
    (listed,) = [row for row in json.loads(orchestrator(site, "env", "list", "--json").stdout) if row["name"] == "echo"]
    assert (listed["state"], listed["version"]) == ("ready", "mmla-echo 1")
    assert Path(listed["folder"]) == site / "mmla_echo"
    done = orchestrator(site, "run", place.recipe, "--runs-dir", place.folder / "runs", "--results-dir", place.folder)
    assert done.returncode == 0, done.stderr
    row = place.rows()["demo"]
    assert (row["toolkit"], row["toolkit_version"], row["error"]) == ("echo", "mmla-echo 1", 0)
    program = place.stage("train")["argv"][2]
    assert Path(program) == site / "mmla_echo" / "inside" / "program.py"


def test_its_own_known_failures_are_advised(site: Path, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECHO_DO", "fail:train=2")
    done = orchestrator(site, "run", place.recipe, "--runs-dir", place.folder / "runs", "--results-dir", place.folder)
    assert done.returncode == 1
    assert "what to do: take it out of ECHO_DO" in done.stdout


def test_wrong_known_failures_are_told_before_anything_starts(site: Path, place: Place, tmp_path: Path) -> None:
    broken = shutil.copytree(site, tmp_path / "broken")
    (broken / "mmla_echo" / "failures.yaml").write_text("- {log: '*', advice: none}\n")
    done = orchestrator(broken, "run", place.recipe, "--runs-dir", place.folder / "runs", "--results-dir", place.folder)
    assert (done.returncode, place.folders()) == (2, set())
    assert "failures.yaml:1:9: `*` is no regular expression" in done.stderr
