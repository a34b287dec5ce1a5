"""A fault of this program in one stage is a failure of that stage: what runs beside it goes on."""

from __future__ import annotations

import errno
import traceback

from orchestrator.errors import OrchestratorError, StageError, remedy
from orchestrator.machine.optional import is_memory


def as_failure(error: BaseException) -> OrchestratorError:
    """An exception of a stage's work as what is told of its failure; one that is meant to be told, as it is."""
    if isinstance(error, OrchestratorError):
        return error
    number = errno.ENOMEM if is_memory(error) else error.errno if isinstance(error, OSError) else None
    if what := remedy(number):
        said = str(error) or "there is no memory left"
        return StageError(f"{said}\n    what to do: {what}, then run the same command again")
    lines = "".join(traceback.format_exception(error)).splitlines()
    shown = "\n".join(f"    | {line}" for line in lines)
    return StageError(f"this is a fault of the program: please report it with these lines and the command\n{shown}")
