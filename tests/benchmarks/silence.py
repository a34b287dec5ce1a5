"""How long a command says nothing: ``python -m tests.benchmarks.silence [--only terminal|pipe] -- COMMAND...``.

It runs the command on a terminal of its own, then with pipes, and prints the longest time of each in which nothing
came, from its start to its end, with what was said before and after. Exit status: that of the last run.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

ROWS_COLUMNS = (40, 120)
CHUNK = 1 << 16
SHOWN = 100  # characters of an output
CONTROL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[@-_]|[\x00-\x09\x0b\x0c\x0e-\x1f]")
BEGIN, END = "(its start)", "(its end)"


@dataclass(frozen=True)
class Silence:
    """A time in which nothing came: ``seconds`` long, beginning ``at`` seconds after the start, between two outputs."""

    seconds: float
    at: float
    before: str
    after: str


@dataclass(frozen=True)
class Heard:
    """What came of a command: its exit status, its whole time in seconds, how many outputs, and the longest silence."""

    status: int
    seconds: float
    outputs: int
    longest: Silence


def shown(output: bytes, *, last: bool) -> str:
    """The last or the first line of an output, cut; empty where it shows nothing."""
    text = CONTROL.sub("", output.decode("utf-8", "replace"))
    lines = [line.strip() for line in re.split(r"[\r\n]+", text) if line.strip()]
    return lines[-1 if last else 0][:SHOWN] if lines else ""


def listen(argv: Sequence[str], *, terminal: bool) -> Heard:
    """Run a command to its end, and note when something came."""
    with _started(argv, terminal=terminal) as (process, reader):
        start = said = time.monotonic()
        before, outputs = BEGIN, 0
        longest = Silence(0.0, 0.0, BEGIN, BEGIN)
        while True:
            output = _read(reader, process)
            now = time.monotonic()
            if now - said > longest.seconds:
                after = (shown(output, last=False) or repr(output)) if output else END
                longest = Silence(now - said, said - start, before, after)
            if not output:
                break
            before, said, outputs = shown(output, last=True) or before, now, outputs + 1
        return Heard(process.wait(), time.monotonic() - start, outputs, longest)


@contextlib.contextmanager
def _started(argv: Sequence[str], *, terminal: bool) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    reader, writer = os.openpty() if terminal else os.pipe()
    if terminal:
        fcntl.ioctl(writer, termios.TIOCSWINSZ, struct.pack("HHHH", *ROWS_COLUMNS, 0, 0))
    env = os.environ | {"TERM": "xterm-256color"}
    stdin = writer if terminal else subprocess.DEVNULL
    process = subprocess.Popen(argv, stdin=stdin, stdout=writer, stderr=writer, env=env, start_new_session=True)
    os.close(writer)
    try:
        yield process, reader
    finally:
        os.close(reader)
        if process.poll() is None:
            process.terminate()
            process.wait()


def _read(reader: int, process: subprocess.Popen[bytes]) -> bytes:
    """The next output; empty at the end, also where a process that was left behind keeps the stream open."""
    while not select.select([reader], [], [], 0.2)[0]:
        if process.poll() is not None:
            return b""
    try:
        return os.read(reader, CHUNK)
    except OSError:  # a terminal that nobody writes to any more
        return b""


def report(name: str, heard: Heard) -> str:
    """What was heard, for people."""
    silence = heard.longest
    found = f"longest silence {silence.seconds:.1f} s, {silence.at:.1f} s after the start"
    whole = f"of {heard.seconds:.1f} s (exit status {heard.status}, {heard.outputs:,} outputs)"
    return f"{name}: {found}, {whole}\n    after:  {silence.before}\n    before: {silence.after}"


def main(words: Sequence[str] | None = None) -> int:
    """Listen to the command that is named."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.silence", description=__doc__)
    parser.add_argument("--only", choices=("terminal", "pipe"), help="run it once; by default on both")
    parser.add_argument("command", nargs="+", help="the command, after --")
    given = parser.parse_args(words)
    status = 0
    for name in (given.only,) if given.only else ("terminal", "pipe"):
        heard = listen(given.command, terminal=name == "terminal")
        status = heard.status
        print(report(name, heard), flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
