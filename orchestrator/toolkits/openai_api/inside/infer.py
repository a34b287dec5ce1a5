"""Ask a model behind an OpenAI-compatible chat-completions API, through the official client. Runs inside the toolkit's
environment: ``start.py infer.py config.json`` (see ``orchestrator/inside/``).

``OPENAI_API_KEY`` and ``OPENAI_BASE_URL`` come from the environment. What fails for one request is that request's
error; what would fail for every later one, too (the key, the quota, the model's name, a server that is down), ends the
process. Answers of the same batch are then asked again; what the journal holds is not, when the same command goes on.
"""

from __future__ import annotations

import atexit
import os
import re
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from orchestrator.inside import loop
from orchestrator.inside.masking import masked
from orchestrator.toolkits.openai_api.inside.frames import frames_of

# the client waits 0.5, 1, 2, 4, 8, 8, ... seconds between tries, or as long as the server's Retry-After says
RETRIES, TIMEOUT_SECONDS, CONNECT_SECONDS = 8, 120.0, 10.0
# so many requests in a row without an answer, through all retries: the server is down, not the requests bad
FAILURES_IN_A_ROW = 3
USAGE_SECONDS = 60.0
ADVICE = {
    401: "check OPENAI_API_KEY",
    402: "the account has no credit left: see its billing page",
    403: "this key may not use this model: check OPENAI_API_KEY, and the account's access to the model",
    404: "check model.path, the name under which the server knows the model, and OPENAI_BASE_URL (most end in /v1)",
    429: "the server refuses more requests for now: wait, or lower inference.batch_size (requests at once)",
}
QUOTA = re.compile(r"insufficient_quota|billing")
FLAGGED = re.compile(r"moderation|flagged|content.?(filter|policy|management)", re.IGNORECASE)
UNKNOWN_PARAMETER = re.compile(r"unsupported|not support|unrecogni[sz]ed|unknown|not permitted|unexpected|extra", re.I)


class Stop(Exception):
    """Every later request would fail, too."""


class NoAnswer(Exception):
    """The server gave no answer to this request, through all retries."""


class Refused(Exception):
    """The server refuses this request."""


