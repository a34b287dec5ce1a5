"""``python -m orchestrator`` and the command ``orchestrator``."""

from __future__ import annotations

import sys

if __name__ == "__main__" and not sys.flags.safe_path:
    # `python -m` looks first in the working directory: a json.py or yaml.py of the user's is not what is meant
    del sys.path[0]

import errno
import gc
import os
from pathlib import Path


def main() -> None:
    """Run the command line; errors that are the user's to mend are messages, not tracebacks."""
    gc.set_threshold(100_000)  # plans and syntax trees hold no cycles: looking for some took time
    try:
        from orchestrator.machine.streams import steady

        steady()
        status = _run()
        sys.stdout.flush()
    except KeyboardInterrupt:
        status = 130
    except OSError as error:
        status = _say(f"standard output cannot be written: {error.strerror}")
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # else Python tries it again, and says so
    sys.exit(status)


def _run() -> int | str | None:
    """Run the command line; returns the exit status."""
    from orchestrator.errors import InputError, OrchestratorError, remedy
    from orchestrator.machine.optional import is_memory

    try:
        try:
            Path.cwd()
        except FileNotFoundError:
            hint = "change to a folder that exists, and run the same command again"
            raise InputError("the working directory was deleted", hint=hint) from None
        from orchestrator.cli.app import app
        from orchestrator.machine.checkout import need_checkout

        if not {"-h", "--help"} & set(sys.argv):
            need_checkout()
        # a shell completes the command of that name, not what follows `python -m`
        app(prog_name="orchestrator" if {"--install-completion", "--show-completion"} & set(sys.argv) else None)
    except SystemExit as end:
        return end.code
    except OrchestratorError as error:
        return _say(str(error), error.exit_code)
    except Exception as error:
        number = error.errno if isinstance(error, OSError) else None
        if is_memory(error):
            number = errno.ENOMEM
        if isinstance(error, RuntimeError) and "home directory" in str(error):
            return _say("there is no home directory for the `~` in a path\n    write the path whole, or set HOME", 2)
        if not (what := remedy(number)):
            import traceback

            traceback.print_exc()
            return _say("this is a fault of the program: please report it with the lines above and the command")
        file = getattr(error, "filename", None)
        return _say(f"{f'{file}: ' if file else ''}{os.strerror(number or 0)}\n    {what}")
    return 0


def _say(text: str, status: int = 1) -> int:
    from orchestrator.errors import harmless, masked

    print(f"error: {harmless(masked(text))}", file=sys.stderr)
    return status


if __name__ == "__main__":
    main()
