"""Hosted models as a stream, against a server that misbehaves in every way: what was asked twice, lost and paid for."""

from __future__ import annotations

import itertools
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from orchestrator.environments.environment import Environment
from tests.toolkits.hosted import PRICES, ended, journal, request, start, totals
from tests.toolkits.hosted_server import Reply, Server, completion, failure, serving

pytestmark = [pytest.mark.toolkit, pytest.mark.usefixtures("openai_env")]
GOOD = "It is a question."


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as made:
        yield made


def hang_up() -> Reply:
    raise ConnectionResetError


# what the server does the first time that it is asked, and then no more
ONCE: dict[str, Callable[[], Reply]] = {
    "busy": lambda: failure(429, "slow down", Retry_After="1"),
    "busy until a date": lambda: failure(503, "full", Retry_After=formatdate(1003, usegmt=True), Date=formatdate(1001)),
    "busy, in no words": lambda: failure(429, "slow down", Retry_After="soon"),
    "broken": lambda: failure(500, "internal"),
    "a gateway": lambda: Reply(502, "<html>bad gateway</html>", {}),
    "time-out of the gateway": lambda: failure(408, "too slow"),
    "too slow": lambda: completion()._replace(seconds=4),
    "a trickle": lambda: completion()._replace(drip=0.05),
    "cut": lambda: completion()._replace(cut=30),
    "cut in its length": lambda: Reply(200, '{"choices": [{"index": 0, "mess', {}),
    "hangs up": hang_up,
    "no choices": lambda: Reply(200, {**completion().body, "choices": []}, {}),
    "an error as an answer": lambda: Reply(200, {"error": {"message": "upstream broke"}, "choices": None}, {}),
    "busy within": lambda: Reply(200, {"error": {"message": "slow down", "code": 429}}, {}),
    "ended with an error": lambda: completion("It is", "error"),
    "nothing": lambda: Reply(200, "", {}),
    "a list": lambda: Reply(200, [1], {}),
    "not packed as it says": lambda: completion()._replace(headers={"Content-Encoding": "gzip"}),
    "nested too deep": lambda: Reply(200, "[" * 200_000, {}),
    "no protocol": lambda: Reply(200, "", {"Content-Length": "-5"}),
    "a page": lambda: Reply(200, "<html>hello</html>", {}),
    "sends on to itself": lambda: Reply(307, "", {"Location": "/v1/chat/completions"}),
    "sends on": lambda: Reply(302, "", {"Location": "http://127.0.0.1:9/login"}),
}
# what it does every time: the text and the reason, or words of the error
ALWAYS: dict[str, tuple[Callable[[], Reply], str | tuple[str, str]]] = {
    "filtered": (lambda: completion(None, "content_filter"), "filter withheld the answer"),
    "filtered before": (lambda: failure(400, "The response was filtered", "content_filter"), "was filtered"),
    "flagged": (lambda: failure(403, "flagged by moderation"), "flagged by moderation"),
    "too long": (lambda: failure(400, "too long, see billing", "context_length_exceeded", "messages"), "too long"),
    "too large": (lambda: failure(413, "entity too large"), "entity too large"),
    "a tool": (lambda: completion("", "tool_calls"), "tool_calls"),
    "no text": (lambda: completion({"a": 1}), "is no text"),  # type: ignore[arg-type]
    "refused": (lambda: completion(None, refusal="I can't help with that."), ("I can't help with that.", "refusal")),
    "truncated": (lambda: completion("question, bec", "length"), ("question, bec", "length")),
    "thought only": (lambda: completion(None, "length"), ("", "length")),
    "another make": (lambda: completion("question", "MAX_TOKENS"), ("question", "length")),
    "parts": (lambda: completion([{"type": "text", "text": "ques"}, {"type": "text", "text": "tion"}]),  # type: ignore[arg-type]
              ("question", "stop")),
    "no reason": (lambda: completion("question", None), ("question", "stop")),
    "escapes": (lambda: failure(400, "\x1b[2Jgone\u202e"), "<U+001B>[2Jgone<U+202E>"),
}  # fmt: skip
USAGES: list[Any] = [
    None, "many", [], {}, {"prompt_tokens": "100", "completion_tokens": "7"}, {"prompt_tokens": -5},
    {"prompt_tokens": None, "completion_tokens": None}, {"prompt_tokens": 1e300, "completion_tokens": 7.0},
    {"prompt_tokens": True, "completion_tokens": {"a": 1}}, {"prompt_tokens": 100, "completion_tokens": 7.5},
]  # fmt: skip


