"""A terminal in small: what stands on its screen after what was written to it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from orchestrator.cli.table import cells_of

TOKEN = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])|([\r\n])|([^\x1b\r\n]+)")


@dataclass
class Row:
    """What stands in a row, and whether the next one goes on with its line."""

    text: str = ""
    goes_on: bool = False


class Screen:
    """As most terminals do it: lines that are too long go on in the next row, and are broken anew with the width.

    Attributes:
        rows: all that was written, what scrolled out of sight among it.
        row: that of the cursor, among them.
        hidden: whether the cursor is.
    """

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.rows = [Row()]
        self.row = self.column = 0
        self.hidden = False

    def shown(self) -> list[str]:
        """What can be seen, without the empty rows below."""
        found = [row.text.rstrip() for row in self.rows[-self.height :]]
        while found and not found[-1]:
            found.pop()
        return found

    def resize(self, width: int, height: int) -> None:
        """Another size. The cursor is at the end of what was written."""
        assert self.row == len(self.rows) - 1
        lines = [""]
        for row in self.rows:
            lines[-1] += row.text
            if not row.goes_on:
                lines.append("")
        self.width, self.height, self.rows = width, height, []
        for line in lines[:-1]:
            self._line(line)

    def _line(self, text: str) -> None:
        self.rows.append(Row())
        self.row, self.column = len(self.rows) - 1, 0
        self._write(text)

    def feed(self, text: str) -> None:
        """What a program writes."""
        for numbers, command, control, written in TOKEN.findall(text):
            if command:
                self._command(numbers, command)
            elif control:
                self.column = 0
                if control == "\n":
                    self.row += 1
                    if self.row == len(self.rows):
                        self.rows.append(Row())
            else:
                self._write(written)

    def _command(self, numbers: str, command: str) -> None:
        if command == "A":
            self.row = max(0, len(self.rows) - self.height, self.row - int(numbers or 1))
        elif command == "K":
            self.rows[self.row] = Row()
        elif command == "J":
            del self.rows[self.row + 1 :]
            self.rows[self.row] = Row(self.rows[self.row].text[: self.column])
        elif command in "hl":
            self.hidden = command == "l" if numbers == "?25" else self.hidden
        elif command != "m":
            raise ValueError(f"this terminal knows no {command}")

    def _write(self, text: str) -> None:
        assert self.column == cells_of(self.rows[self.row].text), "what stands there was not erased"
        for char in text:
            cells = 1 if char.isascii() else cells_of(char)
            if self.column + cells > self.width:
                self.rows[self.row].goes_on = True
                self.row, self.column = self.row + 1, 0
                self.rows.insert(self.row, Row())
            self.rows[self.row].text += char
            self.column += cells
