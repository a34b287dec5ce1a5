"""The pictures of README: a terminal on which a recipe runs for real, and the page of results as Chromium shows it.

``python -m tests.pictures terminal COMMAND...`` writes docs/pictures/demo.svg, ``... page`` docs/pictures/report.png.
"""

from __future__ import annotations

import html
import os
import pty
import select
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from fcntl import ioctl
from pathlib import Path
from termios import TIOCSWINSZ

from tests.cli.screen import Screen
from tests.scores.page.browser import chromium
from tests.shared import ROOT

FOLDER = ROOT / "docs" / "pictures"
WIDTH, HEIGHT = 80, 20  # characters
CHAR, LINE, PAD = 8.43, 18, 14  # pixels
MOST_FRAMES, FRAME_SECONDS, LAST_SECONDS = 24, 0.7, 8.0
PAGE_SIZE = 1440, 900  # pixels


def frames(argv: Sequence[str]) -> Iterator[list[str]]:
    """What a terminal shows while a command runs, whenever that has changed, as lines."""
    leader, follower = pty.openpty()
    ioctl(follower, TIOCSWINSZ, struct.pack("HHHH", HEIGHT, WIDTH, 0, 0))
    env = os.environ | {"TERM": "xterm-256color", "COLUMNS": str(WIDTH), "LINES": str(HEIGHT)}
    process = subprocess.Popen(argv, stdin=follower, stdout=follower, stderr=follower, env=env, close_fds=True)
    os.close(follower)
    screen, shown, told = Screen(WIDTH, HEIGHT), [""], 0.0
    screen.feed(f"$ {' '.join(argv).replace(sys.executable, 'python')}\r\n")
    yield screen.shown()
    while True:
        if select.select([leader], [], [], 0.1)[0]:
            try:
                screen.feed(os.read(leader, 1 << 16).decode("utf-8", "replace"))
            except OSError:  # the other end is closed
                break
        if screen.shown() != shown and time.monotonic() - told > FRAME_SECONDS:
            shown, told = screen.shown(), time.monotonic()
            yield shown
    process.wait()
    yield screen.shown()


def terminal(found: Sequence[Sequence[str]]) -> str:
    """An SVG that shows frames one after another, and the last one longest."""
    step = max(1, len(found) // MOST_FRAMES)
    chosen = [*found[:-1:step], found[-1]]
    whole = (len(chosen) - 1) * FRAME_SECONDS + LAST_SECONDS
    width, height = WIDTH * CHAR + 2 * PAD, HEIGHT * LINE + 2 * PAD
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}">',
        "<style>text{font:14px ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,monospace;fill:#d7dae0;white-space:pre}"
        ".first{fill:#8fc379}.f{visibility:hidden;animation:f linear infinite}",
    ]
    for number in range(len(chosen)):
        begin = 100 * number * FRAME_SECONDS / whole
        end = 100 * (number + 1) * FRAME_SECONDS / whole if number + 1 < len(chosen) else 100
        parts.append(
            f"@keyframes f{number}{{0%,{begin:.2f}%{{visibility:hidden}}{begin + 0.01:.2f}%,{end - 0.01:.2f}%"
            f"{{visibility:visible}}{end:.2f}%,100%{{visibility:{'visible' if end == 100 else 'hidden'}}}}}"
            f"#f{number}{{animation:f{number} {whole:.1f}s step-end infinite}}"
        )
    # where nothing moves, the end is shown
    last = len(chosen) - 1
    parts.append(f"@media (prefers-reduced-motion){{.f{{animation:none!important}}#f{last}{{visibility:visible}}}}")
    parts.append('</style><rect width="100%" height="100%" rx="8" fill="#1e2127"/>')
    for number, lines in enumerate(chosen):
        parts.append(f'<g class="f" id="f{number}">')
        for row, line in enumerate(lines):
            kind = ' class="first"' if line.startswith("$ ") else ""
            place = f'x="{PAD}" y="{PAD + (row + 0.75) * LINE:.0f}"'
            parts.append(f'<text {place}{kind} textLength="{len(line) * CHAR:.0f}">{html.escape(line)}</text>')
        parts.append("</g>")
    return "\n".join([*parts, "</svg>"]) + "\n"


def page(file: Path, picture: Path) -> None:
    """The top of a page, as a PNG."""
    with tempfile.TemporaryDirectory() as folder, chromium(Path(folder)) as tab:
        tab.look(*PAGE_SIZE)
        tab.open(file)
        tab.shot(picture, whole=False)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    if sys.argv[1] == "terminal":
        (FOLDER / "demo.svg").write_text(terminal(list(frames(sys.argv[2:]))), encoding="utf-8")
    else:
        page(ROOT / "docs" / "report.html", FOLDER / "report.png")
