"""The toolkits' own virtual environments: how they are defined, whether they are built, whether they work.

A toolkit's definition is ``environment.yaml`` (python, source, check, needs), ``requirements.in``,
``requirements.lock``, perhaps ``offers.yaml`` and others; the environment itself is ``third_party/<name>/.venv``.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from orchestrator.checked_yaml.files import load
from orchestrator.environments import git_source
from orchestrator.environments.definition import Definition, Need
from orchestrator.environments.offers import Broken, Installed, Offers, broken, make, offers
from orchestrator.environments.places import DEFINITION, place_of
from orchestrator.errors import InputError
from orchestrator.machine.environ import clean_environment
from orchestrator.machine.files import read_json

CHECK_SECONDS = 600.0  # the first import compiles some ten thousand modules, on a slow disk for minutes
State = Literal["ready", "stale", "missing"]


@dataclass(frozen=True)
class Environment:
    """One toolkit's environment; nothing here starts it except `check`.

    Attributes:
        name: the toolkit's.
        folder: that of its definition and its lock.
        python_version: as uv takes it, e.g. ``3.11``.
        source: ``{pypi: name==version}``, or ``{git: URL, commit: SHA}`` and perhaps ``paths``; in both perhaps
            ``distribution``, where that is not the name. Empty: the lock is all there is.
        statements: the Python that the check runs.
        needs: commands that must be on the machine.
        for_sound: packages of the lock that only models use which hear.
        built: the folder in which it is built.
        package: the installed package that brings the toolkit, with its version; empty where none does.
        code: the folder of the toolkit's code.
    """

    name: str
    folder: Path
    python_version: str
    source: Mapping[str, Any]
    statements: str
    needs: tuple[Need, ...] = ()
    for_sound: tuple[str, ...] = ()
    built: Path | None = None
    package: str = ""
    code: Path | None = None

    @classmethod
    def load(cls, name: str) -> Environment:
        """The environment of a toolkit, as its definition says.

        Raises:
            InputError: there is none, or it is malformed.
        """
        place = place_of(name)
        return cls.read(name, place.definition, place.built, place.package, place.code)

    @classmethod
    def read(
        cls, name: str, folder: Path, built: Path | None = None, package: str = "", code: Path | None = None
    ) -> Environment:
        """Read the ``environment.yaml`` in a folder; the environment is built there, or in the folder ``built``.

        Raises:
            InputError: there is none, or it is malformed.
        """
        path = folder / DEFINITION
        held = load(path, Definition, "the definition of an environment")
        source = held.source.model_dump(mode="json", exclude_unset=True) if held.source else {}
        needs = held.needs, held.for_sound
        return cls(name, folder, held.python, source, held.check, *needs, built or folder, package, code)

    @property
    def venv(self) -> Path:
        """The folder of the virtual environment."""
        return (self.built or self.folder) / ".venv"

    @property
    def log(self) -> Path:
        """Where a build writes."""
        return self.venv.with_name("build.log")

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

    @cached_property
    def installed(self) -> Installed:
        """What is installed in it or, where it is to be built yet, what its lock says."""
        return Installed(self.venv, self.lock, ready=self.state() == "ready")

    @cached_property
    def offers(self) -> Offers | None:
        """What the toolkit offers at these versions; none: not known.

        Raises:
            InputError: the table in its folder is no YAML, or holds something else.
        """
        return offers(self.folder, self.installed)

    @cached_property
    def broken(self) -> Sequence[Broken]:
        """What is known not to work of that.

        Raises:
            InputError: the file is no YAML, or holds something else.
        """
        return broken(self.folder, self.installed)

    def make_offers(self, seconds: float = CHECK_SECONDS) -> str:
        """Make the table of what it offers inside it; why that failed, or an empty string."""
        return make(self.python, self.code, self.venv, seconds)

    def names(self, kind: str) -> list[str]:
        """Names that a recipe may say of the toolkit, from its folder's ``names.yaml``; none: not known.

        Raises:
            InputError: the file is no YAML, or holds no lists of names.
        """
        return list(self._names.get(kind, ()))

    @cached_property
    def _names(self) -> dict[str, tuple[str, ...]]:
        file = self.folder / "names.yaml"
        return load(file, dict[str, tuple[str, ...]], "a file of names") if file.exists() else {}

    @property
    def lock(self) -> Path:
        """The hash-pinned requirements."""
        return self.folder / "requirements.lock"

    @cached_property
    def lock_digest(self) -> str:
        """SHA-256 (hex) of all that decides what is installed: lock, Python version, source.

        Raises:
            InputError: there is no lock.
        """
        try:
            content = self.lock.read_bytes()
        except OSError as error:
            raise InputError(f"cannot read the lock: {error.strerror}", str(self.lock)) from error
        return sha256(content + json.dumps([self.python_version, dict(self.source)]).encode()).hexdigest()

    @property
    def stamp(self) -> Path:
        """A JSON file that says from which lock it was built."""
        return self.venv / "orchestrator.json"

    @property
    def unfinished(self) -> Path:
        """A file that is there while it is built."""
        return self.venv / "unfinished"

    def state(self) -> State:
        """``ready``, ``stale`` (built from another lock) or ``missing`` (not built, or a build did not finish)."""
        stamp = read_json(self.stamp)
        if not isinstance(stamp, dict) or self.unfinished.exists() or not self.python.exists():
            return "missing"
        return "ready" if stamp.get("lock") == self.lock_digest else "stale"

    def toolkit_version(self) -> str:
        """Distribution and version of the installed toolkit, e.g. ``llamafactory 0.9.5``; empty if it is not installed.

        Read from the name of its dist-info folder: nothing is started. Of a toolkit without a source, the package
        that brings it.
        """
        if not self.source:
            return self.package or self.name
        distribution = self.source.get("distribution") or self.source.get("pypi", self.name).partition("==")[0]
        wanted = re.sub(r"[-_.]+", "_", distribution).lower()
        for path in self.venv.glob("lib/python*/site-packages/*.dist-info"):
            found, _, version = path.name.removesuffix(".dist-info").partition("-")
            if re.sub(r"[-_.]+", "_", found).lower() == wanted:
                return f"{distribution} {version}"
        return ""

    @property
    def release(self) -> str:
        """Name and version of the toolkit that its definition pins, as messages have them: ``ms-swift 4.6.0``."""
        name, _, version = str(self.source.get("pypi", self.name)).partition("==")
        return f"{name} {version}".strip()

    def _other_release(self) -> str:
        """What is installed in place of the release that `source` names, and what to do; empty where that is it."""
        release = self.source["pypi"].partition("==")[2]
        found = self.toolkit_version()
        if found.rpartition(" ")[2] == release:
            return ""
        return (
            f"{self.lock} installs {found or 'nothing of it'}, not the {self.source['pypi']} of {DEFINITION}\n"
            "    make the lock again from requirements.in, or name there what it holds"
        )

    def missing_needs(self) -> list[str]:
        """System commands that are not there, each with its Debian package and what it is for."""
        return [
            f"`{need.command}` is missing ({need.why}): apt-get install {need.package}"
            for need in self.needs
            if not shutil.which(need.command)
        ]

    def check(self, seconds: float = CHECK_SECONDS) -> str:
        """Import in the environment what will be used.

        Args:
            seconds: how long that may take.

        Returns:
            An empty string, or what is wrong and what to do.
        """
        if not self.python.exists():
            return f"not built; run: python -m orchestrator env build {self.name}"
        if "git" in self.source and (difference := git_source.difference(self.sources, self.source)):
            return f"{difference}\n    rebuild it: python -m orchestrator env build {self.name} --force"
        if "pypi" in self.source and (difference := self._other_release()):
            return difference
        argv, env = [str(self.python), "-c", self.statements], clean_environment()
        try:
            done = subprocess.run(argv, env=env, cwd=self.venv, capture_output=True, text=True, timeout=seconds)
        except subprocess.TimeoutExpired:
            return f"its imports took more than {seconds:g} s; is the disk or the machine overloaded?"
        if done.returncode == 0:
            return ""
        last = done.stderr.strip().splitlines()[-1:] or [f"exit status {done.returncode}"]
        return f"{last[0]}\n    rebuild it: python -m orchestrator env build {self.name} --force"