def test_whatever_a_server_does_is_asked_again_or_recorded(
    tmp_path: Path, server: Server, openai_env: Environment
) -> None:
    names, odd = [*ONCE, *ALWAYS], len(ONCE) + len(ALWAYS)
    poisoned = odd + len(USAGES)

    def reply(number: int, attempt: int, body: dict[str, Any]) -> Reply:
        if number >= poisoned:
            return failure(500, "this one I cannot stand")
        if number >= odd:
            return completion(usage=USAGES[number - odd])
        name = names[number]
        return ALWAYS[name][0]() if name in ALWAYS else ONCE[name]() if attempt == 0 else completion()

    server.reply = reply
    settings = {"retries": 2, "timeout": 2, "batch_size": 8, "prices": PRICES}
    said = ended(start(tmp_path, openai_env, server.url, poisoned + 2, **settings), 1)
    given = journal(tmp_path)
    assert set(given) == set(range(poisoned))
    for number, name in enumerate(names):
        line, wanted = given[number], ALWAYS[name][1] if name in ALWAYS else (GOOD, "stop")
        if isinstance(wanted, str):
            assert wanted in line["error"], name
        else:
            assert (line.get("text"), line.get("finish_reason")) == wanted, (name, line)
        assert server.times(number) == 1 + (name in ONCE), name
    assert all(given[number]["text"] == GOOD and server.times(number) == 1 for number in range(odd, poisoned))
    assert [server.times(number) for number in (poisoned, poisoned + 1)] == [3, 3]
    stopped = (tmp_path / "stopped.txt").read_text()
    assert stopped.startswith(f"2 of {poisoned + 2} requests are left without an answer: the server failed at each of")
    assert "3 times; the last time: Error code: 500" in stopped
    assert "run the same command again: it asks these again" in stopped
    assert said.count("this one I cannot stand") >= 2
    assert "\x1b" not in said
    # what was paid for: each request once, but for those that the server does not count, or that were lost
    account = totals(tmp_path)
    assert account.requests == len(server.asked)
    assert account.open == {}
    known = sum(server.paid.values())
    assert account.unsure == sum(name in said_unsure for name in ONCE)
    assert account.estimated == len(USAGES) - 1
    assert account.paid.completion >= 7 * (known - len(USAGES) - account.unsure)
    # another run asks those alone that are left
    before = len(server.asked)
    server.reply = lambda number, attempt, body: completion("now")
    ended(start(tmp_path, openai_env, server.url, poisoned + 2, **settings))
    assert sorted(asked.number for asked in server.asked[before:]) == [poisoned, poisoned + 1]
    assert {number: line for number, line in journal(tmp_path).items() if number < poisoned} == given
    assert totals(tmp_path).requests == len(server.asked)


# those of the above of which nobody can say whether they are charged
said_unsure = {
    "too slow", "a trickle", "cut", "cut in its length", "hangs up", "an error as an answer", "nothing", "a list",
    "a page", "not packed as it says", "nested too deep", "no protocol",
}  # fmt: skip


def test_answers_that_are_out_are_kept_when_the_run_stops(
    tmp_path: Path, server: Server, openai_env: Environment
) -> None:
    def reply(number: int, attempt: int, body: dict[str, Any]) -> Reply:
        if len(server.asked) == 16:
            return failure(401, "Incorrect API key", "invalid_api_key")
        return completion()._replace(seconds=1.5)

    server.reply = reply
    said = ended(start(tmp_path, openai_env, server.url, 40, batch_size=16), 1)
    assert len(server.asked) == 16
    given = journal(tmp_path)
    assert len(given) == 15
    assert 1.5 < sum(line["seconds"] for line in given.values()) < 10  # of all together, not of each
    assert sum(server.paid.values()) == 15
    assert "check OPENAI_API_KEY\n25 of 40 requests are left" in said


