"""What a user sees on a terminal: the plain lines, and under them some that move."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from orchestrator.cli.frame import Line, frame
from orchestrator.cli.plain import View
from orchestrator.cli.results import results_text
from orchestrator.cli.table import cells_of
from orchestrator.errors import harmless
from orchestrator.plan.plan import Plan, Stage
from orchestrator.run.listener import Places
from orchestrator.scores.results import ResultsRow

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

REDRAW_SECONDS = 0.25  # between two drawings, at least
WHOLE_SECONDS = 2.0  # between two estimates of when all is done


class Screen:
    """Lines at the bottom of a terminal that are written over again and again; what is said meanwhile is above them."""

    def __init__(self) -> None:
        from rich.console import Console

        self.console: Console = Console(highlight=False, markup=False, emoji=False)
        self.dots = "…" if self.console.encoding.startswith("utf") else "..."
        self.drawn: tuple[int, list[int]] = (0, [])  # how wide the terminal was, and the lines
        self._lines: Sequence[Line] = ()
        self._live: Live | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Cells of a line that moves, and how many lines there may be: a rest is left to what is said."""
        width, height = self.console.size
        return max(1, width - 1), max(1, height - 2)

    def say(self, text: object, style: str | None = None, lines: Sequence[Line] = ()) -> None:
        """Say something above the lines that move, which are these now."""
        self._settle()
        self._set(lines)
        # long lines are the terminal's to break: paths stay whole for who copies them
        text = harmless(text) if isinstance(text, str) else text
        self.console.print(text, style=style, soft_wrap=True)

    def draw(self, lines: Sequence[Line]) -> None:
        """Write these lines over the ones before."""
        from rich.live import Live

        self._settle()
        self._set(lines)
        if self._live is None:
            # a thread of its own would write between two lines of ours
            self._live = Live(self, console=self.console, auto_refresh=False, transient=True)
            self._live.start(refresh=True)
        else:
            self._live.refresh()

    def close(self) -> None:
        """Take the lines away."""
        if self._live:
            self._settle()
            self._live.stop()
            self._live = None

    def _set(self, lines: Sequence[Line]) -> None:
        self.drawn = (self.console.width, [cells_of(line) for line, _ in lines])
        self._lines = lines

    def __rich__(self) -> Text:
        """The lines as rich writes them: whatever they are at that moment."""
        from rich.text import Text

        whole = Text(no_wrap=True, overflow="crop", end="")
        for number, (line, style) in enumerate(self._lines):
            whole.append("\n" if number else "").append(line, style or None)
        return whole

    def _settle(self) -> None:
        """Where a terminal was made narrower, it broke the lines that stand there: go up by what came of that."""
        width, lines = self.drawn
        now = self.console.width
        if self._live is None or now >= width:
            return
        self.drawn = (now, [min(line, now) for line in lines])  # what is written next is cut
        if more := sum(max(0, -(-line // now) - 1) for line in lines):
            from rich.control import Control
            from rich.segment import ControlType

            up = (ControlType.CURSOR_UP, more)
            self.console.control(Control(ControlType.CARRIAGE_RETURN, up, (ControlType.ERASE_IN_LINE, 2)))
            print("\x1b[J", end="", file=self.console.file, flush=True)


class LiveView(View):
    """On a terminal: the plain lines but those that tell how far stages are; under them lines that tell it and move."""

    def __init__(self) -> None:
        super().__init__()
        self.screen = Screen()
        self.redrawn = 0.0
        self.left: tuple[float, float | None] | None = None  # when it was last computed how long all takes, and what

    def line(self, text: str) -> None:
        """Say one line, above those that move."""
        style = "red" if "FAILED:" in text else "green" if " done in " in text else None
        self.screen.say(text, style, self._lines())

    def start(self, plans: Sequence[Plan]) -> None:
        """A run of these plans begins."""
        super().start(plans)
        self.left = None

    def begin(self, stage: Stage, place: str) -> None:
        """A stage begins."""
        super().begin(stage, place)
        self.tick()

    def waits(self, waiting: Sequence[tuple[Stage, str]]) -> None:
        """What could begin now but waits, each with for what."""
        self.tally.waiting = tuple(waiting)
        self.tick()

    def tick(self) -> None:
        """Time passes."""
        if time.monotonic() - self.redrawn >= REDRAW_SECONDS:
            self._draw()

    def close(self) -> None:
        """Take the lines that move away."""
        self.screen.close()

    def results(self, rows: Sequence[ResultsRow], places: Places) -> None:
        """All results stand in their file."""
        # what is wider than the terminal is the terminal's to break, never ours to crop
        self.screen.say(results_text(rows, self.screen.console.width), None, self._lines())
        self.places(places)

    def _draw(self) -> None:
        self.redrawn = time.monotonic()
        self.screen.draw(self._lines())

    def _lines(self) -> list[Line]:
        now = time.monotonic()
        for running in self.tally.running.values():
            running.left = running.pace.left(now)
        if self.left is None or now - self.left[0] >= WHOLE_SECONDS:
            self.left = (now, self.whole.left(now))
        width, height = self.screen.size
        return frame(self.tally, self.left[1], width, height, now, self.screen.dots)
