"""What ms-swift acts on inside an utterance."""

from __future__ import annotations

from orchestrator.inside.utterance import neutraliser

# control tokens such as `<|im_end|>`, and every tag that it may act on, `</slice>` and the like
neutralise = neutraliser(r"\||/?[A-Za-z_-]+>")
