"""What a stage may spend: ``inference.max_cost`` and ``inference.max_requests``, whichever processes worked on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional

from orchestrator.inside.spent import Ledger, Tokens


class Budget:
    """Says whether a request may be sent.

    Attributes:
        reached: which setting forbade one, for people; empty where none did.
    """

    def __init__(self, config: Mapping[str, Any], ledger: Ledger) -> None:
        self.prices: Optional[Mapping[str, Any]] = config.get("prices")
        self._most, self._requests = config.get("max_cost"), config.get("max_requests")
        self._ledger = ledger
        self._before = len(ledger.totals.open)  # of processes that were killed
        self.reached = ""

    def may(self, bound: Tokens) -> Optional[bool]:
        """Whether a request that costs at most so much may be sent; ``None``: not before others are back.

        What may have been paid for and lost counts as paid.
        """
        totals = self._ledger.totals
        if self._requests is not None and totals.requests >= self._requests:
            self.reached = f"inference.max_requests {self._requests:,}"
            return False
        if self._most is None:
            return True
        if totals.paid.plus(totals.lost).plus(bound).cost(self.prices) <= self._most:
            return True
        if len(totals.open) > self._before:
            return None  # those that are out may come cheaper than their bounds
        self.reached = f"inference.max_cost {self._most:g} USD"
        return False
