"""The few errors that reach a user. Every message says what was wrong, where, and what to do."""

from __future__ import annotations

import difflib
import errno
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MOST_PROBLEMS = 20  # shown of one file: more of the same does not help
# printable by Python's account, and yet blank on a screen: fillers, and selectors of variants
_BLANK = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\ufe00-\ufe0f]")


# what is a secret by its form: a login in an address, a private key, and how those who give keys write theirs
SECRETS = re.compile(
    r"(?P<login>//[^/\s?#@]+@)|-----BEGIN [A-Z ]*PRIVATE KEY|(?P<scheme>\bbearer\s+)[\w+/.~=-]*\d[\w+/.~=-]{7,}"
    r"|(?P<header>\bauthorization[\"']?\s*[:=]\s*[\"']?)(?!\*)(\w+\s+)?[^\s\"',}]{4,}"
    r"|(?<![\w/-])(hf_[A-Za-z0-9]{16,}|sk-(?=[\w-]*\d)[\w-]{16,}|gh[oprsu]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}"
    r"|(AKIA|ASIA)[0-9A-Z]{16}|xox[abeoprs]-[\w-]{10,}|AIza[\w-]{30,}|eyJ[\w-]{10,}\.eyJ[\w-]{10,}[\w.-]*)",
    re.IGNORECASE,
)
# what a terminal obeys, or what turns the order of what is read around: all controls but tabs and line ends
_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\U000e0000-\U000e007f]")
_COLOURS = re.compile("\x1b\\[[0-9;:]*m")


def masked(text: str) -> str:
    """A text with ``***`` in the place of what is a secret by its form."""

    def mask(found: re.Match[str]) -> str:
        if found["login"]:
            return "//***@"
        return f"{found['scheme'] or found['header'] or ''}***"

    return SECRETS.sub(mask, text)


def obeyed(text: str) -> bool:
    """Whether a text holds what a terminal would obey, or what would be read in another order than it stands in."""
    return not (text.isascii() and text.isprintable()) and _OBEYED.search(text) is not None


def harmless(text: str) -> str:
    """A text of others' (answers, utterances, logs) for a terminal: ``<U+001B>`` stands for what it would obey.

    Colours, which most logs are full of, are left out.
    """
    if not obeyed(text):
        return text
    return _OBEYED.sub(lambda found: f"<{_code(found[0])}>", _COLOURS.sub("", text))


def hidden(text: str) -> list[str]:
    """The characters of a text that cannot be seen, or not be told from a space, each once; line breaks are none."""
    if text.isascii() and text.isprintable():
        return []
    return [char for char in dict.fromkeys(text) if not (char.isprintable() or char == "\n") or _BLANK.match(char)]


def visible(text: str) -> str:
    """A text in which ``<U+200B>`` stands for a character that cannot be seen."""
    return text.translate({ord(char): f"<{_code(char)}>" for char in hidden(text)})


def short(text: str, most: int = 60) -> str:
    """The same on one line, of at most so many characters."""
    shown = visible(text[:most]).replace("\n", "<U+000A>")
    return shown if len(text) <= most and len(shown) <= most else f"{shown[:most]}..."


def hidden_hint(text: str) -> str:
    """What to do about a text's invisible characters: an empty string where it holds none."""
    if not (found := hidden(text)):
        return ""
    spaces = [char for char in found if unicodedata.category(char) == "Zs"]
    parts = (("remove ", [char for char in found if char not in spaces]), ("write a plain space for ", spaces))
    return "; ".join(what + ", ".join(map(_named, chars)) for what, chars in parts if chars)


def _named(char: str) -> str:
    return f"{_code(char)} ({unicodedata.name(char, 'a control character').lower()})"


def _code(char: str) -> str:
    return f"U+{ord(char):04X}"


@dataclass(frozen=True)
class Problem:
    """One thing wrong with the input: what, where (``file:line:column`` or a path) and what to do."""

    message: str
    where: str = ""
    hint: str = ""

    def __str__(self) -> str:
        text = f"{self.where}: {self.message}" if self.where else self.message
        return visible(masked(f"{text}\n    {self.hint}" if self.hint else text))


class OrchestratorError(Exception):
    """Base of every error that is shown as a message, not as a traceback."""

    exit_code = 1


