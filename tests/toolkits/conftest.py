"""What the tests on real toolkits share: their environments, built from their locks where they are not there yet."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from orchestrator.environments import Environment
from orchestrator.errors import OrchestratorError


def ready(name: str, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """A toolkit's environment (minutes and gigabytes, once); a skip where its source from git cannot be had."""
    environment = Environment.load(name)
    log: Path = tmp_path_factory.mktemp("environment") / "build.log"
    try:
        environment.build(log)
    except OrchestratorError as error:
        no_source = "git" in environment.source and re.search(r"`git .*` ended with status", str(error))
        # a broken lock must not look like a green run
        if no_source or "MMLA_SKIP_TOOLKITS" in os.environ:
            pytest.skip(f"the environment of {name} cannot be built here: {error}")
        raise
    return environment


@pytest.fixture(scope="session")
def llamafactory_env(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return ready("llamafactory", tmp_path_factory)


@pytest.fixture(scope="session")
def llava_next_env(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return ready("llava_next", tmp_path_factory)


@pytest.fixture(scope="session")
def swift_env(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return ready("swift", tmp_path_factory)


@pytest.fixture(scope="session")
def videollama2_env(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return ready("videollama2", tmp_path_factory)


@pytest.fixture(scope="session")
def openai_env(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return ready("openai_api", tmp_path_factory)