def test_a_server_that_wants_to_be_left_alone_is(tmp_path: Path, server: Server, openai_env: Environment) -> None:
    server.reply = lambda number, attempt, body: (
        failure(429, "come back", Retry_After="7") if len(server.asked) == 9 else completion()._replace(seconds=0.1)
    )
    ended(start(tmp_path, openai_env, server.url, 40, retries=1, batch_size=2))
    times = [asked.at for asked in server.asked]
    gaps = sorted(late - early for early, late in itertools.pairwise(times))
    assert gaps[-1] > 6.8
    assert gaps[-2] < 1
    assert "waits 7.0 s until " in (tmp_path / "notes.txt").read_text()
    assert "as the server asks (Retry-After)" in (tmp_path / "notes.txt").read_text()


def test_a_wait_of_any_length_is_begun_and_can_be_ended(
    tmp_path: Path, server: Server, openai_env: Environment
) -> None:
    server.reply = lambda number, attempt, body: failure(503, "closed", Retry_After="200000")
    run = start(tmp_path, openai_env, server.url, 10, retries=3)
    deadline = time.monotonic() + 60
    while not (tmp_path / "notes.txt").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(1)
    asked = len(server.asked)
    assert asked <= 4
    run.send_signal(signal.SIGTERM)
    said = ended(run, 143)
    assert len(server.asked) == asked
    assert "waits 200,000.0 s, as the server asks (Retry-After)" in said


def test_fewer_are_sent_while_the_server_is_busy(tmp_path: Path, server: Server, openai_env: Environment) -> None:
    server.reply = lambda number, attempt, body: (
        failure(429, "at most four") if server.open > 4 else completion()._replace(seconds=0.1)
    )
    ended(start(tmp_path, openai_env, server.url, 200, retries=8, batch_size=16))
    assert len(journal(tmp_path)) == 200
    refused = len(server.asked) - 200
    assert 1 <= refused <= 60
    assert Counter(server.paid.values()) == {1: 200}


def test_killed_amid_nothing_is_lost_but_what_was_out(tmp_path: Path, server: Server, openai_env: Environment) -> None:
    server.reply = lambda number, attempt, body: completion(f"question {number}")._replace(seconds=0.1)
    for kill in range(1, 4):
        run = start(tmp_path, openai_env, server.url, 300, batch_size=8)
        deadline = time.monotonic() + 60
        while len(server.asked) < 50 * kill:
            assert run.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        run.kill()
        run.communicate()
        time.sleep(0.3)  # the server sees to the end of what it was asked
    said = ended(start(tmp_path, openai_env, server.url, 300, batch_size=8, prices=PRICES))
    assert "out when an earlier process was killed: paid for and lost are at most" in said
    given = journal(tmp_path)
    assert {number: line["text"] for number, line in given.items()} == {n: f"question {n}" for n in range(300)}
    twice = sum(server.paid.values()) - 300
    assert 0 < twice <= 3 * 8
    account = totals(tmp_path)
    assert account.paid[:2] == (300 * 100, 300 * 7)  # what is in the journal, and nothing twice
    assert twice <= len(account.open) <= 3 * 8  # one may have been killed before it was sent
    assert len(server.asked) <= account.requests


