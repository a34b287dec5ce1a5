"""Looks at clips, and repairs them, one after the other: ``python -m orchestrator.data.clips.worker``.

A process of its own: a damaged clip may hang the decoder, or end it. Each line of standard input is a JSON object:
``clip``, ``seconds`` (the time it is given), ``hear`` where its sound matters, and ``copy`` where it is to be repaired.
Each is answered by one on standard output. When the time is over the kernel ends the process, whatever it does.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from orchestrator.data.clips.look import OUT_OF, look
from orchestrator.data.clips.repair import NotRepaired, repair
from orchestrator.data.clips.sound import unheard
from orchestrator.data.clips.verdict import reasons
from orchestrator.machine.optional import is_memory


def answer(asked: dict[str, Any]) -> dict[str, Any]:
    """What is found: ``damage``, ``reasons`` and perhaps ``sound``, or ``repaired`` or ``failed``.

    Where the machine ran out of something that is ``lacks``.
    """
    clip = asked["clip"]
    try:
        if copy := asked.get("copy"):
            return {"repaired": repair(clip, Path(copy))}
        found = look(clip)
        heard = {"sound": unheard(clip)} if asked.get("hear") else {}
        return {"damage": found.damage, "reasons": [] if found.damage else reasons(clip, found), **heard}
    except NotRepaired as error:
        return {"failed": str(error)}
    except MemoryError as error:
        return {"lacks": "memory", "said": str(error)}
    except OSError as error:
        if error.errno in OUT_OF:
            return {"lacks": "files", "errno": error.errno, "said": error.strerror}
        reason = error.strerror or str(error)
        return {"failed": reason if asked.get("copy") else f"the video cannot be read: {reason}"}
    except Exception as error:  # of the encoder
        if is_memory(error):
            return {"lacks": "memory", "said": str(error)}
        return {"failed": f"{type(error).__name__}: {error}"}


def main() -> None:
    """Answer until standard input is closed."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    out = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)  # what libraries print is no answer
    for line in sys.stdin.buffer:
        asked = json.loads(line)
        signal.alarm(max(1, int(asked["seconds"])))
        found = answer(asked)
        signal.alarm(0)
        print(json.dumps(found), file=out, flush=True)


if __name__ == "__main__":
    main()
