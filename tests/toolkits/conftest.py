"""What the tests on real toolkits share: their environments, built from their locks where they are not there yet."""

from __future__ import annotations

import os
import re
from typing import Any

import pytest

from orchestrator.environments.build import build
from orchestrator.environments.environment import Environment
from orchestrator.errors import OrchestratorError


def ready(name: str) -> Environment:
    """A toolkit's environment (minutes and gigabytes, once); a skip where its source from git cannot be had."""
    environment = Environment.load(name)
    try:
        build(environment)
    except OrchestratorError as error:
        no_source = "git" in environment.source and re.search(r"there is no git|`git .*` ended with status", str(error))
        # a broken lock must not look like a green run
        if no_source or "MMLA_SKIP_TOOLKITS" in os.environ:
            pytest.skip(f"the environment of {name} cannot be built here: {error}")
        raise
    return environment


def environment_of(name: str) -> Any:
    """The session's fixture for a toolkit's environment."""

    @pytest.fixture(scope="session")
    def environment() -> Environment:
        return ready(name)

    return environment


llamafactory_env = environment_of("llamafactory")
llava_next_env = environment_of("llava_next")
swift_env = environment_of("swift")
videollama2_env = environment_of("videollama2")
openai_env = environment_of("openai_api")
