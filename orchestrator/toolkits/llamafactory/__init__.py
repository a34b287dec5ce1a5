"""LLaMA-Factory 0.9.5, for text models and Qwen2-VL."""

from orchestrator.toolkits.llamafactory.engine import Engine
from orchestrator.toolkits.llamafactory.trainer import Trainer

__all__ = ["Engine", "Trainer"]
