"""Building an environment with uv. Its stamp file is written last, after the check passed: an interrupted build never
counts as ready. Everything a user sets for uv (indexes, proxies, caches) passes through.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from orchestrator.environments import git_source
from orchestrator.environments.environment import Environment
from orchestrator.errors import InputError, StageError
from orchestrator.machine.environ import clean_environment
from orchestrator.machine.files import atomic_write
from orchestrator.machine.locks import waiting_lock
from orchestrator.machine.logs import tail
from orchestrator.machine.meter import Meter, written

SHOWN_LINES = 12  # of a failed command's output
# what a failed build's log says -> what to do
REMEDIES = (
    (
        r"not found in the provided package locations|there is no version of",
        "the folder of wheels lacks a package: docs/offline.md says how it is filled",
    ),
    (r"No space left|disk quota|os error 28", "free some disk space (UV_CACHE_DIR moves uv's cache to another disk)"),
    (
        r"hash(es)? mismatch|do(es)? not match",
        "a package differs from the locked one: check the index that UV_DEFAULT_INDEX names",
    ),
    (r"time(d)? ?out", "the network is slow: set UV_HTTP_TIMEOUT=300 (seconds)"),
    (
        r"error sending request|connect|dns error|resolve host|network|certificate|failed to (fetch|download)",
        "check the network; HTTPS_PROXY and UV_DEFAULT_INDEX are passed on to uv",
    ),
    (
        r"no interpreter found|No download found",
        "install that Python, or let uv download it (UV_PYTHON_DOWNLOADS=automatic)",
    ),
)


def build(environment: Environment, *, force: bool = False, wheels: Path | None = None) -> None:
    """Make an environment unless it is ready; two builds wait for each other; an interrupted one is started over.

    Args:
        environment: what to make.
        force: make it even if it is ready, from nothing.
        wheels: a folder that holds all packages of the lock and, of a toolkit that comes by git, its checkout under the
            toolkit's name: nothing is asked for over a network.

    Raises:
        InputError: it has no lock, or comes by git and there is none, or its folder cannot be written; or ``wheels``
            lacks the checkout.
        StageError: a command failed, or what was built does not work: the log's last lines and what to do.
    """
    digest = environment.lock_digest
    waiting = f"waiting for another process that builds the environment of {environment.name} ({environment.log})"
    with contextlib.ExitStack() as locks:
        try:
            environment.log.parent.mkdir(parents=True, exist_ok=True)
            lock = locks.enter_context(waiting_lock(environment.log, waiting))
        except OSError as error:
            hint = "build it where the checkout can be written, or use another checkout (git clone ..., make install)"
            message = f"the environment of {environment.name} cannot be built there: {error.strerror}"
            raise InputError(message, str(environment.log.parent), hint) from error
        # uv inherits it: were this process killed, nobody else would build until uv has ended, too
        os.set_inheritable(lock.fileno(), True)
        if environment.state() == "ready" and not force:
            return
        with Meter(f"building {environment.name}") as meter:
            _Build(environment, wheels, meter).do(fresh=force)
        atomic_write(environment.stamp, json.dumps({"lock": digest, "python": environment.python_version}) + "\n")
        environment.unfinished.unlink()


def _indexes() -> frozenset[str]:
    """The variables of uv and pip: they hold the keys of private indexes."""
    return frozenset(name for name in os.environ if name.startswith(("UV_", "PIP_")))


class _Build:
    """The steps of one build."""

    def __init__(self, environment: Environment, wheels: Path | None, meter: Meter):
        self.environment, self.log, self.wheels, self.meter = environment, environment.log, wheels, meter

    def do(self, *, fresh: bool) -> None:
        """All of them, and a look at what came of them."""
        environment, wheels = self.environment, self.wheels
        self.make_venv(fresh=fresh or environment.unfinished.exists())
        environment.unfinished.touch()
        environment.stamp.unlink(missing_ok=True)
        git, python = "git" in environment.source, str(environment.python)
        if git:
            self.check_out()  # first: where it cannot be had, gigabytes of packages need not be downloaded
        alone = ("--no-index", "--find-links", str(wheels.resolve())) if wheels else ()
        self.meter.doing = f"its {environment.lock.read_text('utf-8').count('==')} packages"
        self.uv("pip", "sync", *alone, "--python", python, "--require-hashes", str(environment.lock))
        if git:
            # over the lock, which also holds its build backend
            install = ("pip", "install", "--python", python, "--no-deps", "--no-build-isolation")
            self.uv(*install, "-e", str(environment.sources))
        self.meter.doing = "importing them"
        if problem := environment.check():
            raise StageError(f"the environment was built but does not work: {problem}\n    log: {environment.log}")
        self.meter.doing = "asking what it offers"
        if problem := environment.make_offers():
            with self.log.open("a", encoding="utf-8") as file:
                file.write(f"no table of what it offers could be made: {problem}\n")

    def make_venv(self, *, fresh: bool) -> None:
        environment = self.environment
        config = environment.venv / "pyvenv.cfg"
        version = rf"^version(_info)? = {re.escape(environment.python_version)}\b"
        usable = config.is_file() and re.search(version, config.read_text(encoding="utf-8"), re.M)
        if usable and environment.python.exists() and not fresh:
            return  # uv changes only what differs
        self.meter.doing = f"Python {environment.python_version}"
        self.uv("venv", "--clear", "--no-project", "--python", environment.python_version, str(environment.venv))

    def check_out(self) -> None:
        """Download the pinned commit, or copy it from the folder of wheels."""
        folder, source = self.environment.sources, self.environment.source
        self.meter.doing = "its source"
        if self.wheels:
            git_source.copy(self.wheels / self.environment.name, folder)
        else:
            commands = git_source.checkout_commands(folder, source)
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            for command in commands:
                self.call(command)
        if difference := git_source.difference(folder, source):
            raise StageError(difference)

    def uv(self, *arguments: str) -> None:
        import uv

        self.call([str(uv.find_uv_bin()), *arguments])

    def call(self, argv: Sequence[str]) -> None:
        with self.log.open("ab") as file:
            file.write(f"$ {' '.join(argv)}\n".encode())
            file.flush()
            start = file.tell()
            # else git would ask, and wait, for a password
            env = clean_environment(needed=_indexes()) | {"GIT_TERMINAL_PROMPT": "0"}
            if self.wheels:
                env["UV_OFFLINE"] = "1"
            # not in the user's folder, whose pyproject.toml or uv.toml uv would heed
            where = self.log.parent
            with subprocess.Popen(
                argv, env=env, cwd=where, stdout=file, stderr=subprocess.STDOUT, close_fds=False
            ) as process:
                self.meter.more = lambda: written(process.pid)
                try:
                    status = process.wait()
                except BaseException:
                    process.kill()
                    raise
                finally:
                    self.meter.more = str
        if status:
            raise StageError(self.failure(start, argv, status))

    def failure(self, start: int, argv: Sequence[str], status: int) -> str:
        output = tail(self.log, start)
        remedy = next((advice for signs, advice in REMEDIES if re.search(signs, output, re.IGNORECASE)), "read the log")
        shown = "\n".join(f"    | {line}" for line in output.strip().splitlines()[-SHOWN_LINES:])
        command = " ".join([Path(argv[0]).name, *argv[1:3]])
        return (
            f"building the environment `{self.environment.name}` failed: `{command} ...` ended with status {status}\n"
            f"{shown}\n    log: {self.log}\n    {remedy}; then run the same command again"
        )
