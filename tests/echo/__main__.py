"""``python -m tests.echo <arguments of the orchestrator>``: the orchestrator with the toolkit ``echo``."""

from __future__ import annotations

from orchestrator.__main__ import main
from tests.echo import register

if __name__ == "__main__":
    register()
    main()
