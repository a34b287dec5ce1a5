"""The environment that programs are given."""

from __future__ import annotations

import pytest

from orchestrator.machine.environ import clean_environment


def test_the_users_settings_pass_and_foreign_pythons_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_HTTP_TIMEOUT", "300")
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    env = clean_environment()
    assert env["UV_HTTP_TIMEOUT"] == "300"
    assert "PYTHONPATH" not in env
