"""Standard streams that stand whatever they lead to: nothing, a reader that leaves, a terminal of ASCII only."""

from __future__ import annotations

import codecs
import errno
import io
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

ESCAPED = "mmla_escaped"
GONE = (errno.EPIPE, errno.EIO, errno.EBADF)  # `| head -1` has read enough; the terminal was closed; so was the stream


class _Raw(io.FileIO):
    """A file descriptor; once nobody reads it any more, what is written goes nowhere, and the work goes on."""

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            if error.errno not in GONE:
                raise
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            return super().write(data)


def steady() -> None:
    """Make the standard streams so; those that a test or a caller put there are left alone."""
    codecs.register_error(ESCAPED, _escape)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        stream = getattr(sys, name)
        if stream is None:  # closed: the next file that is opened would get its number
            while (opened := os.open(os.devnull, os.O_RDWR)) < number:
                pass
            if opened != number:
                os.close(opened)
        if number == 0 or stream is not getattr(sys, f"__{name}__"):
            continue
        raw = _Raw(number, "w", closefd=False)
        # as Python opens them: lines at once on a terminal, and errors always
        lines = number == 2 or raw.isatty() or bool(stream and stream.write_through)
        coding = stream.encoding if stream else "utf-8"
        if not raw.isatty() and not coding.lower().startswith("utf"):
            coding = "ascii"  # a program, or a file, that JSON goes to: it is read as UTF-8
        file = io.TextIOWrapper(io.BufferedWriter(raw), coding, ESCAPED, line_buffering=lines)
        setattr(sys, name, file)


def _escape(error: UnicodeError) -> tuple[str, int]:
    r"""What a terminal cannot show as ``\u4f60``, which people can look up and JSON reads back."""
    assert isinstance(error, UnicodeEncodeError)
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4)), error.end
