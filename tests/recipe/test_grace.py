"""How long a stopped run's processes have."""

from __future__ import annotations

import pytest

from orchestrator.machine.slurm_job import JOB_VARIABLE
from orchestrator.recipe.sections import Resources


@pytest.mark.parametrize(("said", "here", "there"), [(None, 30, 120), (7.0, 7, 7), (0.0, 0, 0)])
def test_the_default_is_longer_in_a_slurm_job(
    monkeypatch: pytest.MonkeyPatch, said: float | None, here: float, there: float
) -> None:
    resources = Resources(stop_grace_seconds=said)
    monkeypatch.delenv(JOB_VARIABLE, raising=False)
    assert (resources.grace_seconds, resources.slurm_grace_seconds) == (here, there)
    monkeypatch.setenv(JOB_VARIABLE, "5_2")
    assert (resources.grace_seconds, resources.slurm_grace_seconds) == (there, there)
