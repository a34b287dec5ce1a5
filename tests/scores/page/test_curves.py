"""Learning curves: what is drawn where."""

from __future__ import annotations

import math

import pytest

from orchestrator.scores.page.curves import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Training, ceiling, curve, thinned


def training(**more: object) -> Training:
    held = {"losses": [(10, 2.0), (20, 1.0)], "accuracy": [(20, 75.0)], "measure": "", "chosen": 20} | more
    return Training("run", "job", **held)  # type: ignore[arg-type]


def test_lines_and_dots_lie_on_their_axes() -> None:
    drawn = curve(training())
    assert drawn is not None
    middle = LEFT + (WIDTH - LEFT - RIGHT) / 2
    low = HEIGHT - BOTTOM
    half = low - (HEIGHT - TOP - BOTTOM) / 2
    assert drawn.line == f"{middle:g},{TOP} {WIDTH - RIGHT},{half:g}"
    assert drawn.dots == [(WIDTH - RIGHT, pytest.approx(low - (HEIGHT - TOP - BOTTOM) * 0.75), 20, 75.0)]
    assert drawn.marker == WIDTH - RIGHT
    assert [text for _, text in drawn.steps] == ["0", "10", "20"]
    assert drawn.losses == [(low, "0"), (half, "1"), (TOP, "2")]
    assert [text for _, text in drawn.percents] == ["0", "50", "100"]
    assert drawn.rows == [(10, 2.0, None), (20, 1.0, 75.0)]


def test_what_was_not_logged_is_not_drawn() -> None:
    assert curve(training(losses=[], accuracy=[])) is None
    drawn = curve(training(losses=[(10, math.nan)], chosen=None))
    assert drawn is not None
    assert (drawn.line, drawn.losses, drawn.marker) == ("", [], None)
    assert curve(training(accuracy=[], chosen=30)).marker is None  # type: ignore[union-attr]


def test_many_points_become_means_of_neighbours() -> None:
    points = [(step, float(step)) for step in range(1, 301)]
    few = thinned(points, 150)
    assert few[:2] == [(2, 1.5), (4, 3.5)]
    assert len(few) == 150
    assert thinned(points[:100], 150) == points[:100]


@pytest.mark.parametrize(("value", "top"), [(0.03, 0.05), (1, 1), (1.01, 2), (5.4, 10), (10, 10), (0, 1), (120, 200)])
def test_axes_end_at_round_numbers(value: float, top: float) -> None:
    assert ceiling(value) == pytest.approx(top)
