"""What looks like a secret, by the name of an option or a variable and by its value: recipes hold none, and a process
is given only those that it needs.
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from functools import lru_cache

from orchestrator.errors import SECRETS, masked

# the last word of a name, and words that say it anywhere
_LAST = re.compile(
    r"(^|_)(token|pass|passcode|pw|pwd|cred|creds|pat|key|auth|bearer|cookies?|jwt|dsn|auth_?info|connection_?string)$"
)
_ANYWHERE = re.compile(
    r"password|passwd|passphrase|passwort|secret|credential|authorization|webhook|(api|access|private|signing|ssh|account)_?key"
)
# ends as a secret does, and is none: where a shell is
_NONE = ("pwd", "oldpwd")
_ASSIGNED = re.compile(r"""(?P<name>[A-Za-z][\w.-]*)["']?\s*[=:]\s*(?P<value>[^\s,}]+)""")
_PART = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+")


@lru_cache(maxsize=4096)
def names_secret(name: str) -> bool:
    """Whether a name is that of a secret: HF_TOKEN, AWS_ACCESS_KEY_ID, DB_PWD, apiKey, hub-token."""
    words = _PART.sub("_", name).strip("_").lower()
    return words not in _NONE and bool(_LAST.search(words) or _ANYWHERE.search(words))


def is_secret(value: object) -> bool:
    """Whether a value holds what no file that people share may hold: a login in an address, a key by its form."""
    return bool(SECRETS.search(str(value)))


def assigns_secret(text: str) -> bool:
    """Whether a text gives a value to a secret, as a line of shell does: ``DB_PWD=...``, but not ``DB_PWD=$X``."""
    for found in _ASSIGNED.finditer(text):
        value = found["value"].strip("\"'")
        if value and not value.startswith(("$", "`")) and names_secret(found["name"].rpartition(".")[2]):
            return True
    return False


def holds_secret(name: str, value: object) -> bool:
    """Whether an option looks like one that must not stand in a file which people share.

    Also what a mapping or a list of values holds.
    """
    if isinstance(value, Mapping):
        return names_secret(name) or any(holds_secret(str(key), child) for key, child in value.items())
    if isinstance(value, list | tuple):
        return names_secret(name) or any(holds_secret("", child) for child in value)
    return names_secret(name) or is_secret(value)


def shown_option(option: str, name: str, text: str) -> str:
    """An option of the command line for messages, ``--set KEY=VALUE``; of one that holds a secret only the key."""
    if names_secret(name.rpartition(".")[2]) or is_secret(text) or assigns_secret(text.partition("=")[2]):
        return f"{option} {masked(name)}=***"
    return f"{option} {text}"


def without_secrets(env: Mapping[str, str], needed: Container[str] = ()) -> dict[str, str]:
    """An environment without secrets, but for those that are needed.

    Args:
        env: names and values.
        needed: names that stay whatever they hold; so do proxies, which may want a login.
    """
    return {
        name: value
        for name, value in env.items()
        if name in needed
        or not (names_secret(name) or is_secret(value))
        or (name.lower().endswith("_proxy") and not names_secret(name))
    }
