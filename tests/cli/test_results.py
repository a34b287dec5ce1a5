from __future__ import annotations

from typing import Any

import pytest

from orchestrator.cli.results import results_table, rich_table


def row(task: str, n: int = 10, **more: Any) -> dict[str, Any]:
    scores = dict.fromkeys(("f1", "wf1", "unknown", "multi", "empty", "error"), 12.5)
    return {"task": task, "n": n, "acc": 57.47, "acc_ci_low": 55.56, "acc_ci_high": 59.36} | scores | more


ROWS = [row("MELD", n=2610, majority=48.12), row("AnnoMi-therapist", majority=61.0), row("overall"), {"task": "MOSI"}]


def test_the_baseline_stands_beside_the_accuracy() -> None:
    head, meld, annomi, overall, mosi = results_table(ROWS).splitlines()
    assert head.split()[:6] == ["task", "n", "acc", "95%", "CI", "majority"]
    assert len(head) == len(meld) == len(annomi) == len(overall)
    assert meld.split()[:5] == ["MELD", "2610", "57.47", "55.56-59.36", "48.12"]
    assert "61.00" in annomi
    assert mosi == "MOSI"  # nothing is known, and nothing is said


def test_colours_say_whether_the_baseline_is_beaten(capsys: pytest.CaptureFixture[str]) -> None:
    from rich.console import Console

    table = rich_table(ROWS)
    console = Console(width=120, force_terminal=True, color_system="standard", _environ={})
    console.print(table)
    lines = {line.split("│")[1].strip(): line for line in capsys.readouterr().out.splitlines() if "│" in line}
    assert "\x1b[32m57.47\x1b[0m" in lines["MELD"]
    assert "\x1b[31m57.47\x1b[0m" in lines["AnnoMi-therapist"]
    assert "55.56-59.36" in lines["MELD"]
