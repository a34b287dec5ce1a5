"""What a program says to the user beside its log: sentences while it works, and why it stopped.

They stand in two files of the stage's folder, which whoever started the program reads. Standard library only.
"""

from __future__ import annotations

from pathlib import Path

NOTES, STOPPED = "notes.txt", "stopped.txt"


def note(folder: Path, text: str) -> None:
    """Say a sentence."""
    text = _writable(" ".join(text.split()))
    print(text, flush=True)
    with (folder / NOTES).open("a", encoding="utf-8") as file:
        file.write(text + "\n")


def stop(folder: Path, text: str) -> None:
    """Say why this process is about to end before its work is done, and what to do; the last thing that it does."""
    text = _writable(text)
    print(text, flush=True)
    temporary = folder / f".{STOPPED}.tmp"
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(folder / STOPPED)


def _writable(text: str) -> str:
    """Without what UTF-8 has no bytes for."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
