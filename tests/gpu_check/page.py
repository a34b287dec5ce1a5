"""The page: what was seen, by machine, in Markdown. It holds the figures as JSON, too: a later call adds to them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

OPENING = "<!-- The figures above, for the next call of tests.gpu_check, which adds to them.\n"
CLOSING = "\n-->\n"
STATES = ("ok", "failed", "too slow", "skipped")


@dataclass
class Record:
    """What came of one part on one machine.

    Attributes:
        part: ``toolkit/name``.
        machine: the title of the machine's section.
        state: ``ok``, ``failed``, ``too slow`` (ended at the time limit) or ``skipped``.
        seconds: it took.
        at: when it ended, UTC.
        figures: what was seen, in words by what it is.
        said: why it failed or was skipped; of a failure with the last lines of the log.
    """

    part: str
    machine: str
    state: str
    seconds: float = 0.0
    at: str = ""
    figures: dict[str, str] = field(default_factory=dict)
    said: str = ""


@dataclass
class Page:
    """All records, and by machine what is known of it."""

    machines: dict[str, dict[str, str]] = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)

    def add(self, record: Record) -> None:
        """Add a record; what the same part gave on the same machine before is forgotten."""
        same = (record.machine, record.part)
        self.records = [old for old in self.records if (old.machine, old.part) != same] + [record]


def read(path: Path) -> Page:
    """What a page holds; an empty one where there is none, or none with figures."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    _, found, rest = text.partition(OPENING)
    if not found:
        return Page()
    content = json.loads(rest.partition(CLOSING)[0])
    return Page(content["machines"], [Record(**record) for record in content["records"]])


def render(page: Page, parts: Sequence[str]) -> str:
    """The page as Markdown; ``parts``: all that there are, in their order, so that what is missing is named."""
    lines = ["# What `make gpu-check` saw", ""]
    lines += [
        "Each part runs recipes with `python -m orchestrator run` in the real toolkits, on models of random weights",
        "and generated data: figures tell of speed, memory and sameness, none of accuracy. What tiny models take is",
        "mostly their start.",
        "",
    ]
    for machine, facts in page.machines.items():
        lines += _section(machine, facts, [one for one in page.records if one.machine == machine], parts)
    content = json.dumps(asdict(page), ensure_ascii=True, indent=0).replace(">", "\\u003e")
    return "\n".join(lines) + "\n" + OPENING + content + CLOSING


def _section(machine: str, facts: Mapping[str, str], records: Sequence[Record], parts: Sequence[str]) -> list[str]:
    order = {part: place for place, part in enumerate(parts)}
    records = sorted(records, key=lambda one: order.get(one.part, len(order)))
    lines = [f"## {_flat(machine)}", ""]
    lines += [f"- {_flat(name)}: {_flat(fact)}" for name, fact in facts.items() if fact]
    lines += ["", "| part | result | seconds | what was seen |", "|---|---|---|---|"]
    lines += [_row(record) for record in records if record.state != "skipped"]
    if failed := [record for record in records if record.state in ("failed", "too slow")]:
        lines += ["", "### What failed"]
        for record in failed:
            lines += ["", f"`{record.part}` ({record.at}):", "", *_block(record.said)]
    if skipped := [record for record in records if record.state == "skipped"]:
        lines += ["", "### What was skipped", ""]
        lines += [f"- `{record.part}`: {_flat(record.said)}" for record in skipped]
    if left := [part for part in parts if part not in {record.part for record in records}]:
        lines += ["", f"Not run here yet: {', '.join(f'`{part}`' for part in left)}."]
    return [*lines, ""]


def _row(record: Record) -> str:
    seen = "; ".join(f"{name}: {value}" for name, value in record.figures.items())
    state = record.state if record.state == "ok" else f"**{record.state}**"
    return f"| `{record.part}` | {state} | {record.seconds:.0f} | {_flat(seen)} |"


def _flat(text: str) -> str:
    """A text on one line of a table."""
    return re.sub(r"\s+", " ", text).replace("|", "\\|").strip()


def _block(text: str) -> list[str]:
    """A text as it stands: indented, so that no backticks in it end it."""
    return [f"    {line}".rstrip() for line in text.splitlines()] or ["    (nothing was said)"]
