"""Ids, labels and texts of a split's rows: what cannot be meant, said once for each kind."""

from __future__ import annotations

import re
import unicodedata

from orchestrator.data.notes import MOST_LINES, Notes, also
from orchestrator.errors import MOST_PROBLEMS, did_you_mean, hidden, hidden_hint, short

# tab and line breaks apart: what no utterance holds. Those from 0x80 on stand where Windows-1252 was read as Latin-1
_CONTROLS = re.compile("[\x01-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


class Labels:
    """A task's labels, as rows spell them: letter case and spaces around them do not matter."""

    def __init__(self, notes: Notes):
        self.notes = notes
        self.labels = {label.lower(): label for label in notes.task.labels}
        self.hints: dict[str, str] = {}

    def find(self, label: str, line: int) -> str | None:
        """A label as the task's list spells it; ``None`` after noting that it is none."""
        spelled = self.labels.get(label.strip().lower())
        if spelled is None:
            if label not in self.hints:  # the search is slow, and those beyond are not shown
                self.hints[label] = self._hint(label.strip()) if len(self.hints) < MOST_PROBLEMS else ""
            self.notes.add(f"`{short(label)}` is not a label of {self.notes.task.name}", line, self.hints[label])
        return spelled

    def _hint(self, label: str) -> str:
        known = self.notes.task.labels
        # full-width letters and the like as ASCII; `emotion: joy`
        plain = unicodedata.normalize("NFKC", label)
        plain = "".join(char for char in plain if char not in hidden(plain))
        meant = self.labels.get(plain.rpartition(":")[2].strip().lower())
        if found := hidden_hint(label):
            return f"{found}; labels: {', '.join(known)}" if meant is None else f"{found}: `{meant}`"
        if meant is not None:
            return f"write `{meant}` alone, in plain letters"
        return f"{did_you_mean(label, known)} labels: {', '.join(known)}".strip()


class Ids:
    """The ids of a file's rows, which must differ."""

    def __init__(self, notes: Notes):
        self.notes = notes
        self.seen: dict[str, int] = {}
        self.again: dict[str, list[int]] = {}
        self.odd: dict[str, str] = {}  # the first id with the characters that a hint names

    def add(self, name: str, line: int) -> bool:
        """Whether an id can be used; else that is noted, now or by `tell_repeats`."""
        if not name:
            self.notes.add("empty id", line)
        elif found := hidden_hint(name):
            first = short(self.odd.setdefault(found, name))
            self.notes.add(f"the id `{first}` holds a character that cannot be seen", line, found)
        elif name in self.seen:
            self.again.setdefault(name, []).append(line)
            return False
        self.seen.setdefault(name, line)
        return True

    def tell_repeats(self, rows: int) -> None:
        """Note the ids that stand on several rows: one problem, however many there are."""
        repeats = sum(map(len, self.again.values()))
        if not repeats:
            return
        name, lines = next(iter(self.again.items()))
        if repeats == 1:
            self.notes.add(f"the id `{name}` was on line {self.seen[name]} already", lines[0])
            return
        shown = "; ".join(
            f"`{name}` on lines {', '.join(map(str, (self.seen[name], *lines[:MOST_LINES])))}"
            for name, lines in list(self.again.items())[:3]
        )
        message = f"ids must differ, and {repeats:,} of {rows:,} rows have one that stood before: {shown}"
        hint = "remove what is there twice; or, where this column is no id (it counts within a dialogue or a video), " \
            "name another, data.columns: {id: NAME}, or write one that joins both, such as `12_3`"  # fmt: skip
        self.notes.add(message, lines[0], hint)


class Texts:
    """What is said in a file's rows: control characters are signs of damage, or of an encoding taken for another."""

    def __init__(self, notes: Notes):
        self.notes = notes
        self.codes: set[int] = set()
        self.lines: list[int] = []

    def add(self, text: str, line: int) -> bool:
        """Whether a text can be used; else `tell_controls` notes it."""
        if text.isprintable() or not (found := _CONTROLS.findall(text)):
            return True
        self.codes.update(map(ord, found))
        self.lines.append(line)
        return False

    def tell_controls(self) -> None:
        """Note the rows with control characters: one problem, however many there are."""
        if not self.lines:
            return
        shown, hint = ", ".join(f"U+{code:04X}{_meant(code)}" for code in sorted(self.codes)), "remove them"
        if any(_meant(code) for code in self.codes):
            hint = "Windows-1252 was read as Latin-1 before it became UTF-8: save it again from the original, or " \
                "mend each text in Python: text.encode('latin-1').decode('cp1252')"  # fmt: skip
        message = f"the text holds control characters: {shown}{also(self.lines[1:])}"
        self.notes.add(message, self.lines[0], hint)


def _meant(code: int) -> str:
    """What a control character from 0x80 on is in Windows-1252, in brackets; empty where it is nothing."""
    try:
        return f" (meant: {bytes([code]).decode('cp1252')})" if code >= 0x80 else ""
    except UnicodeDecodeError:
        return ""
