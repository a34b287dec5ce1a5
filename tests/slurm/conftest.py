"""One cluster for all tests of a process, the toolkit ``echo``, data, and a place for each test."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import echo
from tests.run.place import Place
from tests.slurm.cluster import Cluster, lacking
from tests.slurm.submitted import Submitted, write_tasks


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first, so that the others run beside it."""
    items.sort(key=lambda item: not (item.get_closest_marker("slurm") and item.get_closest_marker("deadline")))


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    if why := lacking():
        pytest.skip(why)
    # not pytest's own folder: all above munge's socket must be open to everybody, and its name is to be short
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    cluster = Cluster(folder)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture(scope="package")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    write_tasks(root)
    return root


@pytest.fixture(scope="package", autouse=True)
def _echo() -> Iterator[None]:
    echo.register()
    yield
    echo.unregister()


@pytest.fixture(scope="package")
def calm(tmp_path_factory: pytest.TempPathFactory, _echo: None, data: Path) -> Place:
    """The task demo under sft, done on this machine without any disturbance; nobody changes it."""
    place = Place(tmp_path_factory.mktemp("calm"), data)
    place.run()
    return place


@pytest.fixture
def submitted(tmp_path: Path, cluster: Cluster, data: Path) -> Iterator[Submitted]:
    place = Submitted(Place(tmp_path / "place", data), cluster)
    yield place
    place.end()
