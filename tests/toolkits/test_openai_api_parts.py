"""The parts of the program that asks a hosted model which need nothing but Python: how replies are judged and read."""

from __future__ import annotations

import asyncio
import struct
import time
from email.utils import formatdate
from typing import Any

import pytest

from orchestrator.inside.spent import Tokens
from orchestrator.toolkits.openai_api.inside import reply, usage, verdict
from orchestrator.toolkits.openai_api.inside.frames import turns_of
from orchestrator.toolkits.openai_api.inside.gate import Gate, Stopped, backoff

NOW = 1_000_000.0
COUNTED: dict[str, Any] = {"prompt_tokens": 10, "completion_tokens": 2}
RIGHT = 1 << 16  # of a display matrix: one


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "20"}, 20),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "864000"}, 864000),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": formatdate(NOW + 90, usegmt=True)}, 90),
        ({"retry-after": formatdate(NOW + 90)}, 90),
        ({"retry-after": formatdate(NOW + 90, usegmt=True), "date": formatdate(NOW + 60, usegmt=True)}, 30),
        ({"retry-after": formatdate(NOW - 90, usegmt=True)}, 0),
        ({"retry-after": "-5"}, 0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "1e999"}, None),
        ({"retry-after": "Mon, 99 Foo 2026 99:99:99 GMT"}, None),
        ({}, None),
    ],
)
def test_how_long_a_server_wants_to_be_left_alone(headers: dict[str, str], seconds: float | None) -> None:
    assert verdict.retry_after(headers, NOW) == seconds


@pytest.mark.parametrize(
    ("status", "said", "error", "kind"),
    [
        (500, "internal", {}, verdict.Failed),
        (529, "overloaded", {}, verdict.Failed),
        (408, "slow", {}, verdict.Failed),
        (429, "Rate limit reached, see account/billing", {"code": "rate_limit_exceeded"}, verdict.Failed),
        (429, "You exceeded your current quota", {"code": "insufficient_quota"}, verdict.Stop),
        (400, "Your credit balance is too low", {}, verdict.Stop),
        (402, "Insufficient Balance", {}, verdict.Stop),
        (401, "no", {}, verdict.Stop),
        (403, "not for you", {}, verdict.Stop),
        (403, "flagged by moderation", {}, verdict.Own),
        (404, "no such model", {}, verdict.Stop),
        (405, "POST only", {}, verdict.Stop),
        (400, "too long", {"param": "messages"}, verdict.Own),
        (400, "no", {"param": "temperature"}, verdict.Stop),
        (400, "no", {"param": "model"}, verdict.Stop),
        (413, "too large", {}, verdict.Own),
        (308, "moved", {}, verdict.Failed),
        (204, "", {}, verdict.Failed),
    ],
)
def test_whose_failure_it_is(status: int, said: str, error: dict[str, Any], kind: type) -> None:
    found = verdict.of_status(status, said, error, {}, {"temperature": 0.0})
    assert type(found) is kind
    assert getattr(found, "busy", False) is (kind is verdict.Failed and status in (429, 503, 529))


@pytest.mark.parametrize(
    ("location", "told"),
    [
        ("https://u:p@there.org:8443/v1/chat?token=abc#x", "on to https://there.org:8443/v1/chat (status 302)"),
        ("/login?next=abc", "on to /login (status 302)"),
        ("https://[bad", "on to elsewhere (status 302)"),
        ("", "on to elsewhere (status 302)"),
    ],
)
def test_a_redirect_is_told_without_what_may_be_secret(location: str, told: str) -> None:
    assert told in str(verdict.of_status(302, "", {}, {"location": location}, {}))


