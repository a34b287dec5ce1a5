"""What the tests on real toolkits share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orchestrator.environments import Environment
from orchestrator.errors import OrchestratorError


@pytest.fixture(scope="session")
def llamafactory_env(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """LLaMA-Factory's environment, built from its lock if it is not there (minutes and gigabytes, once)."""
    environment = Environment.load("llamafactory")
    log: Path = tmp_path_factory.mktemp("environment") / "build.log"
    try:
        environment.build(log)
    except OrchestratorError as error:
        # a broken lock must not look like a green run
        if "MMLA_SKIP_TOOLKITS" in os.environ:
            pytest.skip(f"LLaMA-Factory's environment cannot be built here: {error}")
        raise
    return environment
