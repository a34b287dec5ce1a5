"""The fast rows of the table on the toolkit ``echo``; the others: ``make chaos``, or `python -m tests.chaos`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests import echo
from tests.chaos.table import AREAS, Row, rows
from tests.chaos.world import Lab, Untried

MOST = 3  # rows of an area in the quick tests


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    echo.register()
    yield Lab("echo", tmp_path_factory.mktemp("chaos"))
    echo.unregister()


def chosen() -> Iterator[Any]:
    """The fast rows: of each area a few, evenly, and the others as longer proofs."""
    fast = [row for row in rows() if "echo" in row.toolkits and not row.slow]
    for area in AREAS:
        here = [row for row in fast if row.area == area]
        few = here[:: -(-len(here) // MOST)]
        yield from (pytest.param(row, id=row.name, marks=() if row in few else pytest.mark.long) for row in here)


@pytest.mark.parametrize("row", list(chosen()))
def test_survives(row: Row, lab: Lab) -> None:
    try:
        row.do(lab)
    except Untried as reason:
        pytest.skip(str(reason))
