"""Environments with a stand-in for uv: what is built when, and what is said when it goes wrong."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from orchestrator.environments import environment as environments
from orchestrator.environments.build import build
from orchestrator.environments.environment import Environment, toolkit_names
from orchestrator.errors import InputError, StageError
from orchestrator.machine.environ import clean_environment
from tests.shared import needs_git

DEFINITION = """
python: "{python}"
source: {{pypi: toy-kit==1.2}}
check: import json
needs:
  - {{command: no-such-command, package: toy, why: it plays}}
"""
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
# makes a virtual environment by links, and "installs" by writing the dist-info
UV = f"""#!{sys.executable}
import os, pathlib, sys, time
with open(os.environ["UV_CALLS"], "a") as calls:
    calls.write(" ".join(sys.argv[1:3]) + "\\n")
print(os.environ.get("UV_SAYS", "fine"), flush=True)
if "UV_FAILS" in os.environ and sys.argv[1] == os.environ["UV_FAILS"]:
    sys.exit(2)
if sys.argv[1] == "venv":
    venv = pathlib.Path(sys.argv[-1])
    (venv / "bin").mkdir(parents=True, exist_ok=True)
    (venv / "pyvenv.cfg").write_text("version_info = {PYTHON}.1\\n")
    (venv / "bin" / "python").unlink(missing_ok=True)
    (venv / "bin" / "python").symlink_to({sys.executable!r})
else:
    time.sleep(float(os.environ.get("UV_SECONDS", "0")))
    venv = pathlib.Path(sys.argv[sys.argv.index("--python") + 1]).parent.parent
    (venv / "lib/python3.11/site-packages/toy_kit-1.2.dist-info").mkdir(parents=True, exist_ok=True)
