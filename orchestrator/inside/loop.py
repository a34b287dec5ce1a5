"""The loop that every toolkit's runner shares: requests in, one final line per request out, whatever happens in
between.

Standard library only, Python 3.10, nothing from the orchestrator: it runs inside the toolkits' environments.

``requests.jsonl`` holds one object per line with a unique ``id``. ``predictions.jsonl`` is an append-only journal:
per request either ``{"id", "text", "finish_reason", "seconds"}`` or ``{"id", "error"}``. A process killed at any
moment is started again with the same configuration and goes on; with greedy decoding the answers are the ones that an
uninterrupted run gives, because batches are always formed from ALL requests and a batch that is half answered is run
again whole.
"""

from __future__ import annotations

import fcntl
import gc
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, Union

Request = dict[str, Any]
# what a model said, why it stopped ("stop" or "length") and perhaps what else is known; or what is wrong with this one
# request
Answer = Union[tuple[str, str], tuple[str, str, dict[str, Any]], Exception]

ALL_FAILED = 3  # exit status when not one request could be answered
BAD_INPUT = 2
SECONDS_BETWEEN_LINES = 10.0


class BadInput(Exception):
    """The requests or the journal cannot be used; nothing was written."""


class Answerer(Protocol):
    """A loaded model. It may also have ``prefetch(batch)``, told what comes after the batch that is about to be
    answered.
    """

    def length(self, request: Request) -> int:
        """How long the request is, in any unit: requests of like length share a batch, the longest go first."""

    def answer(self, batch: Sequence[Request]) -> Sequence[Answer]:
        """One answer per request, in order; an exception in the place of an answer concerns that request only."""


def read_requests(path: str) -> list[Request]:
    """All requests, refusing lines that are no object with an ``id`` and ids that occur twice (`BadInput`)."""
    requests: dict[str, Request] = {}
    with Path(path).open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                request = json.loads(line)
                key = request["id"]
            except (ValueError, TypeError, KeyError) as error:
                raise BadInput(f"{path}:{number}: not a JSON object with an `id` ({error})") from None
            if not isinstance(key, str):
                raise BadInput(f"{path}:{number}: the id must be a string, this one is {key!r}")
            if key in requests:
                raise BadInput(f"{path}:{number}: the id {key!r} occurs twice")
            requests[key] = request
    return list(requests.values())


class Journal:
    """The predictions file, opened for appending by one process at a time; what a killed process left is put in order
    first.
    """

    def __init__(self, path: str, ids: set[str]) -> None:
        self.path = path
        self.answered: set[str] = set()
        self.failed: dict[str, str] = {}
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise BadInput(f"{path}: another process is writing this file; wait for it or end it") from None
            self._recover(ids)
        except BaseException:
            self.close()
            raise

    def _recover(self, ids: set[str]) -> None:
        content = Path(self.path).read_bytes()
        whole = content.rfind(b"\n") + 1
        for number, line in enumerate(content[:whole].split(b"\n")[:-1], 1):
            where = f"{self.path}:{number}"
            try:
                record = json.loads(line)
                key = record["id"]
                known = key in ids
            except (ValueError, TypeError, KeyError):
                raise BadInput(f"{where}: not a prediction; delete the file to answer all requests again") from None
            if not known:
                raise BadInput(f"{where}: {key!r} is not among the requests; this file belongs to another run")
            if key in self.answered:
                raise BadInput(f"{where}: {key!r} is answered twice; delete the file to answer all requests again")
            self._count(record)
        if self.answered and len(self.failed) == len(self.answered):
            # nothing but errors: their cause (a missing folder, a full GPU) may be gone, and there is nothing to lose
            whole = 0
            self.answered, self.failed = set(), {}
        if whole < len(content):
            os.ftruncate(self._file, whole)

    def _count(self, record: Request) -> None:
        self.answered.add(record["id"])
        if "error" in record:
            self.failed[record["id"]] = str(record["error"])

    def append(self, records: Sequence[Request]) -> None:
        """Add lines with one write, on disk when this returns. ASCII, so that no reader splits a line at U+2028."""
        data = b"".join(json.dumps(record).encode("ascii") + b"\n" for record in records)
        while data:
            data = data[os.write(self._file, data) :]
        os.fsync(self._file)
        for record in records:
            self._count(record)

    def close(self) -> None:
        """Close the file and let go of its lock."""
        os.close(self._file)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the error says that memory ran out, judged by name and message: torch is not imported here."""
    if {"OutOfMemoryError", "MemoryError"} & {cls.__name__ for cls in type(error).__mro__}:
        return True
    signs = ("out of memory", "can't allocate memory", "not enough memory", "alloc_failed")
    return isinstance(error, RuntimeError) and any(sign in str(error).lower() for sign in signs)


def is_fatal(error: BaseException) -> bool:
    """Whether the device itself failed: every later answer would fail too, so the run must stop and not blame the
    requests.
    """
    signs = ("CUDA error", "device-side assert", "CUBLAS_STATUS_EXECUTION", "CUDNN_STATUS_EXECUTION", "NCCL error")
    return type(error).__name__ == "AcceleratorError" or any(sign in str(error) for sign in signs)


def release_memory() -> None:
    """Give back what a failed batch held."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


