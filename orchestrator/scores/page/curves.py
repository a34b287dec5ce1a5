"""How trainings went: the loss and the accuracy on dev over steps, as the page draws them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 380, 190  # of the drawing
LEFT, RIGHT, TOP, BOTTOM = 44, 40, 14, 26  # around it, for the axes
MOST = 150  # points of a line

Points = Sequence[tuple[int, float]]


@dataclass(frozen=True)
class Training:
    """A training.

    Attributes:
        run: the name of the run that it is part of.
        job: what was trained: a task, or all of them.
        losses: step and training loss.
        accuracy: step and accuracy on dev in percent.
        measure: what that accuracy is, in words.
        chosen: the step of the checkpoint that answered; ``None``: not known.
    """

    run: str
    job: str
    losses: Points
    accuracy: Points
    measure: str
    chosen: int | None


@dataclass(frozen=True)
class Curve:
    """A training as it is drawn.

    Attributes:
        training: what is drawn.
        line: of the losses, as SVG spells points.
        dots: of the accuracy: x, y, step, percent.
        marker: x of the chosen step.
        steps, losses, percents: ticks of the axes: place and text.
        rows: step, loss and accuracy, as a table shows them.
    """

    training: Training
    line: str
    dots: Sequence[tuple[float, float, int, float]]
    marker: float | None
    steps: Sequence[tuple[float, str]]
    losses: Sequence[tuple[float, str]]
    percents: Sequence[tuple[float, str]]
    rows: Sequence[tuple[int, float | None, float | None]]


def curve(training: Training) -> Curve | None:
    """The drawing of a training; ``None``: nothing was logged."""
    losses = thinned([(step, loss) for step, loss in training.losses if math.isfinite(loss)], MOST)
    accuracy = [(step, value) for step, value in training.accuracy if math.isfinite(value)]
    last = max((step for step, _ in (*training.losses, *accuracy)), default=0)
    if not last:
        return None
    top = ceiling(max((loss for _, loss in losses), default=1.0))

    def x(step: float) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * step / last, 1)

    def y(share: float) -> float:
        return round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share, 1)

    known = dict(accuracy)
    held = dict(losses)
    return Curve(
        training=training,
        line=" ".join(f"{x(step):g},{y(max(0.0, loss) / top):g}" for step, loss in losses),
        dots=[(x(step), y(value / 100), step, value) for step, value in accuracy],
        marker=x(training.chosen) if training.chosen is not None and training.chosen <= last else None,
        steps=[(x(step), f"{step:,}") for step in (0, last // 2, last)],
        losses=[(y(share), f"{top * share:g}") for share in (0, 0.5, 1)] if losses else [],
        percents=[(y(share), f"{100 * share:g}") for share in (0, 0.5, 1)] if accuracy else [],
        rows=[(step, held.get(step), known.get(step)) for step in sorted({*held, *known})],
    )


def thinned(points: Points, most: int) -> list[tuple[int, float]]:
    """At most so many points: of neighbours, the last step and the mean."""
    size = math.ceil(len(points) / most) or 1
    groups = [points[at : at + size] for at in range(0, len(points), size)]
    return [(group[-1][0], math.fsum(value for _, value in group) / len(group)) for group in groups]


def ceiling(value: float) -> float:
    """The next 1, 2 or 5 times a power of ten."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(power * step for step in (1, 2, 5, 10) if power * step >= value * (1 - 1e-9))
