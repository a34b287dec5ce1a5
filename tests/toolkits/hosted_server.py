"""A server of chat completions on localhost that misbehaves as it is told, and counts what it was asked.

``python -m tests.toolkits.hosted_server`` is one that answers after 50 ms, every fiftieth request after 2 s, for
measuring rates; it prints its address.
"""

from __future__ import annotations

import contextlib
import json
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Reply(NamedTuple):
    """What is sent: a status, a body (text goes out as it is, anything else as JSON) and headers.

    Attributes:
        seconds: before it is sent.
        drip: seconds between its bytes, one by one, the headers included.
        cut: the connection ends after so many bytes of the body.
    """

    status: int
    body: Any
    headers: dict[str, str]
    seconds: float = 0.0
    drip: float = 0.0
    cut: int | None = None


class Asked(NamedTuple):
    """A request: the number of its utterance, when it came, its body and its key."""

    number: int
    at: float
    body: dict[str, Any]
    authorization: str


USAGE = {"prompt_tokens": 100, "completion_tokens": 7, "total_tokens": 107}


def completion(
    text: str | None = "It is a question.", reason: str | None = "stop", usage: Any = USAGE, **message: Any
) -> Reply:
    """An answer."""
    choice = {"index": 0, "finish_reason": reason, "message": {"role": "assistant", "content": text, **message}}
    body = {"id": "c", "object": "chat.completion", "created": 1, "model": "served-1", "choices": [choice]}
    return Reply(200, {**body, "usage": usage, "system_fingerprint": "fp_1"}, {})


def failure(status: int, message: str, code: str | None = None, param: str | None = None, **headers: str) -> Reply:
    """An error in the protocol's own form; in the names of headers ``_`` stands for ``-``."""
    return Reply(status, {"error": {"message": message, "type": "t", "code": code, "param": param}}, headers)


def text_of(body: dict[str, Any]) -> str:
    """The text of a request's last message."""
    content = body["messages"][-1]["content"]
    return str(content if isinstance(content, str) else content[-1]["text"])


@dataclass
class Server:
    """``reply(number of the utterance, which attempt, body)`` says what is sent.

    Attributes:
        asked: all requests, in the order in which they came.
        paid: by utterance, how many completions with tokens were made for it, whether they arrived or not.
        open: requests that are being answered.
        most_open: the most there were at once.
    """

    reply: Callable[[int, int, dict[str, Any]], Reply] = lambda number, attempt, body: completion()
    asked: list[Asked] = field(default_factory=list)
    paid: dict[int, int] = field(default_factory=dict)
    open: int = 0
    most_open: int = 0

    def __post_init__(self) -> None:
        self.lock = threading.Lock()
        self.counts: dict[int, int] = {}

        class Http(ThreadingHTTPServer):
            request_queue_size = 128
            server_of = self

        self.http = Http(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/v1"
        threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True).start()

    def times(self, number: int) -> int:
        """How often an utterance was asked about."""
        return self.counts.get(number, 0)

    def close(self) -> None:
        """Listen no more."""
        self.http.shutdown()
        self.http.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_POST(self) -> None:
        server: Server = self.server.server_of  # type: ignore[attr-defined]
        length = int(self.headers["Content-Length"])
        text = self.rfile.read(length)
        if len(text) < length:  # the client was killed
            return
        body = json.loads(text)
        number = int(re.findall(r"Utterance (\d+)", text_of(body))[0])
        with server.lock:
            attempt = server.times(number)
            server.counts[number] = attempt + 1
            server.asked.append(Asked(number, time.monotonic(), body, self.headers["Authorization"]))
            server.open += 1
            server.most_open = max(server.most_open, server.open)
        known = self.path == "/v1/chat/completions"
        try:
            reply = server.reply(number, attempt, body) if known else failure(404, "no page")
            time.sleep(reply.seconds)
        finally:
            with server.lock:
                server.open -= 1
        if isinstance(reply.body, dict) and reply.body.get("usage") and reply.status == 200:
            with server.lock:
                server.paid[number] = server.paid.get(number, 0) + 1
        self._send(reply)

    def do_GET(self) -> None:  # where a redirect led
        self._send(failure(405, "POST only"))

    def _send(self, reply: Reply) -> None:
        text = (reply.body if isinstance(reply.body, str) else json.dumps(reply.body)).encode()
        kind = "text/html" if isinstance(reply.body, str) else "application/json"
        headers = {"Content-Type": kind, "Content-Length": str(len(text))} | reply.headers
        lines = [f"HTTP/1.1 {reply.status} {'OK' if reply.status == 200 else 'No'}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        head = ("\r\n".join(lines) + "\r\n\r\n").encode()
        if reply.drip:
            for byte in head + text:
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
                time.sleep(reply.drip)
        else:
            self.wfile.write(head + text[: reply.cut])
        self.wfile.flush()
        self.close_connection = reply.cut is not None

    def log_message(self, *_: object) -> None:
        pass

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):  # the client was killed, or lost its patience
            super().handle()


@contextlib.contextmanager
def serving() -> Iterator[Server]:
    """A server for as long as the context lasts."""
    server = Server()
    try:
        yield server
    finally:
        server.close()


def slow_at_times(number: int, attempt: int, body: dict[str, Any]) -> Reply:
    """50 ms, and 2 s for every fiftieth utterance."""
    return completion(f"question {number}")._replace(seconds=2.0 if number % 50 == 0 else 0.05)


if __name__ == "__main__":
    with serving() as made:
        made.reply = slow_at_times
        print(made.url, flush=True)
        sys.stdin.read()