class ApiAnswerer:
    """A model of a server; see `loop.Answerer`."""

    def __init__(self, config: dict[str, Any]) -> None:
        import openai

        if not os.environ.get("OPENAI_BASE_URL"):
            os.environ.pop("OPENAI_BASE_URL", None)  # empty counts as not set
        self.key = os.environ.get("OPENAI_API_KEY", "").strip()
        if not self.key and "OPENAI_BASE_URL" not in os.environ:
            raise SystemExit("OPENAI_API_KEY is not set")
        if not (self.key.isascii() and self.key.isprintable()):  # the error of the client would show it
            raise SystemExit("OPENAI_API_KEY holds characters that no key has: copy it again")
        self.timeout = float(os.environ.get("MMLA_API_TIMEOUT_SECONDS") or TIMEOUT_SECONDS)
        self.retries = int(os.environ.get("MMLA_API_RETRIES") or RETRIES)
        wait = openai.Timeout(self.timeout, connect=CONNECT_SECONDS)
        # a local server wants no key, the client wants one
        self.client = openai.OpenAI(api_key=self.key or "none", timeout=wait, max_retries=self.retries)
        self.config = config
        # servers that know only max_tokens ignore max_completion_tokens without a word; the reverse is an error
        self.options: dict[str, Any] = {"max_tokens": config["max_new_tokens"], "temperature": config["temperature"]}
        if config["temperature"] > 0:
            self.options |= {"top_p": config["top_p"], "seed": config["seed"]}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._askers = ThreadPoolExecutor(max_workers=int(config["batch_size"]))
        self._decoders = ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1))
        self._coming: dict[str, Future[list[str]]] = {}
        self._failures = 0
        self._used: Counter[str] = Counter()
        self._told: set[str] = set()
        self._reported = time.monotonic()
        url = self.client.base_url
        print(f"asking {config['model']} at {url.scheme}://{url.host}{f':{url.port}' if url.port else ''}", flush=True)
        atexit.register(self.report)

    def length(self, request: loop.Request) -> int:
        """Bytes of the prompt."""
        return len(request["prompt"].encode("utf-8", "replace"))

    def prefetch(self, batch: Sequence[loop.Request]) -> None:
        """Decode the next batch's videos while the server answers this one."""
        for request in batch:
            if request.get("video") and request["id"] not in self._coming:
                self._coming[request["id"]] = self._decoders.submit(
                    frames_of, request["video"], int(self.config["frames"]), int(self.config["max_pixels"])
                )

    def answer(self, batch: Sequence[loop.Request]) -> Sequence[loop.Answer]:
        """One answer or exception per request, all asked at once; `SystemExit` where it makes no sense to go on."""
        self.prefetch(batch)
        asked = [self._askers.submit(self._ask, request, self._coming.pop(request["id"], None)) for request in batch]
        answers: list[loop.Answer] = []
        stop = ""
        for future in asked:
            try:
                answers.append(self._read(future.result()))
            except Stop as error:
                stop = stop or str(error)
            except Exception as error:
                answers.append(error)
        lost = [answer for answer in answers if isinstance(answer, NoAnswer)]
        self._failures = 0 if any(isinstance(answer, tuple) for answer in answers) else self._failures + len(lost)
        if lost and self._failures >= FAILURES_IN_A_ROW:
            stop = stop or f"{self._failures} requests in a row got no answer: {lost[-1]}\ncheck the server"
        if stop:
            raise SystemExit(f"stopped: {stop}; earlier answers are kept, the same command goes on from here")
        if time.monotonic() - self._reported >= USAGE_SECONDS:
            self.report()
        return answers

    def _ask(self, request: loop.Request, frames: Future[list[str]] | None) -> Any:
        """The server's completion; raises `Stop` or what is wrong with this request."""
        import openai

        content: Any = request["prompt"]
        if frames is not None:
            pictures = [{"type": "image_url", "image_url": {"url": url}} for url in frames.result()]
            content = [*pictures, {"type": "text", "text": request["prompt"]}]
        system = request.get("system")
        messages = [] if system is None else [{"role": "system", "content": system}]
        for turn in request.get("history") or ():
            messages += [{"role": who, "content": text} for who, text in zip(("user", "assistant"), turn, strict=True)]
        messages.append({"role": "user", "content": content})
        while not self._stop.is_set():
            sent = self.options
            try:
                return self.client.chat.completions.create(model=self.config["model"], messages=messages, **sent)
            except openai.APIError as error:
                if not self._adapt(error, sent):
                    verdict = self._judge(error)
                    if isinstance(verdict, Stop):
                        self._stop.set()
                    raise verdict from None
        raise Stop  # another request's reason is told

    def _adapt(self, error: Any, sent: dict[str, Any]) -> bool:
        """Whether the request can be sent again, without a parameter that this server does not know."""
        said = str(error)
        if getattr(error, "status_code", None) not in (400, 422) or not UNKNOWN_PARAMETER.search(said):
            return False
        known = dict(sent)
        if "max_tokens" in sent and re.search(r"\bmax_tokens\b", said):
            known["max_completion_tokens"] = known.pop("max_tokens")
        elif "seed" in sent and re.search(r"\bseed\b", said):
            del known["seed"]
            self._tell("the server knows no seed: answers drawn at this temperature cannot be repeated")
        else:
            return False
        with self._lock:
            if self.options is sent:  # else another request was quicker
                self.options = known
        return True

    def _judge(self, error: Any) -> Exception:
        """What an error of the client means: `Stop`, `NoAnswer` or `Refused`."""
        import openai

        status, said = getattr(error, "status_code", None), self._clean(error)
        if isinstance(error, openai.APITimeoutError):
            return NoAnswer(f"no answer within {self.timeout:g} seconds, {self.retries + 1} times")
        if isinstance(error, openai.APIConnectionError):
            cause = error.__cause__ or error
            if type(cause).__name__ != "ConnectError":  # it hung up: perhaps it is this request that it cannot stand
                return NoAnswer(f"the server broke the connection ({self._clean(cause)})")
            return Stop(f"the server cannot be reached ({self._clean(cause)})\ncheck OPENAI_BASE_URL and the network")
        if QUOTA.search(f"{error.code} {error.type}"):
            return Stop(f"{said}\n{ADVICE[402]}")
        if status in ADVICE and not (status == 403 and FLAGGED.search(said)):
            return Stop(f"{said}\n{ADVICE[status]}")
        if status in (400, 422):
            named = getattr(error, "param", None)
            if named in ("temperature", "top_p"):
                return Stop(f"{said}\nthis model does not take inference.{named} {self.options.get(named)}: change it")
            if named == "model":
                return Stop(f"{said}\n{ADVICE[404]}")
        return NoAnswer(said) if status is None or status >= 500 or status in (408, 409) else Refused(said)

    def _read(self, completion: Any) -> loop.Answer:
        """The answer in a completion; raises what is wrong with it."""
        if not hasattr(completion, "choices"):
            raise Stop("what the server sends is no chat completion\n" + ADVICE[404])
        self._tell(
            f"the server answers as {getattr(completion, 'model', None)}, fingerprint {completion.system_fingerprint}"
        )
        usage = completion.usage
        self._used["answers"] += 1
        if usage is not None:
            self._used["prompt"] += usage.prompt_tokens or 0
            self._used["completion"] += usage.completion_tokens or 0
            if (usage.completion_tokens or 0) > self.config["max_new_tokens"]:
                self._tell("WARNING: the server does not keep to inference.max_new_tokens")
        if not completion.choices:
            raise Refused(f"no answer ({self._clean(getattr(completion, 'error', None) or 'no choices')})")
        choice = completion.choices[0]
        if choice.finish_reason == "content_filter":
            raise Refused("content_filter: the server's filter withheld the answer")
        if choice.finish_reason not in ("stop", "length"):
            raise Refused(f"the answer ended with {choice.finish_reason!r}, neither stop nor length")
        message = choice.message
        # a refusal is what the model said; a model that only thought until the limit said nothing
        text = message.content or getattr(message, "refusal", None) or ""
        if not isinstance(text, str):
            raise Refused(f"the answer is no text: {self._clean(text)}")
        return text, choice.finish_reason

    def _clean(self, said: object) -> str:
        """Text of the server or the client on one line, without the key: it goes into files that are shared."""
        return masked(" ".join(str(said).split()), self.key)[:600]

    def _tell(self, line: str) -> None:
        """Print a line once."""
        with self._lock:
            if line not in self._told:
                self._told.add(line)
                print(self._clean(line), flush=True)

    def report(self) -> None:
        """Print the tokens used so far."""
        self._reported, used = time.monotonic(), self._used
        print(
            f"tokens used by this process: {used['prompt']:,} prompt + {used['completion']:,} completion, "
            f"in {used['answers']:,} answers",
            flush=True,
        )


def main() -> None:
    """Answer the requests of the configuration on the command line."""
    loop.main(ApiAnswerer)
