from __future__ import annotations

from orchestrator.cli.table import counted, table


def test_columns_are_aligned_and_lines_end_with_text() -> None:
    rows = [{"name": "a", "n": 1, "about": None}, {"name": "long", "n": 1000, "about": "x"}]
    assert table(rows).splitlines() == ["name  n     about", "a     1", "long  1000  x"]
    assert table(rows, right=["n"]).splitlines() == ["name     n  about", "a        1", "long  1000  x"]
    assert table([]) == "nothing"


def test_counts() -> None:
    assert [counted(number, "job") for number in (0, 1, 1101)] == ["0 jobs", "1 job", "1,101 jobs"]