def describe(error: BaseException) -> str:
    """``ExcType: message`` on one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}".rstrip(": ")


def solve(answerer: Answerer, batch: Sequence[Request]) -> list[Request]:
    """One record per request, in order. Too little memory halves the batch; any other failure retries its requests
    one by one.
    """
    memory, message = False, ""
    try:
        answers = answerer.answer(batch)
        if len(answers) != len(batch):
            raise RuntimeError(f"the runner gave {len(answers)} answers to {len(batch)} requests")
    except Exception as error:
        memory, message = is_out_of_memory(error), describe(error)
        if not memory and is_fatal(error):
            raise
    else:
        return [record(request, answer) for request, answer in zip(batch, answers, strict=True)]
    # outside the handler: the exception, and with it the tensors of its frames, is gone now
    if memory:
        release_memory()
    if len(batch) == 1:
        return [
            {"id": batch[0]["id"], "error": f"out of memory, alone in its batch ({message})" if memory else message}
        ]
    step = len(batch) // 2 if memory else 1
    return [line for start in range(0, len(batch), step) for line in solve(answerer, batch[start : start + step])]


def record(request: Request, answer: Answer) -> Request:
    """The line for one answer, still without its time."""
    if isinstance(answer, Exception):
        return {"id": request["id"], "error": describe(answer)}
    text, finish_reason, *known = answer
    return {"id": request["id"], "text": text, "finish_reason": finish_reason, **(known[0] if known else {})}


def form_batches(requests: Sequence[Request], length: Callable[[Request], int], size: int) -> list[list[Request]]:
    """Batches of ``size``, longest first (memory runs out early or not at all); the order depends on nothing but the
    requests.
    """
    order = sorted(requests, key=lambda request: (-length(request), request["id"]))
    return [order[start : start + size] for start in range(0, len(order), size)]


def run(config: dict[str, Any], load: Callable[[], Answerer]) -> int:
    """Answer every request of ``config["requests"]`` that ``config["predictions"]`` lacks; returns the exit status.

    ``load`` makes the answerer and is called only if something is left to do. ``config["batch_size"]`` requests are
    answered together. With ``config["shard"] = [index, count]`` this process is one of several, with a predictions file
    of its own: it takes every count-th of the batches that ``config["answered"]``, the predictions of an earlier run,
    leaves to be done. Status: 0 every request has its line, 3 every request failed, of a run that has answers from
    nowhere else. Raises `BadInput`, and what `is_fatal` names.
    """
    requests = read_requests(config["requests"])
    before = read_answered(config["answered"]) if config.get("answered") else set()
    journal = Journal(config["predictions"], {request["id"] for request in requests})
    try:
        if any(request["id"] not in journal.answered | before for request in requests):
            answer_all(config, requests, journal, before, load())
    finally:
        journal.close()
    if before or (config.get("shard") and len(journal.answered) == 1):
        return 0  # the whole is judged by whoever started several
    if journal.answered and len(journal.failed) == len(journal.answered):
        print(
            f"every request failed; the first error: {next(iter(journal.failed.values()))}", file=sys.stderr, flush=True
        )
        return ALL_FAILED
    return 0


def read_answered(path: str) -> set[str]:
    """The ids that a predictions file in good order holds; none where there is no file."""
    if not Path(path).exists():
        return set()
    with Path(path).open("rb") as lines:
        return {json.loads(line)["id"] for line in lines}


def answer_all(
    config: dict[str, Any], requests: Sequence[Request], journal: Journal, others: set[str], answerer: Answerer
) -> None:
    """Go through this process's batches, writing each one's lines as it is done and a line of progress every ten
    seconds. What is in ``others`` was answered by an earlier run.
    """
    index, count = config.get("shard") or (0, 1)
    batches = form_batches(requests, answerer.length, int(config["batch_size"]))
    mine = [batch for batch in batches if any(request["id"] not in others for request in batch)][index::count]
    todo = [batch for batch in mine if any(request["id"] not in journal.answered | others for request in batch)]
    total = sum(map(len, mine))
    before = total - sum(request["id"] not in journal.answered for batch in todo for request in batch)
    prefetch = getattr(answerer, "prefetch", None)
    print(f"answered {before}/{total}", flush=True)
    done, started = before, time.monotonic()
    printed = started
    for number, batch in enumerate(todo):
        if prefetch is not None and number + 1 < len(todo):
            prefetch(todo[number + 1])
        begun = time.monotonic()
        records = solve(answerer, batch)
        now = time.monotonic()
        new = [line for line in records if line["id"] not in journal.answered and line["id"] not in others]
        for line in new:
            if "error" not in line:
                line["seconds"] = round((now - begun) / len(batch), 4)
        journal.append(new)
        done += len(new)
        if now - printed >= SECONDS_BETWEEN_LINES or number + 1 == len(todo):
            printed, rate = now, (done - before) / max(now - started, 1e-9)
            print(f"answered {done}/{total}, {rate:.1f}/s, {len(journal.failed)} errors", flush=True)


def main(load: Callable[[dict[str, Any]], Answerer]) -> None:
    """The body of a runner: ``runner.py config.json``. ``load`` makes the answerer from the configuration."""
    if len(sys.argv) != 2:
        sys.exit(f"usage: {Path(sys.argv[0]).name} config.json")
    config = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    try:
        status = run(config, lambda: load(config))
    except BadInput as error:
        print(error, file=sys.stderr, flush=True)
        status = BAD_INPUT
    sys.exit(status)
