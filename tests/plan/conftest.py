"""The demo's data."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.data.demo import write_demo_data


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_demo_data(tmp_path / "data", sizes=(40, 8, 8))
    return tmp_path / "data"
