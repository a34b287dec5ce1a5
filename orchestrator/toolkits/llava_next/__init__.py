"""LLaVA-NeXT (LLaVA-Video, LLaVA-OneVision on Qwen2)."""

from orchestrator.toolkits.llava_next.engine import Engine
from orchestrator.toolkits.llava_next.trainer import Trainer

__all__ = ["Engine", "Trainer"]
