"""Whom a training may report to (`train.report_to`), and whether the toolkit's environment has the package for it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from orchestrator.checked_yaml.files import load
from orchestrator.environments.environment import Environment
from orchestrator.errors import did_you_mean
from orchestrator.toolkits.services import Service

FILE = Path(__file__).with_suffix(".yaml")


class Client(Service):
    """A package that takes reports, and the service that it sends them to."""

    package: str
    install: str
    why: str = "reports of the training"


@cache
def clients() -> dict[str, Client]:
    """The packages by the name that `train.report_to` has for them."""
    return load(FILE, dict[str, Client], "a file of packages that take reports")


def reporting_services(names: Sequence[str]) -> tuple[Service, ...]:
    """What a training that reports to these speaks to."""
    return tuple(client for name, client in clients().items() if name in names)


def reporting_problems(names: Sequence[str], environment: Environment) -> list[str]:
    """What is wrong with `train.report_to`: names that the toolkit does not know, packages that are not there.

    Nothing is started: what is installed is read from the environment's folder or, where that is to be built yet, from
    its lock.
    """
    # a toolkit that brings no table may list them itself
    known = environment.offers.report_to if environment.offers else environment.names("report_to")
    found = []
    for name in names:
        client = clients().get(name)
        if known and name not in known:
            near = did_you_mean(name, known) or f"known: {', '.join(known)}"
            found.append(f"train.report_to: the toolkit reports to no `{name}`; {near}")
        elif client and not _has(environment, client):
            built = "" if environment.state() == "ready" else f"env build {environment.name}, then "
            found.append(
                f"train.report_to: the environment of {environment.name} lacks {client.install}: leave `{name}` out, "
                f"or {built}uv pip install --python {environment.python} {client.install}"
            )
    return found


def single_problems(names: Sequence[str]) -> list[str]:
    """What is wrong with `train.report_to` for a toolkit whose command line takes one name, as transformers 4.40's."""
    if len(names) < 2:
        return []
    return [f"train.report_to: the toolkit reports to one, not {len(names)}; name one of {', '.join(names)}"]


def _has(environment: Environment, client: Client) -> bool:
    if environment.state() == "ready":
        return any(environment.venv.glob(f"lib/python*/site-packages/{client.package}"))
    lock = environment.lock.read_text("utf-8") if environment.lock.is_file() else ""
    return re.search(rf"^{re.escape(client.install)}==", lock, re.MULTILINE) is not None
