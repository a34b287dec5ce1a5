"""VideoLLaMA2 (2024-09), for video and text."""

from orchestrator.toolkits.videollama2.engine import Engine
from orchestrator.toolkits.videollama2.trainer import Trainer

__all__ = ["Engine", "Trainer"]
