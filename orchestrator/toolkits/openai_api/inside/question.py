"""What is asked: a request's messages and the options of decoding. What is in here is part of a stage's key."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from typing import Any, NamedTuple

from orchestrator.toolkits.openai_api.inside.frames import frames_of

UNKNOWN_PARAMETER = re.compile(r"unsupported|not support|unrecogni[sz]ed|unknown|not permitted|unexpected|extra", re.I)

Message = dict[str, Any]


class Picture(NamedTuple):
    """A frame as a data URL, and its size in pixels."""

    url: str
    width: int
    height: int


def pictures_of(request: dict[str, Any], config: dict[str, Any]) -> list[Picture]:
    """The frames of a request's clip; raises what is wrong with the clip."""
    if not request.get("video"):
        return []
    frames = frames_of(request["video"], int(config["frames"]), int(config["max_pixels"]))
    return [Picture(*frame) for frame in frames]


def messages_of(request: dict[str, Any], pictures: Sequence[Picture]) -> list[Message]:
    """A request as the protocol's messages."""
    content: Any = request["prompt"]
    if request.get("video"):
        images = [{"type": "image_url", "image_url": {"url": picture.url}} for picture in pictures]
        content = [*images, {"type": "text", "text": request["prompt"]}]
    system = request.get("system")
    messages: list[Message] = [] if system is None else [{"role": "system", "content": system}]
    for turn in request.get("history") or ():
        messages += [{"role": who, "content": text} for who, text in zip(("user", "assistant"), turn, strict=True)]
    return [*messages, {"role": "user", "content": content}]


class Options:
    """How answers are decoded, in the words that this server knows."""

    def __init__(self, config: dict[str, Any]) -> None:
        # servers that know only max_tokens ignore max_completion_tokens without a word; the reverse is an error
        self.current: dict[str, Any] = {"max_tokens": config["max_new_tokens"], "temperature": config["temperature"]}
        if config["temperature"] > 0:
            self.current |= {"top_p": config["top_p"], "seed": config["seed"]}
        self.without_seed = False
        self._lock = threading.Lock()

    def adapt(self, status: Any, said: str, sent: dict[str, Any]) -> bool:
        """Whether a request that was refused can be sent again, without a parameter that this server does not know."""
        if status not in (400, 422) or not UNKNOWN_PARAMETER.search(said):
            return False
        known = dict(sent)
        if "max_tokens" in sent and re.search(r"\bmax_tokens\b", said):
            known["max_completion_tokens"] = known.pop("max_tokens")
        elif "seed" in sent and re.search(r"\bseed\b", said):
            del known["seed"]
            self.without_seed = True
        else:
            return False
        with self._lock:
            if self.current is sent:  # else another request was quicker
                self.current = known
        return True
