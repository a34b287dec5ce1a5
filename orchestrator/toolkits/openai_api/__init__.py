"""Models behind an OpenAI-compatible chat-completions API, such as GPT-4o: they answer, nothing is trained here."""

from orchestrator.toolkits.openai_api.engine import Engine

__all__ = ["Engine"]
