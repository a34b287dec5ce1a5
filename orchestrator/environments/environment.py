"""The toolkits' own virtual environments: built by uv from a hash-pinned lock, checked by importing what will be used.

``third_party/<name>/`` holds ``environment.yaml`` (python, source, check, needs), ``requirements.in`` and
``requirements.lock``; the environment itself is ``third_party/<name>/.venv``. Its stamp file is written last, after
the check passed, so an interrupted build never counts as ready. Everything a user sets for uv (indexes, proxies,
caches) passes through.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from orchestrator.environments import git_source
from orchestrator.errors import InputError, Problem, StageError, did_you_mean
from orchestrator.machine.checkout import THIRD_PARTY
from orchestrator.machine.files import atomic_write, read_json

CHECK_SECONDS = 600.0  # the first import compiles some ten thousand modules, on a slow disk for minutes
# what would lead the environment's interpreter, or uv, out of the environment
FOREIGN = ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "UV_PROJECT_ENVIRONMENT")
# what a failed build's log says -> what to do
REMEDIES = (
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

State = Literal["ready", "stale", "missing"]


@dataclass(frozen=True)
class Need:
    """A system command that the toolkit uses: its name, its Debian package and what it is for."""

    command: str
    package: str
    why: str


# folders that hold a folder for each toolkit
ROOTS: list[Path] = [THIRD_PARTY]


def toolkit_names(roots: Sequence[Path] | None = None) -> list[str]:
    """The toolkits that are defined in some folders (default: `ROOTS`), in alphabetical order."""
    return sorted({path.parent.name for root in roots or ROOTS for path in root.glob("*/environment.yaml")})


@dataclass(frozen=True)
class Environment:
    """One toolkit's environment; nothing here starts it except `build` and `check`."""

    name: str
    folder: Path
    python_version: str
    source: Mapping[str, Any]
    statements: str
    needs: tuple[Need, ...] = ()

    @classmethod
    def load(cls, name: str, root: Path = THIRD_PARTY) -> Environment:
        """Read ``<root>/<name>/environment.yaml``; `InputError` if there is none or if it is malformed."""
        import yaml

        path = root / name / "environment.yaml"
        if not path.is_file():
            known = toolkit_names([root])
            hint = did_you_mean(name, known) or f"there are {', '.join(known) or 'none'}"
            raise InputError(Problem(f"no toolkit environment `{name}`", str(root), hint))
        try:
            content = yaml.load(path.read_text(encoding="utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
            needs = tuple(Need(**need) for need in content.get("needs") or ())
            source = dict(content["source"])
            if not ("pypi" in source or {"git", "commit"} <= set(source)):
                raise ValueError("source must be {pypi: name==version} or {git: URL, commit: SHA}")
            if not isinstance(source.get("paths", []), list):
                raise ValueError("source.paths must be a list of the folders and files to check out")
            if "git" in source and not re.fullmatch(r"[0-9a-f]{40}", str(source["commit"])):
                raise ValueError("source.commit must be a full commit hash")
            return cls(name, path.parent, str(content["python"]), source, content["check"], needs)
        except (yaml.YAMLError, AttributeError, KeyError, TypeError, ValueError) as error:
            hint = "it needs python, source and check; see third_party/llamafactory/environment.yaml"
            raise InputError(Problem(f"not an environment: {error}", str(path), hint)) from error

    @property
    def venv(self) -> Path:
        """The folder of the virtual environment."""
        return self.folder / ".venv"

    @property
    def bin(self) -> Path:
        """The folder of its commands."""
        return self.venv / "bin"

    @property
    def python(self) -> Path:
        """Its interpreter; called directly, nothing is activated."""
        return self.bin / "python"

    @property
    def sources(self) -> Path:
        """Where a toolkit that comes from git is checked out: whole, or only the ``paths`` of its source."""
        return self.venv / "src" / self.name

    def deepspeed_file(self, value: str) -> Path | None:
        """The DeepSpeed JSON that a recipe means by a name (zero2, ...) or a path."""
        for path in (self.folder / "deepspeed" / f"{value}.json", Path(value)):
            if path.is_file():
                return path.resolve()
        return None

    @property
    def lock(self) -> Path:
        """The hash-pinned requirements."""
        return self.folder / "requirements.lock"

    @cached_property
    def lock_digest(self) -> str:
        """SHA-256 of all that decides what is installed: lock, Python version, source."""
        try:
            content = self.lock.read_bytes()
        except OSError as error:
            raise InputError(Problem(f"cannot read the lock: {error.strerror}", str(self.lock))) from error
        return sha256(content + json.dumps([self.python_version, dict(self.source)]).encode()).hexdigest()

    @property
    def _stamp(self) -> Path:
        return self.venv / "orchestrator.json"

    @property
    def _unfinished(self) -> Path:
        return self.venv / "unfinished"

    def state(self) -> State:
        """``ready``, ``stale`` (built from another lock) or ``missing`` (not built, or a build did not finish)."""
        stamp = read_json(self._stamp)
        if not isinstance(stamp, dict) or self._unfinished.exists() or not self.python.exists():
            return "missing"
        return "ready" if stamp.get("lock") == self.lock_digest else "stale"

    def toolkit_version(self) -> str:
        """Distribution and version of the installed toolkit, e.g. ``llamafactory 0.9.5``; empty if it is not installed.

        Read from the name of its dist-info folder: nothing is started.
        """
        distribution = self.source.get("distribution") or self.source.get("pypi", self.name).partition("==")[0]
        wanted = re.sub(r"[-_.]+", "_", distribution).lower()
        for path in self.venv.glob("lib/python*/site-packages/*.dist-info"):
            found, _, version = path.name.removesuffix(".dist-info").partition("-")
            if re.sub(r"[-_.]+", "_", found).lower() == wanted:
                return f"{distribution} {version}"
        return ""

    def missing_needs(self) -> list[str]:
        """System commands that are not there, each with its Debian package and what it is for."""
        return [
            f"`{need.command}` is missing ({need.why}): apt-get install {need.package}"
            for need in self.needs
            if not shutil.which(need.command)
        ]

    def check(self, seconds: float = CHECK_SECONDS) -> str:
        """Import in the environment what will be used: an empty string, or what is wrong and what to do."""
        if not self.python.exists():
            return f"not built; run: python -m orchestrator env build {self.name}"
        if "git" in self.source and (wrong := git_source.wrong(self.sources, self.source)):
            return f"{wrong}\n    rebuild it: python -m orchestrator env build {self.name} --force"
        argv = [str(self.python), "-c", self.statements]
        try:
            done = subprocess.run(
                argv,
                env=clean_environment(),
                cwd=self.venv,
                capture_output=True,
                text=True,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"its imports took more than {seconds:g} s; is the disk or the machine overloaded?"
        if done.returncode == 0:
            return ""
        last = done.stderr.strip().splitlines()[-1:] or [f"exit status {done.returncode}"]
        return f"{last[0]}\n    rebuild it: python -m orchestrator env build {self.name} --force"

    def build(self, log: Path, force: bool = False) -> None:
        """Make the environment unless it is ready; two builds wait for each other; an interrupted one is started over.

        All output goes to ``log`` (appended). Raises `StageError` with its last lines and what to do.
        """
        digest = self.lock_digest
        log.parent.mkdir(parents=True, exist_ok=True)
        with self._lock():
            if self.state() == "ready" and not force:
                return
            fresh = force or self._unfinished.exists()
            self._make_venv(log, fresh)
            self._unfinished.touch()
            self._stamp.unlink(missing_ok=True)
            if "git" in self.source:
                self._check_out(log)  # first: where it cannot be had, gigabytes of packages need not be downloaded
            self._uv(log, "pip", "sync", "--python", str(self.python), "--require-hashes", str(self.lock))
            if "git" in self.source:
                install = ("pip", "install", "--python", str(self.python), "--no-deps", "--no-build-isolation")
                self._uv(log, *install, "-e", str(self.sources))  # over the lock, which also holds its build backend
            problem = self.check()
            if problem:
                raise StageError(f"the environment was built but does not work: {problem}\n    log: {log}")
            atomic_write(self._stamp, json.dumps({"lock": digest, "python": self.python_version}) + "\n")
            self._unfinished.unlink()

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        # the definition itself is locked (opened for writing, which file locks on NFS ask for): no extra file lies
        # about
        with (self.folder / "environment.yaml").open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            # uv inherits it: were this process killed, nobody else would build until uv has ended, too
            os.set_inheritable(file.fileno(), True)
            yield

    def _make_venv(self, log: Path, fresh: bool) -> None:
        config = self.venv / "pyvenv.cfg"
        version = rf"^version(_info)? = {re.escape(self.python_version)}\b"
        usable = (
            config.is_file() and re.search(version, config.read_text(encoding="utf-8"), re.M) and self.python.exists()
        )
        if usable and not fresh:
            return  # uv changes only what differs
        self._uv(log, "venv", "--clear", "--no-project", "--python", self.python_version, str(self.venv))

    def _check_out(self, log: Path) -> None:
        """Download the pinned commit."""
        commands = git_source.fetching(self.sources, self.source)
        shutil.rmtree(self.sources, ignore_errors=True)
        self.sources.mkdir(parents=True)
        for command in commands:
            self._call(log, command)
        if problem := git_source.wrong(self.sources, self.source):
            raise StageError(problem)

    def _uv(self, log: Path, *arguments: str) -> None:
        import uv

        self._call(log, [str(uv.find_uv_bin()), *arguments])

    def _call(self, log: Path, argv: Sequence[str]) -> None:
        with log.open("ab") as file:
            file.write(f"$ {' '.join(argv)}\n".encode())
            file.flush()
            start = file.tell()
            env = clean_environment() | {"GIT_TERMINAL_PROMPT": "0"}  # git would ask, and wait, for a password
            done = subprocess.run(argv, env=env, stdout=file, stderr=subprocess.STDOUT, check=False,
                close_fds=False)  # fmt: skip
        if done.returncode:
            raise StageError(self._failure(log, start, argv, done.returncode))

    def _failure(self, log: Path, start: int, argv: Sequence[str], status: int) -> str:
        with log.open("rb") as file:
            file.seek(start)
            output = file.read().decode("utf-8", "replace")
        remedy = next((advice for signs, advice in REMEDIES if re.search(signs, output, re.IGNORECASE)), "read the log")
        tail = "\n".join(f"    | {line}" for line in output.strip().splitlines()[-12:])
        command = " ".join([Path(argv[0]).name, *argv[1:3]])
        return (
            f"building the environment `{self.name}` failed: `{command} ...` ended with status {status}\n{tail}\n"
            f"    log: {log}\n    {remedy}; then run the same command again"
        )


def clean_environment() -> dict[str, Any]:
    """The user's environment without what points to another Python environment."""
    return {name: value for name, value in os.environ.items() if name not in FOREIGN}
