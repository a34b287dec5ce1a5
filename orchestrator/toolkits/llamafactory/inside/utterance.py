"""What LLaMA-Factory acts on inside an utterance."""

from __future__ import annotations

from orchestrator.inside.utterance import neutraliser

# media placeholders are counted and replaced wherever they stand; `<|im_end|>` and `</s>` may be control tokens
neutralise = neutraliser(r"(?:image|video|audio)>|\||/?s>")
