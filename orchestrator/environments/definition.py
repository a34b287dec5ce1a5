"""What the definition of an environment, ``environment.yaml``, may say."""

from __future__ import annotations

import re

from pydantic import Field, model_validator

from orchestrator.checked_yaml.section import Section, refuse

_ORIGINS = "write {pypi: name==version}, or {git: URL, commit: SHA} and perhaps `paths`"


class Need(Section):
    """A system command that the toolkit uses: its name, its Debian package and what it is for."""

    command: str
    package: str
    why: str


class Source(Section):
    """Where a toolkit comes from: the package index, or a commit of a git repository."""

    pypi: str | None = None
    git: str | None = Field(None, min_length=1)
    commit: str | None = None
    distribution: str | None = Field(None, min_length=1)
    paths: tuple[str, ...] = Field((), min_length=1)

    @model_validator(mode="after")
    def _one_origin(self) -> Source:
        if (self.pypi is None) == (self.git is None):
            raise refuse("pypi", "`source` must give either `pypi` or `git`", _ORIGINS)
        if self.pypi is not None and not re.fullmatch(r"[\w.-]+==[\w.+!]+", self.pypi):
            raise refuse("pypi", f"`{self.pypi}` is no pinned version", "write name==version")
        if self.git and self.commit is None:
            raise refuse("git", "`source.commit` is missing", _ORIGINS)
        if self.commit is not None and not re.fullmatch(r"[0-9a-f]{40}", self.commit):
            raise refuse("commit", f"`{self.commit}` is no full commit hash", "write all of its 40 hex digits")
        if self.pypi is not None and (self.commit or self.paths):
            raise refuse("commit paths", "`commit` and `paths` are for a source from `git`", _ORIGINS)
        return self


class Definition(Section):
    """What ``environment.yaml`` holds: see `Environment`."""

    python: str = Field(min_length=1)
    source: Source | None = None
    check: str = Field(min_length=1)
    needs: tuple[Need, ...] = ()
    for_sound: tuple[str, ...] = Field((), description="packages of the lock that only models use which hear")