def test_a_cost_is_not_exceeded_and_more_goes_on(tmp_path: Path, server: Server, openai_env: Environment) -> None:
    server.reply = lambda number, attempt, body: completion()._replace(seconds=0.02)
    settings = {"prices": PRICES, "batch_size": 8}
    said = ended(start(tmp_path, openai_env, server.url, 60, max_cost=2.0, **settings), 1)
    first = len(journal(tmp_path))
    assert 0.114 * first == pytest.approx(totals(tmp_path).paid.cost(PRICES))
    assert 0.114 * sum(server.paid.values()) <= 2.0 < 0.114 * (first + 2)
    assert (
        f"stopped: inference.max_cost 2 USD is reached: {first} requests, {100 * first:,} + {7 * first} tokens" in said
    )
    assert f"{60 - first} of 60 requests are left. To go on raise it, --set inference.max_cost=..." in said
    ended(start(tmp_path, openai_env, server.url, 60, max_cost=2.0, **settings), 1)
    assert len(server.asked) == first  # nothing more is sent for the same money
    ended(start(tmp_path, openai_env, server.url, 60, max_cost=9.0, **settings))
    assert Counter(server.paid.values()) == {1: 60}
    assert totals(tmp_path).paid == (6000, 420, 0)


def test_a_number_of_requests_is_kept_with_those_sent_again(
    tmp_path: Path, server: Server, openai_env: Environment
) -> None:
    server.reply = lambda number, attempt, body: failure(500, "once") if attempt == 0 else completion()
    said = ended(start(tmp_path, openai_env, server.url, 20, retries=3, max_requests=25), 1)
    assert len(server.asked) == 25
    assert "inference.max_requests 25 is reached" in said
    assert len(journal(tmp_path)) == 25 - len({asked.number for asked in server.asked})
    ended(start(tmp_path, openai_env, server.url, 20, retries=3, max_requests=40))
    assert len(server.asked) == 40
    assert len(journal(tmp_path)) == 20


def test_requests_that_it_cannot_stand_do_not_hold_up_the_others(
    tmp_path: Path, server: Server, openai_env: Environment
) -> None:
    # a third of all, the longest; one at a time
    def reply(number: int, attempt: int, body: dict[str, Any]) -> Reply:
        return failure(500, "too much for me") if number < 30 else completion()

    server.reply = reply
    requests = [request(number) for number in range(90)]
    for one in requests[:30]:
        one["prompt"] += " and more" * 50
    said = ended(start(tmp_path, openai_env, server.url, requests, retries=1, batch_size=1), 1)
    assert set(journal(tmp_path)) == set(range(30, 90))
    assert "30 of 90 requests are left" in said


def test_a_server_that_refuses_everything_is_not_asked_everything(
    tmp_path: Path, server: Server, openai_env: Environment
) -> None:
    server.reply = lambda number, attempt, body: failure(400, "no such thing")
    said = ended(start(tmp_path, openai_env, server.url, 200), 1)
    assert "the server refused the first 20 requests and answered none" in said
    assert len(server.asked) <= 24


def test_an_outage_is_waited_for(tmp_path: Path, server: Server, openai_env: Environment) -> None:
    """Six seconds of a gateway's errors amid a run: nothing is lost, and hardly anything is sent meanwhile."""
    began: list[float] = []

    def reply(number: int, attempt: int, body: dict[str, Any]) -> Reply:
        if len(server.asked) == 30:
            began.append(time.monotonic())
        down = began and time.monotonic() - began[0] < 6
        return failure(502, "bad gateway") if down else completion()._replace(seconds=0.05)

    server.reply = reply
    ended(start(tmp_path, openai_env, server.url, 100, retries=8, batch_size=8))
    assert len(journal(tmp_path)) == 100
    assert 8 <= len(server.asked) - 100 <= 60


def test_what_cannot_be_sent_is_that_requests_error(tmp_path: Path, server: Server, openai_env: Environment) -> None:
    requests = [request(number) for number in range(3)]
    requests[1]["prompt"] += " half a pair: \ud83d"
    requests[2]["prompt"] += " \u2028 \x00 \U0001f600 \x1b[2J"
    ended(start(tmp_path, openai_env, server.url, requests))
    given = journal(tmp_path)
    assert "the prompt holds what cannot be sent" in given[1]["error"]
    assert [given[number]["text"] for number in (0, 2)] == [GOOD, GOOD]
    (asked,) = (asked for asked in server.asked if asked.number == 2)
    assert asked.body["messages"][0]["content"] == requests[2]["prompt"]
