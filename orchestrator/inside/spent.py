"""What requests to a hosted model cost: ``spent.jsonl`` in a stage's folder, one line before each request and one
after it. What was sent when a process was killed has no second line: it may have been paid for, and is lost.

Standard library only, Python 3.10. Tokens are counted as the server counts them; where it does not say, by a bound
from above that is known before a request is sent.
"""

from __future__ import annotations

import json
import math
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Optional

SPENT = "spent.jsonl"
MILLION = 1e6


class Tokens(NamedTuple):
    """Tokens of requests. ``cached``: those of the prompts that the server had seen, which cost less."""

    prompt: int = 0
    completion: int = 0
    cached: int = 0

    def plus(self, other: Tokens) -> Tokens:
        """The sum of both."""
        return Tokens(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))

    def cost(self, prices: Optional[Mapping[str, Any]]) -> float:
        """What they cost at prices for a million tokens, ``input``, ``output`` and perhaps ``cached_input``."""
        if not prices:
            return 0.0
        plain, cached = float(prices["input"]), prices.get("cached_input")
        less = plain if cached is None else float(cached)
        answers = self.completion * float(prices["output"])
        return ((self.prompt - self.cached) * plain + self.cached * less + answers) / MILLION


class Totals:
    """The sum of a file of these lines.

    Attributes:
        requests: how many were sent, each try counting.
        paid: the tokens of those that came back with their number, or with its bound where the server gave none.
        estimated: how many of these have only the bound.
        open: bounds of those that were sent and are not known to be over, by number.
        unsure: how many ended without a word of whether they are charged, such as after a time-out.
        unsure_tokens: the bound of these.
        factor: by how much a prompt came to more tokens than its bound before such factors, at the most; 1 at least.
    """

    def __init__(self) -> None:
        self.requests = self.estimated = self.unsure = 0
        self.paid = self.unsure_tokens = Tokens()
        self.open: dict[str, Tokens] = {}
        self.factor = 1.0
        self._factors: dict[str, float] = {}

    def take(self, line: Any) -> None:
        """Count a line; what is none of these lines is left out."""
        if not isinstance(line, dict):
            return
        if isinstance(sent := line.get("sent"), str):
            self.requests += 1
            self.open[sent] = _tokens(line.get("at_most"))
            factor = line.get("factor")
            self._factors[sent] = float(factor) if isinstance(factor, float) else 1.0
        elif (over := str(line.get("over"))) in self.open:
            bound, factor = self.open.pop(over), self._factors.pop(over)
            if "tokens" in line:
                tokens = _tokens(line["tokens"])
                self.paid = self.paid.plus(tokens)
                self.estimated += bool(line.get("estimated"))
                self.factor = max(self.factor, factor * tokens.prompt / max(bound.prompt, 1))
            elif line.get("unsure"):
                self.unsure += 1
                self.unsure_tokens = self.unsure_tokens.plus(bound)

    @property
    def lost(self) -> Tokens:
        """At most so many tokens were charged for answers that never came."""
        found = self.unsure_tokens
        for bound in self.open.values():
            found = found.plus(bound)
        return found

    def words(self, prices: Optional[Mapping[str, Any]]) -> str:
        """All of it for people, e.g. ``1,024 requests, 99,000 + 5,120 tokens (prompt + answers), 0.2987 USD``."""
        text = f"{self.requests:,} request{'s' * (self.requests != 1)}, {self.paid.prompt:,} + "
        text += f"{self.paid.completion:,} tokens (prompt + answers){_money(self.paid, prices)}"
        if self.estimated:
            text += f"; {self.estimated:,} of them by estimate, as the server did not say"
        if count := self.unsure + len(self.open):
            text += f"; perhaps {count:,} more that brought no answer, at most {sum(self.lost[:2]):,} tokens"
            text += _money(self.lost, prices)
        return text


def read(path: Path) -> Totals:
    """The sum of a file; nothing where there is none. Damaged lines are left out."""
    totals = Totals()
    try:
        content = path.read_bytes()
    except OSError:
        return totals
    for line in content.splitlines():
        try:
            totals.take(json.loads(line))
        except ValueError:
            continue
    return totals


class Ledger:
    """The file, to which one process writes. ``totals`` is the sum of all that it holds, of earlier processes, too."""

    def __init__(self, path: Path) -> None:
        self.totals = read(path)
        self._own = uuid.uuid4().hex[:8]
        self._number = 0
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        size = os.fstat(self._file).st_size
        if size and os.pread(self._file, 1, size - 1) != b"\n":  # a killed process's half a line
            os.write(self._file, b"\n")

    def sent(self, ident: str, at_most: Tokens) -> str:
        """A request is about to be sent, which costs at most so much, see `scaled`; returns its number."""
        self._number += 1
        number = f"{self._own}-{self._number}"
        self._write({"sent": number, "id": ident, "at_most": list(at_most), "factor": self.totals.factor})
        return number

    def scaled(self, bound: Tokens) -> Tokens:
        """A bound as the server has counted so far, which may add to prompts, or see more in a picture."""
        return bound._replace(prompt=math.ceil(bound.prompt * self.totals.factor))

    def over(
        self, number: str, tokens: Optional[Tokens] = None, *, estimated: bool = False, unsure: bool = False
    ) -> None:
        """A request is over: it cost so many tokens; or nothing, unless that is not sure."""
        line: dict[str, Any] = {"over": number}
        if tokens is not None:
            line |= {"tokens": list(tokens)} | ({"estimated": True} if estimated else {})
        elif unsure:
            line["unsure"] = True
        self._write(line)

    def _write(self, line: dict[str, Any]) -> None:
        # no fsync: a kill loses nothing of it, and a power cut at most the last moment
        data = json.dumps(line).encode("ascii") + b"\n"
        while data:
            data = data[os.write(self._file, data) :]
        self.totals.take(line)


def _tokens(found: Any) -> Tokens:
    if isinstance(found, list) and len(found) == 3 and all(type(one) is int and one >= 0 for one in found):
        return Tokens(*found)
    return Tokens()


def _money(tokens: Tokens, prices: Optional[Mapping[str, Any]]) -> str:
    return f", {tokens.cost(prices):,.4f} USD" if prices else ""
