"""``python -m orchestrator`` and the command ``orchestrator``."""

from __future__ import annotations

import sys

if __name__ == "__main__" and not sys.flags.safe_path:
    # `python -m` looks first in the working directory: a json.py or yaml.py of the user's is not what is meant
    del sys.path[0]

import errno
import os
from pathlib import Path

# what the machine refuses -> what to do
REMEDIES = {
    errno.ENOSPC: "the disk is full: free some space, or give a folder on another disk",
    errno.EDQUOT: "your share of the disk is used up: free some space, or give a folder on another disk",
    errno.EROFS: "this disk can only be read: give a folder that can be written",
    errno.EACCES: "you may not do that there: give another folder, or ask for the right to",
    errno.EPERM: "you may not do that there: give another folder, or ask for the right to",
    errno.EFBIG: "files may not grow so large: raise `ulimit -f`",
    errno.EMFILE: "too many files are open: raise `ulimit -n`",
    errno.ENFILE: "too many files are open on this machine",
    errno.EAGAIN: "too many processes: raise `ulimit -u`",
    errno.ENOMEM: "give it more memory (see `ulimit -v`, and the limits of the container or the job)",
    errno.EIO: "the disk, or the network drive, fails: see `dmesg`",
    errno.ENAMETOOLONG: "the name is too long: give another",
    errno.ELOOP: "its links go round in a circle: give another, or mend the links",
    errno.ENOTDIR: "a part of that path is a file: give another",
    errno.EISDIR: "that is a folder: give a file",
    errno.ESTALE: "the network drive was mounted anew: change to the folder again",
}


def main() -> None:
    """Run the command line; errors that are the user's to mend are messages, not tracebacks."""
    from orchestrator.machine.streams import steady

    steady()
    status = _run()
    try:
        sys.stdout.flush()
    except OSError as error:
        status = _say(f"standard output cannot be written: {error.strerror}") or status
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # else Python tries it again, and says so
    sys.exit(status)


def _run() -> int | str | None:
    """Run the command line; returns the exit status."""
    from orchestrator.errors import InputError, OrchestratorError
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
        app()
    except SystemExit as end:
        return end.code
    except OrchestratorError as error:
        return _say(str(error), error.exit_code)
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        number = error.errno if isinstance(error, OSError) else None
        if is_memory(error):
            number = errno.ENOMEM
        if isinstance(error, RuntimeError) and "home directory" in str(error):
            return _say("there is no home directory for the `~` in a path\n    write the path whole, or set HOME", 2)
        if number not in REMEDIES:
            import traceback

            traceback.print_exc()
            return _say("this is a fault of the program: please report it with the lines above and the command")
        file = getattr(error, "filename", None)
        return _say(f"{f'{file}: ' if file else ''}{os.strerror(number)}\n    {REMEDIES[number]}")
    return 0


def _say(text: str, status: int = 1) -> int:
    print(f"error: {text}", file=sys.stderr)
    return status


if __name__ == "__main__":
    main()
