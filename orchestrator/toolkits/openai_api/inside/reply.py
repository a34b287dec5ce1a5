"""How the body of a completion is read. What is in here is part of a stage's key."""

from __future__ import annotations

from typing import Any, NamedTuple

# as the protocol and servers of other makes spell it
STOPPED = ("stop", "eos", "eos_token", "end_turn", "stop_sequence")
TOO_LONG = ("length", "max_tokens", "model_length")
FILTERED = ("content_filter", "safety", "recitation", "blocklist", "prohibited_content", "spii")


class Refused(Exception):
    """There is no answer to this request, and there would be none if it were sent again."""


class Broken(Exception):
    """What the server sent is no answer: it failed."""


class Read(NamedTuple):
    """An answer and why it ended: ``stop``, ``length``, or ``refusal`` where the model says that it does not answer."""

    text: str
    finish_reason: str


def read(body: Any) -> Read:
    """The answer in a completion; raises `Refused` or `Broken`."""
    choices = body.get("choices") if isinstance(body, dict) else None
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise Broken(f"no answer in it ({_error(body) or 'no choices'})")
    choice = choices[0]
    message = choice.get("message")
    message = message if isinstance(message, dict) else {}
    reason = choice.get("finish_reason")
    said = str(reason).lower()
    if said in FILTERED:
        raise Refused(f"{reason}: the server's filter withheld the answer")
    text, refusal = _text(message.get("content")), message.get("refusal")
    if said == "error" or choice.get("error") or (reason is None and not text):
        raise Broken(f"no answer in it ({_error(choice) or _error(body) or f'it ended with {reason!r}'})")
    if reason is not None and said not in (*STOPPED, *TOO_LONG):
        raise Refused(f"the answer ended with {reason!r}, neither stop nor length")
    if text is None:
        raise Refused(f"the answer is no text: {message.get('content')}")
    if not text and isinstance(refusal, str) and refusal:
        return Read(refusal, "refusal")
    # a model that only thought until the limit said nothing
    return Read(text, "length" if said in TOO_LONG else "stop")


def _text(content: Any) -> str | None:
    """The text of a message's content, which may come in parts; ``None`` where it is anything else."""
    if content is None:
        return ""
    if isinstance(content, list) and all(isinstance(part, dict) for part in content):
        parts = [part.get("text") for part in content if part.get("type", "text") in ("text", "output_text")]
        return "".join(parts) if all(isinstance(part, str) for part in parts) else None
    return content if isinstance(content, str) else None


def _error(found: Any) -> str:
    error = found.get("error") if isinstance(found, dict) else None
    return str(error.get("message") or error) if isinstance(error, dict) else str(error or "")
