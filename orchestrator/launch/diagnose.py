"""What to do about a failed process: known failures, told from its log and its exit status."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path

from pydantic import Field, field_validator

from orchestrator.checked_yaml.files import load
from orchestrator.checked_yaml.section import Section, refuse
from orchestrator.environments.places import places
from orchestrator.errors import InputError

FILE = "failures.yaml"  # of any toolkit here, of one in its own folder
# the last line of a traceback, which torch may put a process's rank before; what torchrun raises tells of no cause
_ERROR = re.compile(r"(?:\[\w+\]:? ?)?((?!.*ChildFailedError)[\w.]*(?:Error|Exception)\b(?::.*)?)")
MOST_ERRORS = 3


class Failure(Section):
    """A known failure."""

    log: str = Field(description="a regular expression of what the log says, letter case ignored")
    advice: str = Field(description="what to do")

    @field_validator("log")
    @classmethod
    def _is_pattern(cls, value: str) -> str:
        try:
            re.compile(value, re.IGNORECASE)
        except re.error as error:
            message = f"`{value}` is no regular expression: {error}"
            raise refuse("", message, "put a \\ before what means itself") from None
        return value


def known_failures(toolkit: str | None = None) -> Iterator[Failure]:
    """The known failures, those of a toolkit first.

    Raises:
        InputError: a file of them is wrong.
    """
    return chain.from_iterable(map(_read, _files(toolkit)))


def _files(toolkit: str | None) -> list[Path]:
    place = places().get(toolkit or "")
    folders = (*([place.code] if place else []), Path(__file__).parent)
    return [folder / FILE for folder in folders if (folder / FILE).is_file()]


def _read(file: Path) -> tuple[Failure, ...]:
    return load(file, tuple[Failure, ...], "a file of known failures")


def errors(text: str, shown: str) -> list[str]:
    """The first errors that a log tells of, where its end, which is shown, has none: launchers write theirs below.

    Args:
        text: the log, or much of it.
        shown: its last lines.
    """
    if _errors(shown):
        return []
    return _errors(text)[:MOST_ERRORS]


def _errors(text: str) -> list[str]:
    return list(dict.fromkeys(found[1] for line in text.splitlines() if (found := _ERROR.fullmatch(line.strip()))))


def advice(text: str, exit_code: int | None, toolkit: str | None = None) -> str:
    """What to do about a failure, or an empty string where it is none of the known ones.

    Args:
        text: the end of the process's log.
        exit_code: as `subprocess` gives it: negative is the signal that ended the process.
        toolkit: whose process it was.
    """
    for file in _files(toolkit):
        with suppress(InputError):  # told before a run starts; here it would hide what failed
            for known in _read(file):
                if re.search(known.log, text, re.IGNORECASE):
                    return known.advice
    if exit_code in (-9, 137):
        return (
            "it was killed from outside (SIGKILL), mostly by the kernel when memory ran out: see `dmesg`; "
            "the same command goes on from the last checkpoint"
        )
    return ""
