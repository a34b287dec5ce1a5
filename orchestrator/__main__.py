"""``python -m orchestrator`` and the command ``orchestrator``."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command line; errors that are the user's to mend are messages, not tracebacks."""
    from orchestrator.cli.app import app
    from orchestrator.errors import OrchestratorError
    from orchestrator.machine.checkout import need_checkout

    try:
        if not {"-h", "--help"} & set(sys.argv):
            need_checkout()
        app()
    except OrchestratorError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # the reader (head, less) went away; python would complain once more when it flushes at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)


if __name__ == "__main__":
    main()