@pytest.mark.parametrize(
    ("found", "tokens", "odd"),
    [
        (COUNTED, (10, 2, 0), False),
        ({"prompt_tokens": "10", "completion_tokens": 2.0}, (10, 2, 0), False),
        ({"input_tokens": 10, "output_tokens": 2}, (10, 2, 0), False),
        (COUNTED | {"prompt_tokens_details": {"cached_tokens": 8}}, (10, 2, 8), False),
        (COUNTED | {"prompt_tokens_details": {"cached_tokens": 99}}, (10, 2, 10), False),
        (COUNTED | {"prompt_tokens_details": None}, (10, 2, 0), False),
        ({"prompt_tokens": -1, "completion_tokens": 2}, (50, 2, 0), True),
        ({"prompt_tokens": None, "completion_tokens": True}, (50, 32, 0), True),
        ({"prompt_tokens": float("nan"), "completion_tokens": 1e300}, (50, 32, 0), True),
        ({"prompt_tokens": 10**400, "completion_tokens": [2]}, (50, 32, 0), True),
        (None, (50, 32, 0), True),
        ("none", (50, 32, 0), True),
    ],
)  # fmt: skip
def test_an_odd_account_counts_at_most(found: Any, tokens: tuple[int, ...], odd: bool) -> None:
    read = usage.read({"usage": found}, Tokens(50, 32))
    assert read.tokens == tokens
    assert bool(read.odd) is odd


@pytest.mark.parametrize(
    "body", [None, 5, [], {}, {"choices": None}, {"choices": []}, {"choices": ["x"]}, {"error": {}}]
)
def test_no_answer_is_the_servers_failure(body: Any) -> None:
    with pytest.raises(reply.Broken):
        reply.read(body)


@pytest.mark.parametrize(
    ("matrix", "turns"),
    [
        ((1, 0, 0, 1), ()),
        ((0, 1, -1, 0), ("ROTATE_270",)),
        ((-1, 0, 0, -1), ("ROTATE_180",)),
        ((0, -1, 1, 0), ("ROTATE_90",)),
        ((-1, 0, 0, 1), ("FLIP_LEFT_RIGHT",)),
        ((0, 0, 0, 0), ()),
    ],
)
def test_a_display_matrix_as_turns(matrix: tuple[int, ...], turns: tuple[str, ...]) -> None:
    a, b, c, d = (number * RIGHT for number in matrix)
    assert turns_of(struct.pack("<9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)) == turns


def test_waits_grow_to_a_minute_and_differ() -> None:
    found = [[backoff(times) for _ in range(50)] for times in (0, 3, 30)]
    for values, most in zip(found, (0.5, 4.0, 60.0), strict=True):
        assert all(most / 2 <= value <= most for value in values)
        assert len(set(values)) > 10


def gate(most: int = 16) -> tuple[Gate, list[tuple[float, bool, str]]]:
    waits: list[tuple[float, bool, str]] = []
    return Gate(most, lambda *told: waits.append(told)), waits


def test_requests_at_once_are_halved_once_for_those_that_were_out_together() -> None:
    async def main() -> None:
        made, waits = gate()
        sent = time.monotonic()
        for _ in range(5):
            made.failed(sent, "busy", busy=True, wait=None)
        assert made.limit == 8
        assert len(waits) == 1
        made.failed(time.monotonic(), "busy", busy=True, wait=None)
        assert made.limit == 4
        for _ in range(4 + 5):  # as many answers as there are at once, twice
            made.answered()
        assert 5.8 < made.limit < 6.1
        for _ in range(500):
            made.answered()
        assert made.limit == 16

    asyncio.run(main())


def test_what_fails_alone_holds_up_nobody_and_what_fails_in_a_row_is_a_round() -> None:
    async def main() -> None:
        made, waits = gate(4)
        for _ in range(7):
            made.failed(time.monotonic(), "internal", busy=False, wait=3600)
        assert (waits, made.rounds, made.limit) == ([], 0, 4)
        made.answered()
        for _ in range(8):
            made.failed(time.monotonic(), "internal", busy=False, wait=None)
        assert (len(waits), made.rounds) == (1, 1)
        made.answered()
        assert made.rounds == 0

    asyncio.run(main())


def test_a_server_that_wants_hours_gets_them_and_a_stop_ends_the_wait() -> None:
    async def main() -> None:
        made, waits = gate()
        made.failed(time.monotonic(), "closed", busy=True, wait=7200.0)
        assert waits == [(7200.0, True, "closed")]
        entering = asyncio.ensure_future(made.enter(lambda: True))
        await asyncio.sleep(0.05)
        assert not entering.done()
        made.stop()
        with pytest.raises(Stopped):
            await asyncio.wait_for(entering, 5)

    asyncio.run(main())
