"""What a failed request means: is it the server's failure, this request's own, or would every request meet it?"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Optional
from urllib.parse import urlsplit

URL = 0  # no status: what is there is no such server
ADVICE = {
    URL: "check OPENAI_BASE_URL (most end in /v1) and the network",
    401: "check OPENAI_API_KEY",
    402: "the account has no credit left: see its billing page",
    403: "this key may not use this model: check OPENAI_API_KEY, and the account's access to the model",
    404: "check model.path, the name under which the server knows the model, and OPENAI_BASE_URL (most end in /v1)",
    407: "a proxy wants a login: check HTTPS_PROXY in the shell",
    500: "check the server: it may be down",
    429: "the server refuses more requests for now: wait, or lower inference.batch_size (requests at once)",
}
QUOTA = re.compile(r"insufficient_quota|billing")
NO_CREDIT = re.compile(r"credit balance|insufficient[_ ](balance|credits?|funds)", re.IGNORECASE)
FLAGGED = re.compile(r"moderation|flagged|content.?(filter|policy|management)", re.IGNORECASE)
OWN = (400, 413, 414, 422, 431, 451)  # statuses that are about what was sent
LATER = (408, 409, 425, 499)  # the server's own trouble, though they are numbered as the client's
BUSY = (429, 503, 529)  # too many requests at once


class Own(Exception):
    """This request is refused, as it would be again. ``status``: of HTTP."""

    def __init__(self, said: str, status: int) -> None:
        super().__init__(said)
        self.status = status


class Stop(Exception):
    """Every later request would fail, too."""


class Failed(Exception):
    """The server failed: the request is to be sent again.

    Attributes:
        busy: it was asked for too much at once.
        wait: it wants to be left alone for so many seconds.
        unsure: the request may be charged all the same.
        no_server: it may not be there, or not be one: the address may be wrong.
    """

    def __init__(
        self, said: str, *, busy: bool = False, wait: Optional[float] = None, unsure: bool = False,
        no_server: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(said)
        self.busy, self.wait, self.unsure, self.no_server = busy, wait, unsure, no_server

    @property
    def advice(self) -> str:
        """What to do where requests fail so one after another."""
        if self.busy:
            return ADVICE[429]
        return ADVICE[URL] if self.no_server else ADVICE[500]


def of_status(
    status: int, said: str, error: Mapping[str, Any], headers: Mapping[str, str], options: Mapping[str, Any]
) -> Exception:
    """What an answer that is no completion means.

    Args:
        status: of HTTP, or the one that a gateway names within a reply of status 200.
        said: what the server says, without secrets.
        error: its ``error`` as far as it is an object, with ``code``, ``type`` and ``param``.
        headers: of the reply, names in lower case.
        options: of decoding, as they were sent.
    """
    kind = f"{error.get('code')} {error.get('type')}"
    if QUOTA.search(kind) or (status in (400, 402, 403, 429) and NO_CREDIT.search(said)):
        return Stop(f"{said}\n{ADVICE[402]}")
    if status in BUSY:
        return Failed(said, busy=True, wait=retry_after(headers))
    if status >= 500 or status in LATER:
        return Failed(said, wait=retry_after(headers))
    if 300 <= status < 400:
        there = _address(headers.get("location", ""))
        return Failed(
            f"in place of an answer the server sends requests on to {there} (status {status}): if that is the right "
            "address, set OPENAI_BASE_URL to it",
            no_server=True,
        )
    if status == 403 and FLAGGED.search(said):
        return Own(said, status)
    if status in OWN:
        named = error.get("param")
        if named in ("temperature", "top_p"):
            return Stop(f"{said}\nthis model does not take inference.{named} {options.get(named)}: change it")
        return Stop(f"{said}\n{ADVICE[404]}") if named == "model" else Own(said, status)
    if status < 400:
        return Failed(f"status {status} in place of an answer ({said})", unsure=True, no_server=True)
    return Stop(f"{said}\n{ADVICE.get(status, ADVICE[404])}")


def _address(url: str) -> str:
    """Where a redirect leads, without a login or what is behind the path, where secrets stand."""
    try:
        parts = urlsplit(url)
        host = f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}" if parts.hostname else ""
    except ValueError:
        return "elsewhere"
    return f"{host}{parts.path}" or "elsewhere"


def within(body: Any) -> Optional[tuple[int, Mapping[str, Any]]]:
    """The status and the error that a gateway sends within a reply of status 200; ``None`` where it names none."""
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict):
        return None
    for name in ("code", "status", "status_code"):
        number = error.get(name)
        if isinstance(number, str) and number.isdecimal():
            number = int(number)
        if type(number) is int and 400 <= number < 600:
            return number, error
    return (429, error) if QUOTA.search(f"{error.get('code')} {error.get('type')}") else None


def retry_after(headers: Mapping[str, str], now: Optional[float] = None) -> Optional[float]:
    """How many seconds a server wants to be left alone for, of any length; ``None`` where it does not say.

    It may give seconds, milliseconds under another name, or a date, which counts from the date of its own clock where
    it sends that.
    """
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        with_number = _number(headers.get(name, ""))
        if with_number is not None:
            return with_number / unit
    until = _date(headers.get("retry-after", ""))
    if until is None:
        return None
    begin = _date(headers.get("date", ""))
    return max(0.0, until - (begin if begin is not None else time.time() if now is None else now))


def _number(text: str) -> Optional[float]:
    try:
        number = float(text)
    except ValueError:
        return None
    return max(0.0, number) if math.isfinite(number) else None


def _date(text: str) -> Optional[float]:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError, OverflowError, IndexError):
        return None
