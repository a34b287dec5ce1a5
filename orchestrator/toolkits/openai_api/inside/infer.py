"""Ask a model behind an OpenAI-compatible chat-completions API, through the official client. Runs inside the toolkit's
environment: ``start.py infer.py config.json`` (see ``orchestrator/inside/``).

``OPENAI_API_KEY`` and ``OPENAI_BASE_URL`` come from the environment. What is wrong with one request is that request's
error; where the server fails, it is asked again, by the next run if need be, and no error stands for the answer; what
would fail for every later request, too, ends the process. Answers that are out are waited for, whatever ends it but a
kill; what the journal holds is not asked again when the same command goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from pathlib import Path
from typing import Any

from orchestrator.inside import loop, told
from orchestrator.inside.spent import SPENT, Ledger
from orchestrator.toolkits.openai_api.inside.client import Client
from orchestrator.toolkits.openai_api.inside.journal import Journal
from orchestrator.toolkits.openai_api.inside.stream import Stream
from orchestrator.toolkits.openai_api.inside.words import Words

STOPPED = 1  # exit status where requests are left
ENDED = 128 + signal.SIGTERM
GO_ON = "The answers so far are kept; the same command goes on from here."


def run(config: dict[str, Any]) -> int:
    """Answer every request of ``config["requests"]`` that ``config["predictions"]`` lacks; returns the exit status.

    At most ``config["batch_size"]`` are out at once. Raises `loop.BadInput`.
    """
    requests = loop.read_requests(config["requests"])
    folder = Path(config["predictions"]).resolve().parent
    journal = Journal(config["predictions"], {request["id"] for request in requests})
    try:
        todo = [request for request in requests if request["id"] not in journal.answered]
        status = _ask(config, folder, todo, journal, len(requests)) if todo else 0
    finally:
        journal.close()
    if status == 0 and journal.answered and len(journal.failed) == len(journal.answered):
        told.stop(folder, f"every request failed; the first error: {next(iter(journal.failed.values()))}")
        return loop.ALL_FAILED
    return status


def _ask(config: dict[str, Any], folder: Path, todo: list[loop.Request], journal: Journal, total: int) -> int:
    client, ledger = Client(config["model"]), Ledger(folder / SPENT)
    words = Words(folder, config, client, ledger, total)
    print(f"asking {config['model']} at {client.address}", flush=True)
    if count := len(ledger.totals.open):
        words.note(f"{count:,} request{'s were' if count > 1 else ' was'} out when an earlier process was killed: paid "
                   f"for and lost are at most {sum(ledger.totals.lost[:2]):,} tokens")  # fmt: skip
    words.progress(len(journal.answered), len(journal.failed), end=True)
    stream = Stream(config, todo, journal, ledger, client, words)
    ended: list[int] = []

    async def asking() -> None:
        def end() -> None:
            ended.append(ENDED)
            stream.gate.stop()

        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, end)
        await stream.run()

    try:
        asyncio.run(asking())
    finally:
        words.progress(len(journal.answered), len(journal.failed), end=True)
    left = total - len(journal.answered)
    if not left:
        return 0
    if not ended or stream.stopped:
        told.stop(folder, why(stream, left, total))
    return ENDED if ended else STOPPED


def why(stream: Stream, left: int, total: int) -> str:
    """Why requests are left, and what to do."""
    some = f"{left:,} of {total:,} requests are left"
    if stream.stopped:
        reason, _, advice = stream.stopped.partition("\n")
        return "\n".join(filter(None, [f"stopped: {reason}", advice, f"{some}. {GO_ON}"]))
    if stream.budget.reached:
        key = stream.budget.reached.split()[0]
        spent = stream.ledger.totals.words(stream.budget.prices)
        return (
            f"stopped: {stream.budget.reached} is reached: {spent}\n{some}. To go on raise it, --set {key}=..., "
            "in the same command; the answers so far are kept"
        )
    last = next(reversed(stream.left.values()), "")
    return (
        f"{some} without an answer: the server failed at each of them {stream.client.retries + 1} times; the last "
        f"time: {last}\nThe other answers are kept; run the same command again: it asks these again"
    )


def main() -> None:
    """Answer the requests of the configuration on the command line."""
    config = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    with contextlib.suppress(FileNotFoundError):
        (Path(config["predictions"]).parent / told.STOPPED).unlink()
    try:
        status = run(config)
    except loop.BadInput as error:
        print(error, file=sys.stderr, flush=True)
        status = loop.BAD_INPUT
    sys.exit(status)
