"""An environment to build, with a stand-in for uv."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.environments.environment import Environment
from tests.environments.toy import DEFINITION, PYTHON, UV, load


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    folder = tmp_path / "third_party" / "toy"
    folder.mkdir(parents=True)
    (folder / "environment.yaml").write_text(DEFINITION.format(python=PYTHON))
    (folder / "requirements.lock").write_text("toy-kit==1.2 --hash=sha256:00\n")
    binary = tmp_path / "uv"
    binary.write_text(UV)
    binary.chmod(0o755)
    monkeypatch.setattr("uv.find_uv_bin", lambda: str(binary))
    monkeypatch.setenv("UV_CALLS", str(tmp_path / "calls"))
    return load(tmp_path)
