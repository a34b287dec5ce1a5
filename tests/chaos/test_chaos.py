"""The fast rows of the table on the toolkit ``echo``; the others: ``make chaos``, or `python -m tests.chaos`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import echo
from tests.chaos.table import Row, rows
from tests.chaos.world import Lab, Untried


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    echo.register()
    yield Lab("echo", tmp_path_factory.mktemp("chaos"))
    echo.unregister()


@pytest.mark.parametrize(
    "row", [pytest.param(row, id=row.name) for row in rows() if "echo" in row.toolkits and not row.slow]
)
def test_survives(row: Row, lab: Lab) -> None:
    try:
        row.do(lab)
    except Untried as reason:
        pytest.skip(str(reason))
