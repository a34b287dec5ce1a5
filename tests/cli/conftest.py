from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.data.demo import write_demo_data


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    """A small generated data set."""
    write_demo_data(tmp_path / "data", sizes=(40, 8, 8))
    return tmp_path / "data"
