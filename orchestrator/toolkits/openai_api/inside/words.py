"""What the user is told on the way: how far it is, what it costs, what the server wants."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Optional

from orchestrator.inside import loop, told
from orchestrator.inside.spent import Ledger, Tokens
from orchestrator.toolkits.openai_api.inside.client import Client

SPENT_SECONDS = 60.0
LONG_WAIT = 5.0  # seconds: of a shorter one only the log tells
NOTE_SECONDS = 60.0  # between two notes of waiting, unless it takes twice as long
MOST_GIVEN_UP = 5  # requests of which each is told


class Words:
    """Prints to the log; what a user should know at once goes to the notes, too."""

    def __init__(self, folder: Path, config: Mapping[str, Any], client: Client, ledger: Ledger, total: int) -> None:
        self.folder, self.client, self.ledger, self.total = folder, client, ledger, total
        self.prices: Optional[Mapping[str, Any]] = config.get("prices")
        self._limit = int(config["max_new_tokens"])
        self._told: set[str] = set()
        self._given_up = 0
        self._waited, self._waited_at = 0.0, 0.0
        self._begun = self._printed = self._spent_at = time.monotonic()
        self._before: Optional[int] = None
        self._answered = 0

    def once(self, line: str) -> None:
        """Print a line, the first time."""
        line = self.client.clean(line)
        if line not in self._told:
            self._told.add(line)
            print(line, flush=True)

    def note(self, line: str) -> None:
        """Tell the user at once."""
        told.note(self.folder, self.client.clean(line))

    def account(self, body: Any, tokens: Tokens, odd: str) -> None:
        """What a completion says of who answered, and of its tokens."""
        if isinstance(body, dict):
            self.once(f"the server answers as {body.get('model')}, fingerprint {body.get('system_fingerprint')}")
        if odd and "odd" not in self._told:
            self._told.add("odd")
            self.note(f"the server does not count its tokens properly ({odd}): such requests are counted at most")
        if tokens.completion > self._limit:
            self.once("WARNING: the server does not keep to inference.max_new_tokens")

    def waits(self, seconds: float, asked: bool, why: str) -> None:
        """Nothing is sent for a while; ``asked``: as the server wants it."""
        until = time.strftime(" until %H:%M:%S", time.localtime(time.time() + seconds)) if seconds < 86400 else ""
        line = f"waits {seconds:,.1f} s{until}{', as the server asks (Retry-After)' if asked else ''}: {why}"
        now = time.monotonic()
        if seconds >= LONG_WAIT and (seconds >= 2 * self._waited or now - self._waited_at >= NOTE_SECONDS):
            self._waited, self._waited_at = seconds, now
            self.note(f"{line} ({self._answered:,} of {self.total:,} are answered)")
        else:
            print(self.client.clean(line), flush=True)

    def gives_up(self, ident: str, tries: int, said: str) -> None:
        """A request is left for the next run."""
        self._given_up += 1
        line = f"{ident} is left for the next run: the server failed at it {tries} times, at the last: {said}"
        if self._given_up <= MOST_GIVEN_UP:
            self.note(line)
        else:
            print(self.client.clean(line), flush=True)

    def progress(self, answered: int, errors: int, *, end: bool = False) -> None:
        """A line every ten seconds, and what was spent every minute."""
        now = time.monotonic()
        if self._before is None:
            self._before, self._begun = answered, now
        self._answered = answered
        if end or now - self._printed >= loop.SECONDS_BETWEEN_LINES:
            self._printed, rate = now, (answered - self._before) / max(now - self._begun, 1e-9)
            print(f"answered {answered}/{self.total}, {rate:.1f}/s, {errors} errors", flush=True)
        if end or now - self._spent_at >= SPENT_SECONDS:
            self._spent_at = now
            print(f"spent so far: {self.ledger.totals.words(self.prices)}", flush=True)
