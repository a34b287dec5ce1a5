"""Texts of servers without the key that they were sent: some echo the header it came in, in one form or another."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

SHORTEST = 8  # characters of a key: shorter ones are no secret (`none`, `EMPTY`), and would be found everywhere
BEGINNING = 12  # of a key that is cut off
# the header whatever its value, and what stands behind the names of its schemes
_HEADER = re.compile(
    r"""((?:proxy-)?authorization|x-api-key|api-key|(?:set-)?cookie)((?:\\?["'])?\s*(?:[:=]|%3A)\s*(?:\\?["'])?)"""
    r"""(?!\*\*\*)(?:(?:bearer|basic|digest|token)(?:\s+|%20|\+))?[^\s"',}\\]+""",
    re.IGNORECASE,
)
_SCHEME = re.compile(r"\b(bearer|basic)(\s+|%20|\+)(?=[^\s\"',}]*[\d+/=_-])[\w+/.~=%-]{8,}", re.IGNORECASE)


def masked(text: str, key: str) -> str:
    """A text with ``***`` in the place of a key, and of whatever is in a header that could hold one.

    Args:
        text: what a server or a client said.
        key: the key, which may be empty; also where it is quoted, escaped, in base64 or hexadecimal, or cut off.
    """
    if len(key) >= SHORTEST:
        for form in dict.fromkeys(_forms(key)):
            text = re.sub(re.escape(form), "***", text, flags=re.IGNORECASE)
        text = re.sub(rf"{re.escape(key[:BEGINNING])}[^\s\"',}}]*", "***", text, flags=re.IGNORECASE)
    return _SCHEME.sub(r"\1\2***", _HEADER.sub(r"\1\2***", text))


def _forms(key: str) -> Iterator[str]:
    yield key
    yield from (quote(key, safe=""), quote_plus(key), json.dumps(key)[1:-1], html.escape(key))
    yield from (key.encode().hex(), key[::-1])
    for before in range(3):  # what stands before it decides how base64 writes it
        whole = base64.b64encode(b"\0" * before + key.encode())
        # without the signs that also hold of what stands beside it
        inner = whole[-(-before * 4 // 3) + (before > 0) : len(whole) - (4 if (before + len(key.encode())) % 3 else 0)]
        for form in (inner, inner.replace(b"+", b"-").replace(b"/", b"_")):
            yield form.decode()
