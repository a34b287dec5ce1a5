"""``python -m orchestrator`` and the command ``orchestrator``."""

from __future__ import annotations

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


if __name__ == "__main__":
    main()
