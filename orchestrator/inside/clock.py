"""What a runner's time went into. Standard library only at its start, Python 3.10.

Of a batch's seconds, the model waits for some (clips to be decoded, texts to be tokenized), reads the questions in
others (prefill: all before an answer's first token, frames included), and generates in the rest. Encoding goes on
beside that, in threads.
"""

from __future__ import annotations

import sys
import time
from typing import Any, Optional

WAIT, PREFILL, ENCODE = "wait", "prefill", "encode"


class Clock:
    """Adds up seconds, by what they went into."""

    def __init__(self) -> None:
        self._spent: dict[str, float] = {}
        self._generating: Optional[float] = None  # since when, until the first token

    def add(self, what: str, seconds: float) -> None:
        """Count some."""
        self._spent[what] = self._spent.get(what, 0.0) + seconds

    def watch(self, model: Any) -> None:
        """See the end of prefill: the first time in a batch that the model's output layer has worked."""
        if (layer := output_layer(model)) is not None:
            layer.register_forward_hook(self._first)

    def generation_begins(self) -> None:
        """From here on it is prefill."""
        self._generating = time.perf_counter()

    def _first(self, *_: Any) -> None:
        if self._generating is None:
            return
        torch = sys.modules["torch"]
        if torch.cuda.is_available():
            torch.cuda.synchronize()  # it is asked to do things, and does them later
        self.add(PREFILL, time.perf_counter() - self._generating)
        self._generating = None

    def taken(self) -> dict[str, float]:
        """The sums since this was asked last."""
        spent, self._spent = self._spent, {}
        return spent


def output_layer(model: Any) -> Any:
    """The layer whose output are the logits; ``None`` where none is found."""
    if hasattr(model, "get_base_model"):  # an adapter's
        model = model.get_base_model()
    try:
        layer = model.get_output_embeddings()
    except (AttributeError, NotImplementedError):
        layer = None
    if layer is not None:
        return layer
    named = model.named_modules() if hasattr(model, "named_modules") else ()
    return next((module for name, module in named if name.rpartition(".")[2] == "lm_head"), None)


def in_words(spent: dict[str, float], seconds: float) -> str:
    """For the log, e.g. ``of 88.2 s: 0.4 waiting for clips and texts, 30.1 prefill, 57.7 generating``."""
    wait, prefill = spent.get(WAIT, 0.0), spent.get(PREFILL)
    parts = [f"{wait:.1f} waiting for clips and texts"]
    if prefill is not None:
        parts += [f"{prefill:.1f} prefill", f"{max(0.0, seconds - wait - prefill):.1f} generating"]
    return f"of {seconds:.1f} s: {', '.join(parts)}; encoding took {spent.get(ENCODE, 0.0):.1f} s of threads beside"
