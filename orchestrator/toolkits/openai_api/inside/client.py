"""One request over the network, through the official client; what goes wrong is raised as `verdict` tells it."""

from __future__ import annotations

import asyncio
import json
import os
import unicodedata
from collections.abc import Sequence
from typing import Any

from orchestrator.inside.masking import masked
from orchestrator.toolkits.openai_api.inside import verdict
from orchestrator.toolkits.openai_api.inside.question import Message

RETRIES, TIMEOUT_SECONDS, CONNECT_SECONDS = 8, 120.0, 10.0
LONGEST = 600  # characters of a message of the server


class Client:
    """The server that ``OPENAI_BASE_URL`` names, asked with the key in ``OPENAI_API_KEY``.

    Attributes:
        retries: how often a request is sent again that the server failed at.
        timeout: seconds that a request may take from its first byte to the last of its answer.
        address: the server's, for people.
    """

    def __init__(self, model: str) -> None:
        import openai

        if not os.environ.get("OPENAI_BASE_URL"):
            os.environ.pop("OPENAI_BASE_URL", None)  # empty counts as not set
        self.key = os.environ.get("OPENAI_API_KEY", "").strip()
        if not self.key and "OPENAI_BASE_URL" not in os.environ:
            raise SystemExit("OPENAI_API_KEY is not set")
        if not (self.key.isascii() and self.key.isprintable()):  # the error of the client would show it
            raise SystemExit("OPENAI_API_KEY holds characters that no key has: copy it again")
        self.model = model
        self.timeout = float(os.environ.get("MMLA_API_TIMEOUT_SECONDS") or TIMEOUT_SECONDS)
        self.retries = int(os.environ.get("MMLA_API_RETRIES") or RETRIES)
        wait = openai.Timeout(self.timeout, connect=min(CONNECT_SECONDS, self.timeout))
        self._client = openai.AsyncOpenAI(
            api_key=self.key or "none",  # a local server wants no key, the client wants one
            timeout=wait,
            max_retries=0,  # whether and when something is sent again is not one request's matter
            # utterances and clips go where the user said, and nowhere else
            http_client=openai.DefaultAsyncHttpxClient(timeout=wait, follow_redirects=False),
        )
        url = self._client.base_url
        self.address = f"{url.scheme}://{url.host}{f':{url.port}' if url.port else ''}"

    async def complete(self, messages: Sequence[Message], options: dict[str, Any]) -> Any:
        """The body of a completion as JSON; raises `verdict.Failed`, `verdict.Own` or `verdict.Stop`."""
        import httpx2
        import openai

        body = {"model": self.model, "messages": messages, **options}
        # not `chat.completions.create`, which looks through every word of a request again: a third of all the time
        asked = self._client.post("/chat/completions", cast_to=httpx2.Response, body=body)
        try:
            # the client's own limits are for each byte: a server may send one a minute
            reply = await asyncio.wait_for(asked, self.timeout)
        except (asyncio.TimeoutError, openai.APITimeoutError):
            raise verdict.Failed(f"no whole answer within {self.timeout:g} seconds", unsure=True) from None
        except openai.APIConnectionError as error:
            raise self._broken(error) from None
        except openai.APIStatusError as error:
            raise self._refused(error, options) from None
        except UnicodeError as error:  # half a pair of surrogates
            raise verdict.Own(f"the prompt holds what cannot be sent: {self.clean(error)}", 0) from None
        except Exception as error:
            raise verdict.Failed(f"{type(error).__name__}: {self.clean(error)}", unsure=True) from None
        try:
            found = json.loads(reply.content)
        except (ValueError, RecursionError):
            text = self.clean(reply.text)[:100]
            raise verdict.Failed(
                f"what the server sends is no chat completion ({text})", unsure=True, no_server=True
            ) from None
        named = verdict.within(found)
        if named and not found.get("choices"):
            status, told = named
            raise verdict.of_status(status, self.clean(told.get("message") or told), told, {}, options)
        return found

    def _broken(self, error: Any) -> verdict.Failed:
        cause = error.__cause__ or error
        if type(cause).__name__ in ("ConnectError", "ConnectTimeout", "ProxyError", "UnsupportedProtocol"):
            return verdict.Failed(f"the server cannot be reached ({self.clean(cause)})", no_server=True)
        # it hung up: perhaps it is this request that it cannot stand
        return verdict.Failed(f"the server broke the connection ({self.clean(cause)})", unsure=True)

    def _refused(self, error: Any, options: dict[str, Any]) -> Exception:
        said = error.body if isinstance(error.body, dict) else {}
        headers = {name.lower(): value for name, value in error.response.headers.items()}
        return verdict.of_status(error.status_code, self.clean(error), said, headers, options)

    def clean(self, said: object) -> str:
        """Text of the server or the client on one line, without the key: it goes into files that are shared.

        What would move a terminal's cursor, or cannot be seen, is named.
        """
        text = " ".join(str(said).split())
        text = masked(text, self.key)
        # line breaks are gone; categories C*: control, format, surrogates
        shown = (f"<U+{ord(char):04X}>" if unicodedata.category(char)[0] == "C" else char for char in text[:LONGEST])
        return "".join(shown)
