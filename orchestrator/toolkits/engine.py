"""What engines have in common that load a model on this machine."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.toolkits.programs import Programs
from orchestrator.toolkits.whole import weights_problems


class LocalEngine(Programs):
    """An engine whose program is ``inside/infer.py``; a subclass adds `problems` and `infer`."""

    starts: Mapping[str, str] = {"infer": "infer"}
    history = False
    generator = "transformers"  # see `Engine.generator`
    weights_problems = staticmethod(weights_problems)  # see `Engine.weights_problems`
