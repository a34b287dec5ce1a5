"""The lines of the live view: what runs, what waits, and how far all is; cut to the terminal's size."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from orchestrator.cli.clock import about, clock
from orchestrator.cli.table import cells_of
from orchestrator.cli.tally import Running, Tally, name_of, unit
from orchestrator.plan.plan import Stage

GAP = "  "
NAME_CELLS = 20  # a name is cut to so many, before a column is left out for it
WAITING_LINES = 3
FAILED, RUNS, QUIET = "red", "", "dim"
Line = tuple[str, str]  # text and style


def frame(tally: Tally, left: float | None, width: int, height: int, now: float, dots: str = "…") -> list[Line]:
    """The lines, at most ``height`` of at most ``width`` cells each.

    Args:
        tally: what is shown.
        left: seconds until all is done, where that is known.
        width: cells of a line.
        height: the most lines.
        now: the time, of the tally's clock.
        dots: what stands where something was cut out.
    """
    waiting = waiting_texts(tally.waiting, max(1, min(WAITING_LINES, height // 4)), tally.named)
    running = list(tally.running.values())
    room = max(0, height - 1 - len(waiting))
    shown = running if len(running) <= room else running[: max(0, room - 1)]
    lines = [(text, RUNS) for text in running_lines(shown, width, now, tally.named, dots)]
    if (more := len(running) - len(shown)) and room:
        lines.append((f"and {more} more run", QUIET))
    lines += [(text, QUIET) for text in waiting]
    cut = [(cut_middle(text, width, dots), style) for text, style in lines[: max(0, height - 1)]]
    return [*cut, (summary(tally, left, width, now, dots), FAILED if tally.failed else QUIET)]


def running_lines(
    running: Sequence[Running], width: int, now: float, named: Callable[[Stage], str], dots: str = "…"
) -> list[str]:
    """A line for each stage that runs; columns that have no room are left out, the least wanted first."""
    columns: list[Callable[[Running], str]] = [_place, _amount, _loss, lambda one: clock(now - one.begun), _rate, _left]
    cells = [column for column in [[column(one) for one in running] for column in columns] if any(column)]
    names = [named(one.stage) for one in running]
    # by how much they are wanted: where it is left out, the others say more
    for unwanted in (_rate, _loss, _place, _left, _amount):
        if _room(cells, width) >= min(NAME_CELLS, width // 3, max(map(cells_of, names), default=0)):
            break
        gone = [unwanted(one) for one in running]
        cells = [column for column in cells if column != gone]
    room = max(1, min(_room(cells, width), max(map(cells_of, names), default=0)))
    padded = [_padded([_cut_name(name, room, dots) for name in names]), *map(_padded, cells)]
    return [GAP.join(line).rstrip() for line in zip(*padded, strict=True)]


def _room(columns: Sequence[Sequence[str]], width: int) -> int:
    """Cells that are left for names."""
    return width - sum(max(map(cells_of, column)) + len(GAP) for column in columns)


def _padded(column: Sequence[str]) -> list[str]:
    width = max(map(cells_of, column), default=0)
    return [cell + " " * (width - cells_of(cell)) for cell in column]


def _place(one: Running) -> str:
    return one.place


def _amount(one: Running) -> str:
    return f"{unit(one.stage.kind)} {one.progress.done}/{one.progress.total}" if one.progress else ""


def _loss(one: Running) -> str:
    return "" if one.progress is None or one.progress.loss is None else f"loss {one.progress.loss:.4g}"


def _rate(one: Running) -> str:
    rate = one.pace.rate()
    return "" if rate is None else f"{rate:.3g} {unit(one.stage.kind)}s/s"


def _left(one: Running) -> str:
    return "" if one.left is None else f"{about(one.left).removeprefix('about ')} left"


def waiting_texts(
    waiting: Sequence[tuple[Stage, str]], most: int = WAITING_LINES, named: Callable[[Stage], str] = name_of
) -> list[str]:
    """What waits, the stages that wait for the same in one line, of at most so many lines."""
    groups: dict[str, list[Stage]] = {}
    for stage, what in waiting:
        groups.setdefault(" ".join(what.split()), []).append(stage)
    shown = list(groups.items()) if len(groups) <= most else list(groups.items())[: most - 1]
    lines = [_waiting(named(stages[0]), len(stages) - 1, what) for what, stages in shown]
    if rest := len(waiting) - sum(len(stages) for _, stages in shown):
        lines.append(f"and {rest} more wait" if shown else f"{rest} wait")
    return lines


def _waiting(name: str, more: int, what: str) -> str:
    return f"{name} and {more} more wait {what}" if more else f"{name} waits {what}"


def summary(tally: Tally, left: float | None, width: int, now: float, dots: str = "…") -> str:
    """How far all is, in one line; what has no room is left out."""
    failed = f"{tally.failed} failed" if tally.failed else ""
    runs = f"{len(tally.running)} run" if len(tally.running) != 1 else ""
    waits = f"{len(tally.waiting)} wait" if tally.waiting else ""
    so_far, rest = f"{clock(now - tally.began)} so far", f"{about(left)} left" if left is not None else ""
    done = f"{tally.head}{tally.done} of {tally.total} stages done"
    parts = [done, failed, runs, waits, so_far, rest]
    for part in (runs, waits, so_far, rest):
        text = ", ".join(filter(None, parts))
        if cells_of(text) <= width:
            break
        parts.remove(part)
    return cut_middle(", ".join(filter(None, parts)), width, dots)


def _cut_name(name: str, width: int, dots: str) -> str:
    """A name in so many cells: of the recipe is left out what must be, before of the job and stage."""
    recipe, _, stage = name.rpartition(" ")
    room = width - cells_of(stage) - cells_of(dots)
    if cells_of(name) <= width or not recipe or room < 1:
        return cut_middle(name, width, dots)
    return f"{_fitting(recipe, room)}{dots}{stage}"


def cut_middle(text: str, width: int, dots: str = "…") -> str:
    """A text in so many cells: of a longer one the middle is left out, and never half of a wide character is shown."""
    if cells_of(text) <= width:
        return text
    if width <= cells_of(dots):
        return dots[:width]
    room = width - cells_of(dots)
    tail = _fitting(text[::-1], (room + 1) // 2)[::-1]
    return _fitting(text, room - cells_of(tail)) + dots + tail


def _fitting(text: str, width: int) -> str:
    """As much of the beginning of a text as so many cells hold."""
    used = end = 0
    for char in text:
        used += cells_of(char)
        if used > width:
            break
        end += 1
    return text[:end]
