"""What a server says of the key that it was sent."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.inside.masking import masked

KEY = "sk-proj-a/b+c=9Zq8Yw7Xv6Ut5"


def basic(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


FORMS = {
    "bearer": f"Authorization: Bearer {KEY}",
    "lower case": f"authorization: bearer {KEY.lower()}",
    "basic": f"Authorization: Basic {basic(f'user:{KEY}')}",
    "basic, another user": f"Authorization: Basic {basic(f'ab:{KEY}')}",
    "basic alone": f"bad credentials in {basic(f'a:{KEY}:x')}",
    "base64 of the key": f"got {basic(KEY)}",
    "base64 for addresses": f"got {base64.urlsafe_b64encode(f'x{KEY}'.encode()).decode()}",
    "base64 of the header": f"got {basic(f'Bearer {KEY}')}",
    "JSON": json.dumps({"headers": {"Authorization": f"Bearer {KEY}", "Host": "x"}}),
    "JSON in JSON": json.dumps({"message": json.dumps({"authorization": f"Bearer {KEY}"})}),
    "a Python dictionary": str({"Authorization": f"Bearer {KEY}"}),
    "an address": f"https://x/y?api_key={quote(KEY, safe='')}&b=1",
    "quoted header": quote(f"Authorization: Bearer {KEY}"),
    "hexadecimal": KEY.encode().hex(),
    "cut off": f"Incorrect API key provided: {KEY[:20]}",
    "alone": f"no such key {KEY}",
    "another header": f"X-Api-Key: {KEY}",
}


@pytest.mark.parametrize("name", FORMS)
def test_no_form_of_a_key_is_kept(name: str) -> None:
    said = masked(f"401: {FORMS[name]} (see the docs)", KEY)
    assert "***" in said
    assert said.startswith("401: ")
    for at in range(len(KEY) - 9):
        assert KEY[at : at + 10].lower() not in said.lower()
        assert quote(KEY[at : at + 10], safe="").lower() not in said.lower()
    for before in range(3):
        piece = basic("\0" * before + KEY)[4:-4]
        assert piece[4:16] not in said


@pytest.mark.parametrize("header", ["Authorization: Bearer other-key-123", "'Authorization': 'Basic YTpi'",
                                    '"proxy-authorization":"Digest abc"', "Set-Cookie: session=1234"])  # fmt: skip
def test_headers_of_others_are_masked_too(header: str) -> None:
    said = masked(f"failed with {header}", "")
    assert "***" in said
    assert not any(secret in said for secret in ("other-key", "YTpi", "abc", "1234"))


@given(st.text())
def test_what_holds_no_key_is_kept(text: str) -> None:
    if not any(word in text.lower() for word in ("authorization", "bearer", "basic", "cookie", "key")):
        assert masked(text, "") == masked(text, "none") == text


def test_words_are_no_keys() -> None:
    said = "basic understanding of bearer bonds; the key none is not valid; Authorization is needed"
    assert masked(said, "none") == said
