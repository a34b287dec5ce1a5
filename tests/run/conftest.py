"""The data, a place for each test, and one run that nobody disturbed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import echo
from tests.run.place import Place, write_data


@pytest.fixture(scope="package", autouse=True)
def _echo() -> Iterator[None]:
    echo.register()
    yield
    echo.unregister()


@pytest.fixture(scope="package")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    write_data(root)
    return root


@pytest.fixture
def place(tmp_path: Path, data: Path) -> Iterator[Place]:
    place = Place(tmp_path / "place", data)
    yield place
    place.end()


@pytest.fixture(scope="package")
def calm(tmp_path_factory: pytest.TempPathFactory, _echo: None, data: Path) -> Place:
    """Both tasks under sft, done; nobody changes it."""
    place = Place(tmp_path_factory.mktemp("calm"), data, tasks="demo, MELD")
    place.run()
    return place
