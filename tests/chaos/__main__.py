"""``python -m tests.chaos [--toolkit echo] [--area AREA] [--only WORDS] [--fast] [--twenty] [--seed N]``.

Prints each disturbance with what is expected and whether it was survived; why not stands behind the table.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import textwrap
import time
import traceback
from itertools import zip_longest
from pathlib import Path

from tests import echo
from tests.chaos.table import AREAS, LEGEND, Row, rows
from tests.chaos.world import Lab, Untried

WIDTH = 80


def tried(row: Row, lab: Lab) -> tuple[str, str]:
    """``survived``, ``NOT`` or ``untried``, and why."""
    try:
        row.do(lab)
    except Untried as reason:
        return "untried", str(reason)
    except AssertionError as reason:
        return "NOT", str(reason)
    except Exception as fault:
        frame = traceback.extract_tb(fault.__traceback__)[-1]
        return "NOT", f"traceback: {fault!r}, {frame.filename}:{frame.lineno}: {frame.line}"
    return "survived", ""


def short(why: str) -> str:
    """The first lines; of a traceback in it the last frame and the error."""
    before, found, rest = why.partition("Traceback (most recent call last)")
    frames = re.findall(r'File "(\S+)", line (\d+)', rest)
    ends = [line for line in rest.splitlines() if re.match(r"\s*[\w.]*(Error|Exception)\b", line)]
    told = f"TRACEBACK {':'.join(frames[-1]) if frames else ''} {ends[0].strip() if ends else ''}" if found else ""
    return "\n".join([*before.strip().splitlines()[:8], *([told] if told else [])])[:1200]


def line(row: Row, verdict: str, seconds: float) -> str:
    """A row of the table, on as many lines as it takes."""
    what, expected = textwrap.wrap(row.disturbance, 36), textwrap.wrap(row.expectation, 18)
    lines = [f"{row.area:<13}{what[0]:<37}{expected[0]:<19}{verdict:<8}{seconds:3.0f}"]
    lines += [f"{'':<13}{a:<37}{b}".rstrip() for a, b in zip_longest(what[1:], expected[1:], fillvalue="")]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos", description="Disturb runs, and look what comes of it."
    )
    parser.add_argument("--toolkit", choices=("echo", "llamafactory"), default="echo")
    parser.add_argument("--area", choices=AREAS, action="append", help="only this one (may be given again)")
    parser.add_argument("--only", metavar="WORDS", default="", help="only disturbances whose name holds these words")
    parser.add_argument("--fast", action="store_true", help="only those that are tests, too")
    parser.add_argument("--twenty", action="store_true", help="one run over real text, disturbed twenty times")
    parser.add_argument("--seed", type=int, default=1, help="of --twenty")
    asked = parser.parse_args()
    echo.register()
    with tempfile.TemporaryDirectory(prefix="chaos-") as base:
        if asked.twenty:
            from tests.chaos.twenty import twenty

            sys.exit(twenty(asked.toolkit, Path(base), asked.seed))
        lab = Lab(asked.toolkit, Path(base))
        lab.at("done")
        print(f"{asked.toolkit}: a calm run takes {lab.seconds:.1f} s\n{LEGEND}")
        reasons, count = [], {"survived": 0, "NOT": 0, "untried": 0}
        for row in rows():
            if asked.toolkit not in row.toolkits or (asked.area and row.area not in asked.area):
                continue
            if (asked.fast and row.slow) or not all(word in row.name for word in asked.only.lower().split()):
                continue
            begun = time.monotonic()
            verdict, why = tried(row, lab)
            count[verdict] += 1
            print(line(row, verdict, time.monotonic() - begun), flush=True)
            if why:
                reasons.append(f"--- {verdict}: {row.name}\n{textwrap.indent(short(why), '    ')}")
        print(*reasons, sep="\n")
        print(f"\ntried {count['survived'] + count['NOT']}, survived {count['survived']}"
              + f", could not be tried here {count['untried']}" * bool(count["untried"]))  # fmt: skip
        sys.exit(count["NOT"] > 0)


if __name__ == "__main__":
    main()