"""


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    folder = tmp_path / "third_party" / "toy"
    folder.mkdir(parents=True)
    (folder / "environment.yaml").write_text(DEFINITION.format(python=PYTHON))
    (folder / "requirements.lock").write_text("toy-kit==1.2 --hash=sha256:00\n")
    binary = tmp_path / "uv"
    binary.write_text(UV)
    binary.chmod(0o755)
    monkeypatch.setattr("uv.find_uv_bin", lambda: str(binary))
    monkeypatch.setenv("UV_CALLS", str(tmp_path / "calls"))
    return load(tmp_path)


def load(tmp_path: Path) -> Environment:
    return Environment.load("toy", tmp_path / "third_party")


def calls(tmp_path: Path) -> list[str]:
    return (tmp_path / "calls").read_text().splitlines()


def test_built_once_then_ready(toy: Environment, tmp_path: Path) -> None:
    assert (toy.state(), toy.toolkit_version()) == ("missing", "")
    assert "not built" in toy.check()
    build(toy, tmp_path / "logs" / "build.log")
    assert (toy.state(), toy.toolkit_version()) == ("ready", "toy-kit 1.2")
    assert toy.check() == ""
    assert calls(tmp_path) == ["venv --clear", "pip sync"]
    build(toy, tmp_path / "logs" / "build.log")
    assert len(calls(tmp_path)) == 2
    build(toy, tmp_path / "logs" / "build.log", force=True)
    assert calls(tmp_path)[2:] == ["venv --clear", "pip sync"]


def test_another_lock_is_stale_and_only_synced(toy: Environment, tmp_path: Path) -> None:
    build(toy, tmp_path / "log")
    toy.lock.write_text("toy-kit==1.3\n")
    changed = load(tmp_path)
    assert changed.state() == "stale"
    assert changed.lock_digest != toy.lock_digest
    build(changed, tmp_path / "log")
    assert changed.state() == "ready"
    assert calls(tmp_path)[2:] == ["pip sync"]


def test_another_python_is_built_anew(toy: Environment, tmp_path: Path) -> None:
    build(toy, tmp_path / "log")
    (toy.folder / "environment.yaml").write_text(DEFINITION.format(python="3.99"))
    changed = load(tmp_path)
    assert changed.state() == "stale"
    build(changed, tmp_path / "log")
    assert calls(tmp_path)[2:] == ["venv --clear", "pip sync"]


@pytest.mark.parametrize("step", ["venv", "pip"])
def test_a_build_that_fails_is_not_ready_and_starts_over(
    toy: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    build(toy, tmp_path / "log")
    monkeypatch.setenv("UV_FAILS", step)
    with pytest.raises(StageError):
        build(toy, tmp_path / "log", force=True)
    assert toy.state() == ("ready" if step == "venv" else "missing")
    monkeypatch.delenv("UV_FAILS")
    build(toy, tmp_path / "log", force=step == "venv")
    assert calls(tmp_path)[-2:] == ["venv --clear", "pip sync"]
    assert toy.state() == "ready"


def test_killed_in_the_middle(toy: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = (
        "import sys, pathlib\nfrom unittest import mock\n"
        "from orchestrator.environments.build import build\n"
        "from orchestrator.environments.environment import Environment\n"
        "root, uv, log = map(pathlib.Path, sys.argv[1:])\n"
        "with mock.patch('uv.find_uv_bin', lambda: str(uv)): build(Environment.load('toy', root), log)"
    )
    argv = [sys.executable, "-c", program, str(tmp_path / "third_party"), str(tmp_path / "uv"), str(tmp_path / "log")]
    child = subprocess.Popen(argv, env=os.environ | {"UV_SECONDS": "60"}, start_new_session=True)
    deadline = time.monotonic() + 30
    while not (tmp_path / "calls").exists() or len(calls(tmp_path)) < 2:
        assert time.monotonic() < deadline, "the build did not begin"
        time.sleep(0.05)
    os.killpg(child.pid, 9)
    child.wait()
    assert toy.state() == "missing"
    build(toy, tmp_path / "log")
    assert toy.state() == "ready"
    assert calls(tmp_path)[2:] == ["venv --clear", "pip sync"]


def test_two_builds_wait_for_each_other(toy: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_SECONDS", "0.3")
    arguments = [(load(tmp_path), tmp_path / f"log{number}") for number in range(2)]
    threads = [threading.Thread(target=build, args=both) for both in arguments]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert calls(tmp_path) == ["venv --clear", "pip sync"]


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ("error: failed to write: No space left on device (os error 28)", "disk space"),
        ("error: Failed to download torch: operation timed out", "UV_HTTP_TIMEOUT"),
        ("error: error sending request for url", "HTTPS_PROXY"),
        ("error: Hash mismatch for torch==2.11.0", "UV_DEFAULT_INDEX"),
        ("error: something new", "read the log"),
    ],
)
def test_failures_say_what_to_do(
    toy: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, advice: str
) -> None:
    monkeypatch.setenv("UV_FAILS", "pip")
    monkeypatch.setenv("UV_SAYS", said)
    with pytest.raises(StageError) as caught:
        build(toy, tmp_path / "log")
    message = str(caught.value)
    assert said in message
    assert advice in message
    assert str(tmp_path / "log") in message
    assert "run the same command again" in message
    assert "pip sync" in (tmp_path / "log").read_text()


def test_an_environment_that_cannot_import_is_not_ready(toy: Environment, tmp_path: Path) -> None:
    text = (toy.folder / "environment.yaml").read_text().replace("import json", "import nothing_like_it")
    (toy.folder / "environment.yaml").write_text(text)
    broken = load(tmp_path)
    with pytest.raises(StageError, match="No module named 'nothing_like_it'"):
        build(broken, tmp_path / "log")
    assert broken.state() == "missing"


def test_a_check_has_a_time_limit(toy: Environment, tmp_path: Path) -> None:
    build(toy, tmp_path / "log")
    text = (toy.folder / "environment.yaml").read_text().replace("import json", "import time; time.sleep(30)")
    (toy.folder / "environment.yaml").write_text(text)
    assert "more than 0.2 s" in load(tmp_path).check(seconds=0.2)


@needs_git
def test_from_git_at_a_commit(toy: Environment, tmp_path: Path) -> None:
    upstream = tmp_path / "upstream"
    upstream.mkdir()
    git = ["git", "-C", str(upstream), "-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run([*git, "init", "--quiet"], check=True)
    subprocess.run([*git, "config", "uploadpack.allowAnySHA1InWant", "true"], check=True)
    (upstream / "kit.py").write_text("one = 1\n")
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "--quiet", "-m", "one"], check=True)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    source = f"{{git: 'file://{upstream}', commit: {commit}}}"
    text = DEFINITION.format(python=PYTHON).replace("{pypi: toy-kit==1.2}", source)
    (toy.folder / "environment.yaml").write_text(text)
    fetched = load(tmp_path)
    build(fetched, tmp_path / "log")
    assert (fetched.sources / "kit.py").read_text() == "one = 1\n"
    assert calls(tmp_path) == ["venv --clear", "pip sync", "pip install"]
    assert fetched.check() == ""
    (fetched.sources / "kit.py").write_text("one = 2\n")
    assert "kit.py was changed" in fetched.check()
    names = {f"GIT_{who}_{what}": "t" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    commit_all = ["git", "-C", str(fetched.sources), "commit", "-qam", "two"]
    subprocess.run(commit_all, check=True, env=os.environ | names)
    assert f"asked for commit {commit}" in fetched.check()
    (toy.folder / "environment.yaml").write_text(text.replace(commit, "f" * 40))
    with pytest.raises(StageError, match="git -C"):
        build(load(tmp_path), tmp_path / "log")


@needs_git
def test_only_the_paths_that_are_named_come_from_git(toy: Environment, tmp_path: Path) -> None:
    upstream = tmp_path / "upstream"
    (upstream / "docs").mkdir(parents=True)
    git = ["git", "-C", str(upstream), "-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run([*git, "init", "--quiet"], check=True)
    subprocess.run([*git, "config", "uploadpack.allowFilter", "true"], check=True)
    subprocess.run([*git, "config", "uploadpack.allowAnySHA1InWant", "true"], check=True)
    (upstream / "kit.py").write_text("one = 1\n")
    (upstream / "docs" / "film.mp4").write_text("gigabytes")
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "--quiet", "-m", "one"], check=True)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    source = f"{{git: 'file://{upstream}', commit: {commit}, paths: [kit.py]}}"
    text = DEFINITION.format(python=PYTHON).replace("{pypi: toy-kit==1.2}", source)
    (toy.folder / "environment.yaml").write_text(text)
    fetched = load(tmp_path)
    build(fetched, tmp_path / "log")
    assert {path.name for path in fetched.sources.iterdir()} == {".git", "kit.py"}
    assert fetched.check() == ""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("source: {pypi: toy-kit==1.2}", "source: {git: x, commit: main, paths: a}"), "source.paths must be a list"),
        (("source: {pypi: toy-kit==1.2}", "source: {svn: x}"), "source must be"),
        (("source: {pypi: toy-kit==1.2}", "source: {git: x, commit: main}"), "full commit hash"),
        (("check: import json", ""), "'check'"),
        (("why: it plays", "reason: it plays"), "reason"),
        (("python:", "python: ["), "not valid YAML"),
    ],
)
def test_malformed_definitions(toy: Environment, tmp_path: Path, change: tuple[str, str], message: str) -> None:
    path = toy.folder / "environment.yaml"
    path.write_text(path.read_text().replace(*change))
    with pytest.raises(InputError) as caught:
        load(tmp_path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


def test_unknown_toolkit(toy: Environment, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="did you mean `toy`"):
        Environment.load("toyy", tmp_path / "third_party")


def test_a_toolkit_from_another_folder(toy: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environments, "ROOTS", [*environments.ROOTS, tmp_path / "third_party"])
    assert {"toy", "llamafactory"} <= set(toolkit_names())
    assert Environment.load("toy") == toy
    assert Environment.load("llamafactory").folder.name == "llamafactory"


def test_what_the_system_lacks(toy: Environment) -> None:
    assert toy.missing_needs() == ["`no-such-command` is missing (it plays): apt-get install toy"]


def test_the_users_settings_pass_and_foreign_pythons_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_HTTP_TIMEOUT", "300")
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    env = clean_environment()
    assert env["UV_HTTP_TIMEOUT"] == "300"
    assert "PYTHONPATH" not in env


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
