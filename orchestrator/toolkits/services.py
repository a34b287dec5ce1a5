"""What a toolkit's processes speak to: which secrets of the shell they get for it, and where those go."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

from orchestrator.checked_yaml.files import load
from orchestrator.checked_yaml.section import Section
from orchestrator.errors import masked, visible

FILE = Path(__file__).with_suffix(".yaml")
HUB = "hub"
OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")


class Service(Section):
    """A service on the net.

    Attributes:
        why: what a process wants there.
        secrets: variables that hold its keys.
        address: the variable that says where it is, if one does.
        usual: where it is without that.
    """

    why: str = ""
    secrets: tuple[str, ...] = ()
    address: str | None = None
    usual: str = ""

    @property
    def variables(self) -> tuple[str, ...]:
        """What a process that speaks to it is given: keys, and an address, which may hold a login."""
        return (*self.secrets, *([self.address] if self.address else []))

    def told(self, env: Mapping[str, str]) -> str | None:
        """Where its keys go, in words; ``None`` where the environment holds none."""
        keys = [name for name in self.secrets if env.get(name)]
        if not keys:
            return None
        given = env.get(self.address, "") if self.address else ""
        where = visible(masked(given or self.usual)).replace("\n", "")
        says = f" ({self.address})" if given else ""
        return f"{', '.join(keys)} goes to {where}{says}, for {self.why}"


@cache
def services_of(toolkit: Path) -> dict[str, Service]:
    """What the toolkit in a folder speaks to, by name: the hub, or what its own file says."""
    own = toolkit / FILE.name
    return load(own if own.is_file() else FILE, dict[str, Service], "a file of services")


def speaks_to_hub(env: Mapping[str, str]) -> bool:
    """Whether a process with these variables may ask the hub for anything."""
    return not any(re.fullmatch("1|on|yes|true", env.get(name, ""), re.IGNORECASE) for name in OFFLINE)


def variables_of(speaking: Iterable[Service]) -> frozenset[str]:
    """All variables of some services."""
    return frozenset(name for service in speaking for name in service.variables)


def addresses(speaking: Iterable[Service], env: Mapping[str, str] = os.environ) -> Iterator[str]:
    """Where the keys of some services go, a sentence each."""
    yield from filter(None, (service.told(env) for service in speaking))
