"""All requests as one stream: each is sent as soon as there is room, and its answer is journaled as it comes."""

from __future__ import annotations

import asyncio
import errno
import heapq
import itertools
import os
import random
import time
from collections import Counter, deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Optional

from orchestrator.inside import loop
from orchestrator.inside.spent import Ledger, Tokens
from orchestrator.toolkits.openai_api.inside import question, reply, usage, verdict
from orchestrator.toolkits.openai_api.inside.budget import Budget
from orchestrator.toolkits.openai_api.inside.client import Client
from orchestrator.toolkits.openai_api.inside.gate import Gate, Stopped, backoff
from orchestrator.toolkits.openai_api.inside.journal import Journal
from orchestrator.toolkits.openai_api.inside.words import Words

# so many refusals and not one answer: it is not the requests
REFUSED_AT_FIRST = 20
OUT_OF = (errno.ENOMEM, errno.EMFILE, errno.ENFILE)  # memory, open files
AHEAD = 4  # more workers than requests at once, so that clips are decoded before there is room


class Stream:
    """Asks what is left, until it is answered, nothing more can be, or somebody stops it.

    Attributes:
        left: by request, what the server's last failure at it was, of those that were given up for now.
        stopped: why it ended before its work was done, in words; empty where it did not.
    """

    def __init__(
        self, config: dict[str, Any], todo: Sequence[loop.Request], journal: Journal, ledger: Ledger,
        client: Client, words: Words,
    ) -> None:  # fmt: skip
        self.config, self.journal, self.ledger, self.client, self.words = config, journal, ledger, client, words
        self.options = question.Options(config)
        self.budget = Budget(config, ledger)
        self.gate = Gate(int(config["batch_size"]), words.waits)
        self.left: dict[str, str] = {}
        self.stopped = ""
        # in no order of their length, and in another each time: requests that the server cannot stand, mostly the
        # longest, must not come all at once, nor be the first of every run
        self._fresh = deque(random.sample(todo, len(todo)))
        self._again: list[tuple[float, int, loop.Request]] = []
        self._order = itertools.count()  # of what comes again: requests cannot be compared
        self._tries: Counter[str] = Counter()
        self._came = Counter[str]()
        self._decoders = ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1))
        self._last = time.monotonic()  # when an answer came
        self._pictures: dict[str, Future[list[question.Picture]]] = {}

    async def run(self) -> None:
        """Do it."""
        count = min(len(self._fresh), self.gate.most + AHEAD)
        saving = asyncio.ensure_future(self.journal.keep_safe())
        ended = await asyncio.gather(*(self._work() for _ in range(count)), return_exceptions=True)
        self._decoders.shutdown(cancel_futures=True)
        self.journal.finish()
        await saving
        for error in ended:
            if error is not None:
                raise error

    def stop(self, why: str) -> None:
        """Send nothing more; what is out is waited for."""
        self.stopped = self.stopped or why
        self.gate.stop()

    async def _work(self) -> None:
        try:
            while (request := await self._next()) is not None:
                await self._one(request)
        except Stopped:
            pass
        except BaseException:
            self.gate.stop()  # what the others have sent is waited for
            raise

    async def _next(self) -> Optional[loop.Request]:
        """The next request; those that the server failed at come when all others were asked, and some time went by."""
        if self._fresh:
            request = self._fresh.popleft()
            for place in range(min(len(self._fresh), self.gate.most)):
                if self._fresh[place].get("video"):
                    self._decode(self._fresh[place])
            return request
        if not self._again:
            return None
        due, _, request = heapq.heappop(self._again)
        await self.gate.pause(due - time.monotonic())
        return request

    def _decode(self, request: loop.Request) -> Future[list[question.Picture]]:
        found = self._pictures.get(request["id"])
        if found is None:
            found = self._decoders.submit(question.pictures_of, request, self.config)
            self._pictures[request["id"]] = found
        return found

    async def _one(self, request: loop.Request) -> None:
        try:
            pictures = await asyncio.wrap_future(self._decode(request)) if request.get("video") else []
        except Exception as error:
            if loop.is_out_of_memory(error) or getattr(error, "errno", None) in OUT_OF:
                raise  # that says nothing about the clip
            self._write(loop.record(request, error))
            return
        finally:
            self._pictures.pop(request["id"], None)
        messages = question.messages_of(request, pictures)
        bound = usage.at_most(messages, pictures, int(self.config["max_new_tokens"]), self.budget.prices)
        again = True
        while again:  # once more where it was sent in words that the server does not know
            try:
                await self.gate.enter(lambda: self.budget.may(self.ledger.scaled(bound)))
            except Stopped:
                self.gate.stop()
                raise
            again = await self._send(request, messages, self.ledger.scaled(bound))

    async def _send(self, request: loop.Request, messages: list[question.Message], bound: Tokens) -> bool:
        """Send a request that may be sent; returns whether it is to be sent again in other words."""
        number, sent_at, options = self.ledger.sent(request["id"], bound), time.monotonic(), self.options.current
        tokens, estimated, unsure = None, False, False
        try:
            try:
                body = await self.client.complete(messages, options)
            finally:
                self.gate.leave()
            tokens, odd = usage.read(body, bound)
            estimated, unsure = bool(odd), True
            self.words.account(body, tokens, odd)
            answer = reply.read(body)
        except (verdict.Failed, reply.Broken) as error:
            unsure = getattr(error, "unsure", unsure)
            tokens = None if estimated else tokens
            self._failed(request, error, sent_at)
        except (verdict.Own, reply.Refused) as error:
            said = self.client.clean(error)
            if isinstance(error, verdict.Own) and self.options.adapt(error.status, said, options):
                if self.options.without_seed:
                    self.words.once("the server knows no seed: answers drawn at this temperature cannot be repeated")
                return True
            self._answered(refused=True)
            self._write(loop.record(request, reply.Refused(said)))
        except verdict.Stop as error:
            self.stop(str(error))
        else:
            self._answered()
            line = loop.record(request, answer)
            now = time.monotonic()
            # its share of the time, so that the sum is the time that all took
            line |= {"seconds": round(now - self._last, 4), "tokens": list(tokens)}
            self._last = now
            self._write(line)
        finally:
            # behind the answer: what is not in the journal when this process is killed counts as lost
            self.ledger.over(number, tokens, estimated=estimated, unsure=unsure)
            self.gate.wake()
        return False

    def _answered(self, *, refused: bool = False) -> None:
        self.gate.answered()
        self._came["refused" if refused else "answers"] += 1
        none = len(self.journal.answered) == len(self.journal.failed)  # nor in an earlier process
        if refused and none and not self._came["answers"] and self._came["refused"] >= REFUSED_AT_FIRST:
            self.stop(f"the server refused the first {REFUSED_AT_FIRST} requests and answered none\n"
                      "see the errors in predictions.jsonl; nothing is wrong with them? check model.path")  # fmt: skip

    def _failed(self, request: loop.Request, error: Exception, sent_at: float) -> None:
        """The server failed at a request: it comes again later, or with the next run."""
        said = self.client.clean(error)
        failure = error if isinstance(error, verdict.Failed) else verdict.Failed(said)
        self.gate.failed(sent_at, said, busy=failure.busy, wait=failure.wait)
        self._tries[request["id"]] += 1
        tries = self._tries[request["id"]]
        if tries > self.client.retries:
            self.left[request["id"]] = said
            self.words.gives_up(request["id"], tries, said)
        else:
            due = time.monotonic() + max(backoff(tries - 1), 0.0 if failure.busy else failure.wait or 0.0)
            heapq.heappush(self._again, (due, next(self._order), request))
        # where nobody was ever met, it is more likely the address than a hiccup
        patience = min(1, self.client.retries) if failure.no_server and not self._came else self.client.retries
        if self.gate.rounds > patience:
            self.stop(f"one request after another gets no answer, at the last: {said}\n{failure.advice}")

    def _write(self, line: loop.Request) -> None:
        """Journal an answer, as it comes."""
        self.journal.write(line)
        self.words.progress(len(self.journal.answered), len(self.journal.failed))
