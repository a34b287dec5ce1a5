"""Tokens of a request: a bound before it is sent, and what the server says afterwards."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Optional

from orchestrator.inside.spent import Tokens
from orchestrator.toolkits.openai_api.inside.question import Message, Picture

AROUND = 16  # tokens of a message that are no text, at most
TILE = 512  # pixels: https://platform.openai.com/docs/guides/images-vision, "Calculating costs"
PICTURE_TOKENS, TILE_TOKENS = 85, 170  # GPT-4o's, see there
LARGEST = 10**9  # tokens: what is above is no count


class Usage(NamedTuple):
    """Tokens as the server counts them. ``odd``: what of its account is no number of tokens, in words."""

    tokens: Tokens
    odd: str


def picture_tokens(width: int, height: int, prices: Optional[Mapping[str, Any]]) -> int:
    """Tokens of a picture that is not scaled down: some, and more for each tile of 512 x 512 pixels."""
    each = prices or {}
    tiles = math.ceil(width / TILE) * math.ceil(height / TILE)
    return int(each.get("picture_tokens", PICTURE_TOKENS)) + int(each.get("tile_tokens", TILE_TOKENS)) * tiles


def at_most(
    messages: Sequence[Message], pictures: Sequence[Picture], answer: int, prices: Optional[Mapping[str, Any]]
) -> Tokens:
    """A bound: no token is shorter than a byte. What the server itself adds to a prompt is not in it."""
    texts = [message["content"] for message in messages]
    plain = [text if isinstance(text, str) else text[-1]["text"] for text in texts]
    prompt = sum(len(text.encode("utf-8", "replace")) + AROUND for text in plain)
    prompt += sum(picture_tokens(picture.width, picture.height, prices) for picture in pictures)
    return Tokens(prompt, answer)


def read(body: Any, bound: Tokens) -> Usage:
    """What a completion says of its tokens; what it does not say, or not in numbers, is taken from the bound."""
    usage = body.get("usage") if isinstance(body, dict) else None
    if not isinstance(usage, dict):
        return Usage(bound, f"usage is {usage!r:.80}")
    odd = []
    found = []
    for name, other, most in (
        ("prompt_tokens", "input_tokens", bound.prompt),
        ("completion_tokens", "output_tokens", bound.completion),
    ):
        value = usage.get(name, usage.get(other))
        if (count := _count(value)) is None:
            odd.append(f"usage.{name} is {value!r:.80}")
        found.append(most if count is None else count)
    details = usage.get("prompt_tokens_details")
    cached = _count(details.get("cached_tokens")) if isinstance(details, dict) else None
    return Usage(Tokens(found[0], found[1], min(cached or 0, found[0])), "; ".join(odd))


def _count(value: Any) -> Optional[int]:
    """A number of tokens; also one in quotes, or with a point behind it."""
    try:
        number = float(value) if isinstance(value, (int, float, str)) and not isinstance(value, bool) else -1.0
    except (ValueError, OverflowError):
        return None
    return int(number) if 0 <= number <= LARGEST and number == int(number) else None
