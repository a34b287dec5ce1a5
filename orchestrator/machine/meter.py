"""A line on standard error for what takes long: how far it is, and since when. It moves while nothing is counted, too.

Standard library only: it is also a program, for what is done before anything is installed. What the command says comes
when it has ended:

    python -m orchestrator.machine.meter WHAT COMMAND...
"""

from __future__ import annotations

import contextlib
import shutil
import sys
import threading
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from types import TracebackType

Count = Callable[[int, int], None]  # told what is done, and the total
# a log gets a line now and then, a terminal the same line over and over, and none for what is quick
PLAIN_SECONDS, TERMINAL_SECONDS, QUICK_SECONDS = 30.0, 0.5, 1.0


_open: list[Meter] = []  # one within another is the one that tells


class Meter:
    """Tells of one thing that is done within its ``with``; it may be called as often as one likes, with a `Count`.

    Attributes:
        doing: what is done just now.
        more: asked each time for more to say, e.g. how much was written; from another thread.
    """

    def __init__(self, what: str) -> None:
        """``what`` is done, in few words: the line begins with it."""
        self.what = what
        self.doing = ""
        self.more: Callable[[], str] = str
        self._begun = time.monotonic()
        self._ended = threading.Event()
        self._width = 0  # of what stands on a terminal's line
        self._thread = threading.Thread(target=self._tell, daemon=True)

    def __call__(self, done: int, total: int) -> None:
        """So much of it is done."""
        share = f"{100 * done / total:.0f}%" if total else "100%"
        self.doing = f"{done:,} of {total:,} ({share})"

    def text(self) -> str:
        """The line."""
        since = str(timedelta(seconds=int(time.monotonic() - self._begun)))
        return f"{self.what}: {', '.join(filter(None, (self.doing, self.more(), since)))}"

    def __enter__(self) -> Meter:
        _open.append(self)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()
        _open.remove(self)
        if self._width:
            self._draw()
            print(file=sys.stderr, flush=True)

    def _tell(self) -> None:
        terminal = sys.stderr.isatty()
        pause = QUICK_SECONDS if terminal else PLAIN_SECONDS
        while not self._ended.wait(pause):
            if self is not _open[-1]:
                continue
            # the terminal was closed, or the disk is full that this goes to: the work goes on
            with contextlib.suppress(OSError, ValueError):
                if terminal:
                    self._draw()
                else:
                    print(self.text(), file=sys.stderr, flush=True)
            pause = TERMINAL_SECONDS if terminal else PLAIN_SECONDS

    def _draw(self) -> None:
        line = self.text()[: shutil.get_terminal_size().columns - 1]
        print(f"\r{line:{self._width}}", end="", file=sys.stderr, flush=True)
        self._width = len(line)


def written(process: int) -> str:
    """How much a process has written so far, e.g. ``1,234 MB written``; empty where that is little, or not known."""
    with contextlib.suppress(OSError, ValueError):
        counts = dict(line.split(": ") for line in Path(f"/proc/{process}/io").read_text("ascii").splitlines())
        if (megabytes := int(counts["wchar"]) // 1_000_000) > 0:
            return f"{megabytes:,} MB written"
    return ""


def main(words: Sequence[str]) -> int:
    """Run a command and tell that it goes on; returns its exit status."""
    import subprocess
    import tempfile

    what, *argv = words
    with tempfile.TemporaryFile() as said:
        with Meter(what) as meter:
            process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT)
            meter.more = lambda: written(process.pid)
            try:
                status = process.wait()
            except KeyboardInterrupt:  # which it got, too
                status = process.wait() or 130
        said.seek(0)
        shutil.copyfileobj(said, sys.stderr.buffer)
        sys.stderr.flush()
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