class InputError(OrchestratorError):
    """The input is wrong: all problems found, before anything is launched (exit status 2).

    Args:
        problems: all of them; or the message of the only one, followed by its ``where`` and ``hint``.
        where: see `Problem`.
        hint: see `Problem`.
    """

    exit_code = 2

    def __init__(self, problems: Sequence[Problem] | Problem | str, where: str = "", hint: str = ""):
        if isinstance(problems, str):
            problems = Problem(problems, where, hint)
        self.problems: tuple[Problem, ...] = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


class StageError(OrchestratorError):
    """A stage failed: the message holds the last lines of its log, where the log is, and what to do.

    ``exit_status``: of its process, where one ended badly (negative: the signal).
    """

    def __init__(self, message: str, exit_status: int | None = None):
        super().__init__(message)
        self.exit_status = exit_status


class Interrupted(OrchestratorError):
    """The user (or the system) asked the run to stop (exit status 130)."""

    exit_code = 130


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``did you mean `x`?`` for the closest known word, or an empty string when nothing is close."""
    names = list(known)
    folded = {name.casefold(): name for name in names}
    close = difflib.get_close_matches(word.casefold(), folded, n=1, cutoff=0.6)
    if not close:
        return ""
    # a Cyrillic letter looks like a Latin one
    seen = (char for char in dict.fromkeys(word) if char not in hidden(word))
    alike = [char for char in seen if not char.isascii() and char not in "".join(names)]
    holds = f" What is there holds {', '.join(map(_named, alike))}." if alike else ""
    return f"did you mean `{folded[close[0]]}`?{holds}"


def unknown(what: str, value: str, known: Iterable[str], where: str = "") -> Problem:
    """The problem of a name that does not exist; its hint is the closest known one, or all.

    It also names invisible characters, of which nothing is seen in a terminal.
    """
    names = list(known)
    near = did_you_mean(value, names) or f"known: {', '.join(names)}"
    return Problem(f"unknown {what} `{value}`", where, "; ".join(filter(None, (hidden_hint(value), near))))


def one_of(what: str, value: str, known: Iterable[str]) -> str:
    """The value, if it is a known one.

    Raises:
        InputError: it is not.
    """
    names = list(known)
    if value not in names:
        raise InputError(unknown(what, value, names))
    return value


def capped(
    problems: Sequence[Problem], where: str = "", most: int = MOST_PROBLEMS, what: str = "problems"
) -> list[Problem]:
    """The first ``most`` problems and, where there are others, one that says at ``where`` how many more of ``what``."""
    more = len(problems) - most
    return [*problems[:most], *([Problem(f"and {more:,} more {what}", where)] if more > 0 else [])]


def listed(names: Sequence[str], most: int) -> str:
    """The first ``most`` names with commas between them, and how many others there are: ``a, b and 3 more``."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more:,} more" if more > 0 else "")


# what the machine refuses -> what to do
_REMEDIES = {
    errno.ENOSPC: "the disk is full: free some space, or give a folder on another disk",
    errno.EDQUOT: "your share of the disk is used up: free some space, or give a folder on another disk",
    errno.EROFS: "this disk can only be read: give a folder that can be written",
    errno.EACCES: "you may not do that there: give another folder, or ask for the right to",
    errno.EPERM: "you may not do that there: give another folder, or ask for the right to",
    errno.EFBIG: "files may not grow so large: raise `ulimit -f`",
    errno.EMFILE: "too many files are open: raise `ulimit -n`",
    errno.ENFILE: "too many files are open on this machine",
    errno.EAGAIN: "too many processes: raise `ulimit -u`",
    errno.ENOMEM: "give it more memory (see `ulimit -v`, and the limits of the container or the job)",
    errno.EIO: "the disk, or the network drive, fails: see `dmesg`",
    errno.ENAMETOOLONG: "the name is too long: give another",
    errno.ELOOP: "its links go round in a circle: give another, or mend the links",
    errno.ENOTDIR: "a part of that path is a file: give another",
    errno.EISDIR: "that is a folder: give a file",
    errno.ESTALE: "the network drive was mounted anew: change to the folder again",
}


def remedy(number: int | None) -> str:
    """What to do where the machine refuses something, by the error's number; empty for any other."""
    return _REMEDIES.get(number or 0, "")
