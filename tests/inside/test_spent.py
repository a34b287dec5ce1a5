"""What requests to a hosted model cost, as it stands in a file that killed processes leave."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.inside import spent
from orchestrator.inside.spent import Ledger, Tokens

PRICES = {"input": 2.0, "output": 10.0, "cached_input": 1.0}


def test_tokens_cost_by_kind() -> None:
    assert Tokens(1_000_000, 100_000).cost(PRICES) == pytest.approx(3.0)
    assert Tokens(1_000_000, 0, 400_000).cost(PRICES) == pytest.approx(1.6)
    assert Tokens(1_000_000, 0, 400_000).cost({"input": 2.0, "output": 9.0}) == pytest.approx(2.0)
    assert Tokens(1_000_000, 5).cost(None) == 0


def test_what_was_sent_and_never_came_back_is_lost_at_most(tmp_path: Path) -> None:
    path = tmp_path / spent.SPENT
    first = Ledger(path)
    paid, free, slow, _out = (first.sent(name, Tokens(50, 32)) for name in "abcd")
    first.over(paid, Tokens(40, 3, 10))
    first.over(free)
    first.over(slow, unsure=True)
    with path.open("ab") as file:  # it was killed while it wrote
        file.write(b'{"sent": "x')
    second = Ledger(path)
    second.over(second.sent("a", Tokens(50, 32)), Tokens(50, 32), estimated=True)
    for totals in (second.totals, spent.read(path)):
        assert (totals.requests, totals.estimated, totals.unsure, len(totals.open)) == (5, 1, 1, 1)
        assert totals.paid == (90, 35, 10)
        assert totals.lost == (100, 64, 0)
        assert totals.words(PRICES) == (
            "5 requests, 90 + 35 tokens (prompt + answers), 0.0005 USD; 1 of them by estimate, as the server did not "
            "say; perhaps 2 more that brought no answer, at most 164 tokens, 0.0008 USD"
        )


def test_bounds_grow_with_what_the_server_counts(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / spent.SPENT)
    together = [ledger.sent(str(number), ledger.scaled(Tokens(10, 5))) for number in range(3)]
    for number in together:
        ledger.over(number, Tokens(40, 5))
    assert ledger.scaled(Tokens(10, 5)) == (40, 5, 0)
    ledger.over(ledger.sent("later", ledger.scaled(Tokens(10, 5))), Tokens(20, 5))
    assert Ledger(tmp_path / spent.SPENT).scaled(Tokens(100, 5)) == (400, 5, 0)  # the next process knows it, too


@pytest.mark.parametrize(
    "line",
    ["[]", "{}", '{"over": "a"}', '{"sent": 5}', '{"sent": "a", "at_most": [-1, 2, 3]}', "nonsense", '"\\ud800"'],
)
def test_odd_lines_count_for_nothing(tmp_path: Path, line: str) -> None:
    (tmp_path / spent.SPENT).write_text(f"{line}\n{json.dumps({'sent': 'b', 'at_most': [1, 2, 0]})}\n")
    assert sum(spent.read(tmp_path / spent.SPENT).lost) == 3
